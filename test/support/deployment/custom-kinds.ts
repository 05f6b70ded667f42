import { z } from 'zod';
import { object } from './kinds.ts';

/*
 * Kinds of other projects, as far as the manifests use them and as these projects document them. Strict: a field that is
 * not here is a typing error or needs a look, and then a line here. Tests against an API server make
 * CustomResourceDefinitions of them.
 */

const text = z.string().min(1);
const words = z.record(z.string(), z.string());
const port = z.int().min(1).max(65_535);
const duration = z.string().regex(/^([0-9]{1,5}(h|m|s|ms)){1,4}$/);

const labelSelector = z.strictObject({ matchLabels: words });
const reference = z.strictObject({ group: z.string(), kind: text, name: text });

const inferencePool = object('inference.networking.k8s.io/v1', 'InferencePool', {
  spec: z.strictObject({
    selector: labelSelector,
    targetPorts: z
      .array(z.strictObject({ number: port }))
      .min(1)
      .max(8),
    appProtocol: z.enum(['http', 'kubernetes.io/h2c']).optional(),
    endpointPickerRef: z.strictObject({
      group: z.string().optional(),
      kind: text.optional(),
      name: text,
      port: z.strictObject({ number: port }),
      failureMode: z.enum(['FailOpen', 'FailClose']).optional(),
    }),
  }),
});

const inferenceObjective = object('llm-d.ai/v1alpha2', 'InferenceObjective', {
  spec: z.strictObject({ priority: z.int().optional(), poolRef: reference }),
});

const gateway = object('gateway.networking.k8s.io/v1', 'Gateway', {
  spec: z.strictObject({
    gatewayClassName: text,
    listeners: z
      .array(z.strictObject({ name: text, port, protocol: z.enum(['HTTP', 'HTTPS', 'TLS', 'TCP', 'UDP']) }))
      .min(1),
  }),
});

const httpRoute = object('gateway.networking.k8s.io/v1', 'HTTPRoute', {
  spec: z.strictObject({
    parentRefs: z.array(reference.extend({ namespace: text.optional() })).min(1),
    rules: z
      .array(
        z.strictObject({
          matches: z.array(
            z.strictObject({
              path: z.strictObject({
                type: z.enum(['PathPrefix', 'Exact']),
                value: z.string().startsWith('/'),
              }),
              headers: z
                .array(
                  z.strictObject({ type: z.enum(['Exact', 'RegularExpression']), name: text, value: text }),
                )
                .optional(),
            }),
          ),
          backendRefs: z.array(reference).min(1),
          timeouts: z.strictObject({ request: duration }).optional(),
        }),
      )
      .min(1),
  }),
});

const destinationRule = object('networking.istio.io/v1', 'DestinationRule', {
  spec: z.strictObject({
    host: text,
    trafficPolicy: z.strictObject({
      tls: z.strictObject({
        mode: z.enum(['DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL']),
        insecureSkipVerify: z.boolean().optional(),
      }),
      connectionPool: z.strictObject({
        http: z.strictObject({ http2MaxRequests: z.int(), maxRequestsPerConnection: z.int().optional() }),
      }),
    }),
  }),
});

const healthCheckPolicy = object('networking.gke.io/v1', 'HealthCheckPolicy', {
  spec: z.strictObject({
    targetRef: reference,
    default: z.strictObject({
      checkIntervalSec: z.int().min(1).max(300).optional(),
      timeoutSec: z.int().min(1).max(300).optional(),
      config: z.strictObject({
        type: z.enum(['HTTP', 'GRPC']),
        httpHealthCheck: z.strictObject({ requestPath: z.string().startsWith('/'), port }).optional(),
        grpcHealthCheck: z.strictObject({ port }).optional(),
      }),
    }),
  }),
});

const gcpBackendPolicy = object('networking.gke.io/v1', 'GCPBackendPolicy', {
  spec: z.strictObject({
    targetRef: reference,
    default: z.strictObject({
      timeoutSec: z.int().min(1),
      logging: z.strictObject({ enabled: z.boolean() }),
    }),
  }),
});

const clientTrafficPolicy = object('gateway.envoyproxy.io/v1alpha1', 'ClientTrafficPolicy', {
  spec: z.strictObject({
    targetRefs: z.array(reference).min(1),
    connection: z.strictObject({ bufferLimit: z.string().regex(/^\d+[KMG]i$/) }),
    timeout: z.strictObject({ http: z.strictObject({ streamIdleTimeout: duration }) }),
  }),
});

