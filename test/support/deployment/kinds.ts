import { z } from 'zod';

/*
 * Kinds of Kubernetes itself, as far as the manifests use them. Strict: a field that is not here is a typing error or
 * needs a look, and then a line here.
 */

const text = z.string().min(1);
const words = z.record(z.string(), z.string());
const port = z.int().min(1).max(65_535);
/** RFC 1123 label, as names of Services, containers and volumes must be. */
const label = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
/** IANA service name, as names of ports must be: 15 characters at most. */
const portName = z.string().regex(/^(?=.*[a-z])[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$/);
const amount = z.union([z.string().regex(/^\d+(\.\d+)?(m|[KMGT]i?)?$/), z.number()]);
const portOrName = z.union([port, portName]);

/** Names that are parts of DNS names: objects of RBAC may have colons too. */
const metadata = z.strictObject({
  name: z.string().regex(/^[a-z0-9]([-a-z0-9.:]{0,251}[a-z0-9])?$/),
  namespace: label.optional(),
  labels: z
    .record(z.string(), z.string().regex(/^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/))
    .optional(),
  annotations: words.optional(),
});

/** An object of a kind, with what is beside `metadata`. */
export function object<Shape extends z.ZodRawShape>(apiVersion: string, kind: string, shape: Shape) {
  return z.strictObject({ apiVersion: z.literal(apiVersion), kind: z.literal(kind), metadata, ...shape });
}

const securityContext = z.strictObject({
  allowPrivilegeEscalation: z.literal(false),
  readOnlyRootFilesystem: z.literal(true),
  runAsUser: z.int().min(1).optional(),
  capabilities: z.strictObject({ drop: z.tuple([z.literal('ALL')]) }),
});

const probe = z
  .strictObject({
    grpc: z.strictObject({ port, service: z.string() }).optional(),
    httpGet: z.strictObject({ path: z.string().startsWith('/'), port: portOrName }).optional(),
    initialDelaySeconds: z.int().optional(),
    periodSeconds: z.int().optional(),
  })
  .refine((value) => (value.grpc === undefined) !== (value.httpGet === undefined), 'one way of probing');

const container = z.strictObject({
  name: label,
  image: text,
  imagePullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).optional(),
  args: z.array(z.string()),
  env: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[A-Z_][A-Z0-9_]*$/),
        value: z.string().optional(),
        valueFrom: z.strictObject({ fieldRef: z.strictObject({ fieldPath: text }) }).optional(),
      }),
    )
    .optional(),
  ports: z.array(z.strictObject({ name: portName, containerPort: port })),
  livenessProbe: probe.optional(),
  readinessProbe: probe,
  lifecycle: z
    .strictObject({ preStop: z.strictObject({ sleep: z.strictObject({ seconds: z.int().min(1) }) }) })
    .optional(),
  resources: z.strictObject({
    requests: z.strictObject({ cpu: amount, memory: amount }),
    limits: z.strictObject({ cpu: amount.optional(), memory: amount }),
  }),
  securityContext,
  volumeMounts: z
    .array(
      z.strictObject({
        name: label,
        mountPath: z.string().startsWith('/'),
        readOnly: z.boolean().optional(),
      }),
    )
    .optional(),
});

const podSpec = z.strictObject({
  serviceAccountName: label.optional(),
  automountServiceAccountToken: z.boolean().optional(),
  imagePullSecrets: z.array(z.strictObject({ name: text })).optional(),
  terminationGracePeriodSeconds: z.int().optional(),
  securityContext: z.strictObject({
    runAsNonRoot: z.literal(true),
    seccompProfile: z.strictObject({ type: z.literal('RuntimeDefault') }),
  }),
  containers: z.array(container).min(1),
  volumes: z.array(z.strictObject({ name: label, configMap: z.strictObject({ name: text }) })).optional(),
  affinity: z.looseObject({}).optional(),
  tolerations: z.array(z.looseObject({})).optional(),
});

const deployment = object('apps/v1', 'Deployment', {
  spec: z.strictObject({
    replicas: z.int().min(0).optional(),
    strategy: z
      .strictObject({
        type: z.enum(['RollingUpdate', 'Recreate']),
        rollingUpdate: z
          .strictObject({
            maxSurge: z.union([z.int(), z.string()]),
            maxUnavailable: z.union([z.int(), z.string()]),
          })
          .optional(),
      })
      .optional(),
    selector: z.strictObject({ matchLabels: words }),
    template: z.strictObject({
      metadata: z.strictObject({ labels: words, annotations: words.optional() }),
      spec: podSpec,
    }),
  }),
});

const service = object('v1', 'Service', {
  spec: z.strictObject({
    type: z.literal('ClusterIP').optional(),
    clusterIP: z.literal('None').optional(),
    selector: words,
    ports: z
      .array(
        z.strictObject({
          name: portName,
          port,
          targetPort: portOrName,
          protocol: z.enum(['TCP', 'UDP']).optional(),
          appProtocol: text.optional(),
        }),
      )
      .min(1),
  }),
});

const VERBS = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'] as const;

const resourceRule = z.strictObject({
  apiGroups: z.array(z.string()).min(1),
  resources: z.array(text).min(1),
  resourceNames: z.array(text).optional(),
  verbs: z.array(z.enum(VERBS)).min(1),
});
const urlRule = z.strictObject({
  nonResourceURLs: z.array(z.string().startsWith('/')),
  verbs: z.array(z.enum(VERBS)).min(1),
});

const role = object('rbac.authorization.k8s.io/v1', 'Role', { rules: z.array(resourceRule).min(1) });
const clusterRole = object('rbac.authorization.k8s.io/v1', 'ClusterRole', {
  rules: z.array(z.union([resourceRule, urlRule])).min(1),
});

function binding<Kind extends 'RoleBinding' | 'ClusterRoleBinding'>(kind: Kind) {
  return object('rbac.authorization.k8s.io/v1', kind, {
    roleRef: z.strictObject({
      apiGroup: z.literal('rbac.authorization.k8s.io'),
      kind: kind === 'RoleBinding' ? z.literal('Role') : z.literal('ClusterRole'),
      name: text,
    }),
    subjects: z
      .array(z.strictObject({ kind: z.literal('ServiceAccount'), name: text, namespace: label.optional() }))
      .length(1),
  });
}

/** Schemas of objects that every cluster has. */
export const KINDS: readonly z.ZodType[] = [
  object('v1', 'Namespace', {}),
  object('v1', 'ServiceAccount', { automountServiceAccountToken: z.literal(false).optional() }),
  object('v1', 'ConfigMap', { data: z.record(z.string().regex(/^[-._a-zA-Z0-9]+$/), text) }),
  object('v1', 'Secret', { type: z.literal('kubernetes.io/service-account-token') }),
  service,
  deployment,
  object('autoscaling/v2', 'HorizontalPodAutoscaler', {
    spec: z.strictObject({
      scaleTargetRef: z.strictObject({
        apiVersion: z.literal('apps/v1'),
        kind: z.literal('Deployment'),
        name: text,
      }),
      minReplicas: z.int().min(1),
      maxReplicas: z.int().min(1),
      metrics: z.array(
        z.strictObject({
          type: z.literal('Resource'),
          resource: z.strictObject({
            name: z.literal('cpu'),
            target: z.strictObject({ type: z.literal('Utilization'), averageUtilization: z.int().min(1) }),
          }),
        }),
      ),
    }),
  }),
  role,
  clusterRole,
  binding('RoleBinding'),
  binding('ClusterRoleBinding'),
];