const backendTrafficPolicy = object('gateway.envoyproxy.io/v1alpha1', 'BackendTrafficPolicy', {
  spec: z.strictObject({
    targetRefs: z.array(reference).min(1),
    circuitBreaker: z.strictObject({
      maxConnections: z.int(),
      maxPendingRequests: z.int(),
      maxParallelRequests: z.int(),
    }),
  }),
});

const scrape = {
  port: text,
  path: z.literal('/metrics'),
  interval: duration,
};
const tokenOfSecret = z
  .strictObject({ credentials: z.strictObject({ name: text, key: z.literal('token') }) })
  .optional();

const serviceMonitor = object('monitoring.coreos.com/v1', 'ServiceMonitor', {
  spec: z.strictObject({
    selector: labelSelector,
    endpoints: z.array(z.strictObject({ ...scrape, authorization: tokenOfSecret })).min(1),
  }),
});

const podMonitor = object('monitoring.coreos.com/v1', 'PodMonitor', {
  spec: z.strictObject({
    selector: labelSelector,
    podMetricsEndpoints: z.array(z.strictObject({ ...scrape, authorization: tokenOfSecret })).min(1),
  }),
});

const prometheusRule = object('monitoring.coreos.com/v1', 'PrometheusRule', {
  spec: z.strictObject({
    groups: z
      .array(
        z.strictObject({
          name: text,
          rules: z.array(
            z.strictObject({
              alert: z.string().regex(/^[A-Z][A-Za-z]+$/),
              expr: text,
              for: duration,
              labels: z.strictObject({ severity: z.enum(['warning', 'critical']) }),
              annotations: z.strictObject({ summary: text, description: text }),
            }),
          ),
        }),
      )
      .min(1),
  }),
});

const podMonitoring = object('monitoring.googleapis.com/v1', 'PodMonitoring', {
  spec: z.strictObject({
    selector: labelSelector,
    endpoints: z
      .array(
        z.strictObject({
          ...scrape,
          authorization: z
            .strictObject({
              type: z.literal('Bearer'),
              credentials: z.strictObject({
                secret: z.strictObject({ name: text, key: z.literal('token') }),
              }),
            })
            .optional(),
        }),
      )
      .min(1),
  }),
});

const schedulerTemplate = z.strictObject({
  containers: z.array(z.strictObject({ name: z.literal('main'), image: text })).length(1),
});

const llmInferenceService = object('serving.kserve.io/v1alpha2', 'LLMInferenceService', {
  spec: z.strictObject({
    baseRefs: z.array(z.strictObject({ name: text })).optional(),
    model: z.strictObject({ uri: text, name: text }),
    replicas: z.int().min(1),
    router: z.strictObject({
      gateway: z.strictObject({}),
      route: z.strictObject({}),
      scheduler: z.strictObject({
        replicas: z.int().min(1).optional(),
        config: z.strictObject({ inline: z.looseObject({}) }).optional(),
        template: schedulerTemplate.optional(),
      }),
    }),
    template: z.looseObject({}),
  }),
});

const llmInferenceServiceConfig = object('serving.kserve.io/v1alpha2', 'LLMInferenceServiceConfig', {
  spec: z.strictObject({
    router: z.strictObject({ scheduler: z.strictObject({ template: schedulerTemplate }) }),
  }),
});

const route = object('route.openshift.io/v1', 'Route', {
  spec: z.strictObject({
    to: z.strictObject({ kind: z.literal('Service'), name: text }),
    port: z.strictObject({ targetPort: text }),
    tls: z.strictObject({
      termination: z.enum(['edge', 'passthrough', 'reencrypt']),
      insecureEdgeTerminationPolicy: z.enum(['None', 'Allow', 'Redirect']),
    }),
  }),
});

/** Schemas of objects of other projects; each has literals as `apiVersion` and `kind`. */
export const CUSTOM_KINDS = [
  inferencePool,
  inferenceObjective,
  gateway,
  httpRoute,
  destinationRule,
  healthCheckPolicy,
  gcpBackendPolicy,
  clientTrafficPolicy,
  backendTrafficPolicy,
  serviceMonitor,
  podMonitor,
  prometheusRule,
  podMonitoring,
  llmInferenceService,
  llmInferenceServiceConfig,
  route,
] as const;
