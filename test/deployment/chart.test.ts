import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { GOLDEN_SETS, goldenText, goldenValues } from '../support/deployment/golden.ts';
import { configurationProblems, schemaProblems, setProblems } from '../support/deployment/problems.ts';
import { HELM, helmTemplate, type Manifest, objectsOf } from '../support/deployment/render.ts';
import { chartValues } from '../support/deployment/values-table.ts';

/** The least that must be given. */
const SERVERS = { matchLabels: { app: 'vllm' } };

interface Router {
  readonly [name: string]: object;
}

/** Objects of a release `demo` in `llm` with these values below `router`, and others beside it. */
function render(router: Router = {}, others: object = {}): readonly Manifest[] {
  return objectsOf(helmTemplate({ router: { modelServers: SERVERS, ...router }, ...others }));
}

/** What helm says of values that it refuses. */
function refusal(router: Router, others: object = {}): string {
  try {
    render(router, others);
  } catch (error) {
    return String(error);
  }
  return 'accepted';
}

interface Picker {
  readonly spec: {
    readonly replicas?: number;
    readonly strategy: object;
    readonly template: {
      readonly spec: { readonly containers: readonly { readonly args: readonly string[] }[] };
    };
  };
}

function find<T>(manifests: readonly Manifest[], kind: string, name: string): T | undefined {
  const found = manifests.find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  return found as T | undefined; // callers name the part they look at
}

function args(manifests: readonly Manifest[]): readonly string[] {
  const picker = find<Picker>(manifests, 'Deployment', 'demo-epp');
  return picker?.spec.template.spec.containers[0]?.args ?? [];
}

function configuration(manifests: readonly Manifest[], file = 'default-plugins.yaml'): string {
  const map = find<{ readonly data: Readonly<Record<string, string>> }>(manifests, 'ConfigMap', 'demo-epp');
  return map?.data[file] ?? '';
}

const ALL_MONITORING = {
  prometheus: { enabled: true },
  rules: { enabled: true },
  dashboard: { enabled: true },
};

describe.skipIf(HELM === undefined)('chart', () => {
  test.each([
    ['defaults', {}, {}],
    ['istio', { epp: { replicas: 2 } }, { provider: { name: 'istio' }, httpRoute: { create: true } }],
    ['gke', { monitoring: ALL_MONITORING }, { provider: { name: 'gke' }, httpRoute: { create: true } }],
    ['prometheus', { monitoring: ALL_MONITORING }, {}],
    ['pod monitor', { monitoring: { prometheus: { enabled: true, podMonitor: true } } }, {}],
    ['sidecar', { proxy: { enabled: true }, inferencePool: { create: false } }, {}],
    ['sidecar that fails open', { proxy: { enabled: true, failOpen: true } }, {}],
    ['proxies', { proxy: { enabled: true, mode: 'service' }, epp: { replicas: 3 } }, {}],
    ['payload agnostic', { epp: { pluginsConfigFile: 'payload-agnostic.yaml' } }, {}],
    [
      'autoscaling',
      { epp: { autoscaling: { enabled: true }, flags: { 'ha-enable-leader-election': false } } },
      {},
    ],
    ['tracing', { tracing: { enabled: true } }, {}],
  ])('%s: what is rendered fits together', (_, router, others) => {
    const manifests = render(router, others);
    expect(schemaProblems(manifests)).toEqual([]);
    expect(setProblems(manifests)).toEqual([]);
  });

  test.each(GOLDEN_SETS)(
    '%s is rendered as kept: node test/support/deployment/golden.ts keeps it',
    (name) => {
      const text = helmTemplate(goldenValues(name));
      expect(text).toBe(goldenText(name));
      expect(schemaProblems(objectsOf(text))).toEqual([]);
      expect(setProblems(objectsOf(text))).toEqual([]);
    },
  );

  test('arguments are those of the reference', () => {
    const rest = ['--grpc-health-port', '9003', '--tracing=false'];
    const config = ['--zap-encoder', 'json', '--config-file', '/config/default-plugins.yaml'];
    const pool = [
      '--pool-name',
      'demo',
      '--pool-namespace',
      'llm',
      '--pool-group',
      'inference.networking.k8s.io',
    ];
    expect(args(render())).toEqual([...pool, ...config, ...rest]);
    expect(args(render({ epp: { replicas: 2 } }))).toEqual([
      ...pool,
      ...config,
      '--ha-enable-leader-election',
      ...rest,
    ]);
    const selector = render({
      inferencePool: { create: false },
      modelServers: { matchLabels: { a: 'b', c: 'd' }, targetPorts: [{ number: 8000 }, { number: 8001 }] },
      monitoring: { prometheus: { auth: { enabled: false } } },
    });
    expect(args(selector)).toEqual([
      '--endpoint-selector',
      'a=b,c=d',
      '--endpoint-target-ports',
      '8000,8001',
      ...config,
      ...rest,
      '--metrics-endpoint-auth=false',
    ]);
    const flags = { v: 4, 'grpc-max-recv-msg-size': 104_857_600, 'retry-after': 0, tracing: true };
    expect(args(render({ epp: { flags } })).slice(-5)).toEqual([
      '9003',
      '--grpc-max-recv-msg-size=104857600',
      '--retry-after=0',
      '--tracing=true',
      '--v=4',
    ]);
  });

  test('an explicit false stays false', () => {
    const metricsDataSource = { scheme: 'https', insecureSkipVerify: false };
    const text = configuration(render({ epp: { metricsDataSource } }));
    const plugins = (parse(text) as { readonly plugins: readonly object[] }).plugins; // rendered just now
    expect(plugins).toContainEqual({
      type: 'metrics-data-source',
      parameters: { scheme: 'https', path: '/metrics', insecureSkipVerify: false },
    });
  });

  test('of several pickers one is elected, unless told otherwise', () => {
    const elected = render({ epp: { replicas: 3 } });
    expect(find(elected, 'Role', 'demo-epp-leader-election')).toMatchObject({
      rules: [
        { resources: ['leases'], verbs: ['create'] },
        { resources: ['leases'], resourceNames: ['epp-llm-demo.llm-d.ai'], verbs: ['get', 'update'] },
        { resources: ['events'], verbs: ['create'] },
      ],
    });
    const selecting = render({ epp: { replicas: 2 }, inferencePool: { create: false } });
    expect(find(selecting, 'Role', 'demo-epp-leader-election')).toMatchObject({
      rules: [{}, { resourceNames: ['epp-llm-demo-epp.llm-d.ai'] }, {}],
    });
    expect(find<Picker>(elected, 'Deployment', 'demo-epp')?.spec).toMatchObject({
      replicas: 3,
      strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: '100%' } },
    });
    const active = render({ epp: { replicas: 3, flags: { 'ha-enable-leader-election': false } } });
    expect(args(active)).toContain('--ha-enable-leader-election=false');
    expect(args(active)).not.toContain('--ha-enable-leader-election');
    expect(find(active, 'Role', 'demo-epp-leader-election')).toBeUndefined();
    expect(find<Picker>(active, 'Deployment', 'demo-epp')?.spec).toMatchObject({
      strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    });
  });

  test('the picker may ask who reads its metrics exactly when it asks', () => {
    const name = 'llm-demo-epp-metrics-auth';
    expect(find(render(), 'ClusterRole', name)).toBeDefined();
    const open = render({ monitoring: { prometheus: { auth: { enabled: false } } } });
    expect(open.filter(({ kind }) => kind.startsWith('ClusterRole'))).toEqual([]);
    const flags = { 'metrics-endpoint-auth': false };
    expect(find(render({ epp: { flags } }), 'ClusterRole', name)).toBeUndefined();
  });

  test.each([
    ['sglang', [], { parameters: { defaultEngine: 'sglang' } }],
    ['triton', ['passthrough-parser'], { parameters: { defaultEngine: 'triton' } }],
    ['vllm', [], {}],
  ])('model servers of type %s', (type, parsers, extractor) => {
    const text = configuration(render({ modelServers: { ...SERVERS, type } }));
    const document = parse(text) as {
      readonly plugins: readonly { readonly type: string }[];
      readonly requestHandler?: object;
    };
    expect(document.plugins).toContainEqual({ type: 'core-metrics-extractor', ...extractor });
    expect(document.plugins.map((plugin) => plugin.type).filter((name) => name.endsWith('-parser'))).toEqual(
      parsers,
    );
    expect(configurationProblems(text)).toEqual([]);
  });

  test('model servers that speak gRPC have its parser, and a pool of that protocol', () => {
    const grpc = render({ modelServers: { ...SERVERS, protocol: 'grpc' } });
    expect(configurationProblems(configuration(grpc))).toEqual([]);
    expect(parse(configuration(grpc))).toMatchObject({
      requestHandler: { parsers: [{ pluginRef: 'vllmgrpc-parser' }] },
    });
    const protocol = (manifests: readonly Manifest[]) =>
      find<{ readonly spec: { readonly appProtocol: string } }>(manifests, 'InferencePool', 'demo')?.spec
        .appProtocol;
    expect([protocol(grpc), protocol(render())]).toEqual(['kubernetes.io/h2c', 'http']);
    const given = { modelServers: { ...SERVERS, protocol: 'grpc' }, epp: { parsers: ['vertexai-parser'] } };
    expect(parse(configuration(render(given)))).toMatchObject({
      requestHandler: { parsers: [{ pluginRef: 'vertexai-parser' }] },
    });
  });

  test.each([
    [{ modelServers: {} }, {}, 'router.modelServers.matchLabels is required'],
    [{ modelServers: { ...SERVERS, protocol: 'grpc', type: 'sglang' } }, {}, 'type sglang'],
    [{ modelServers: { ...SERVERS, protocol: 'grpc' }, proxy: { enabled: true } }, {}, 'HTTP/1.1'],
    [
      { inferencePool: { create: false }, inferenceObjectives: [{ name: 'a', priority: 1 }] },
      {},
      'router.inferencePool.create',
    ],
    [{ inferencePool: { create: false } }, { httpRoute: { create: true } }, 'httpRoute.create needs'],
    [{ proxy: { enabled: true, proxyType: 'agentgateway' } }, {}, 'proxyType agentgateway'],
    [{ tokenizer: { enabled: true } }, {}, 'router.tokenizer.enabled'],
    [{ latencyPredictor: { enabled: true } }, {}, 'router.latencyPredictor.enabled'],
    [
      { epp: { pluginsConfigFile: 'other.yaml' } },
      {},
      'other.yaml is none of default-plugins.yaml, payload-agnostic.yaml',
    ],
    [{ epp: { autoscaling: { enabled: true } } }, {}, 'ha-enable-leader-election: false'],
    [
      { epp: { pluginsConfig: { plugins: [] }, pluginsCustomConfig: { 'default-plugins.yaml': 'x' } } },
      {},
      'both have default-plugins.yaml',
    ],
    [{}, { inferenceExtension: { replicas: 1 } }, 'move what is below it to router.epp'],
    [{}, { inferencePool: { targetPorts: [] } }, 'router.modelServers and router.inferencePool'],
    [{}, { inferenceObjectives: [] }, 'router.inferenceObjectives'],
    [{}, { experimentalHttpRoute: { enabled: false } }, 'httpRoute'],
    [{ epp: { replicaz: 1 } }, {}, "'replicaz' not allowed"],
    [{ epp: { extProcPort: 99_999 } }, {}, 'extProcPort'],
    [{}, { provider: { name: 'gcp' } }, 'provider/name'],
  ])('refuses %j %j', (router, others, message) => {
    expect(refusal(router as Router, others)).toContain(message);
  });

  test("takes a file of the reference's values, as they are", () => {
    const text = readFileSync('test/fixtures/reference-values.yaml', 'utf8');
    const manifests = objectsOf(helmTemplate(parse(text) as object)); // our own file
    expect(schemaProblems(manifests)).toEqual([]);
    expect(setProblems(manifests)).toEqual([expect.stringContaining('api-version-deprecated')]);
  });
});

/** What of the schema is read here. */
interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly description?: string;
}

/** Paths of a schema that have nothing below them; those of older charts, which the schema describes, are left out. */
function schemaPaths(schema: Schema, path = ''): readonly string[] {
  const properties = Object.entries(schema.properties ?? {});
  if (properties.length === 0) return schema.description === undefined ? [path] : [];
  return properties.flatMap(([name, inner]) => schemaPaths(inner, path === '' ? name : `${path}.${name}`));
}

test('every value is in the schema, and fits it', () => {
  const schema = JSON.parse(readFileSync('charts/endpoint-picker/values.schema.json', 'utf8')) as Schema;
  const known = schemaPaths(schema);
  // what people fill in themselves has no values below it, and need not be complete in the schema
  const unknown = chartValues().filter(
    ({ path }) => !known.some((name) => path === name || path.startsWith(`${name}.`)),
  );
  expect(unknown.map(({ path }) => path)).toEqual([]);
  const paths = chartValues().map(({ path }) => path);
  expect(known.filter((name) => !paths.some((path) => path === name || path.startsWith(`${name}.`)))).toEqual(
    [],
  );
  const values: unknown = parse(readFileSync('charts/endpoint-picker/values.yaml', 'utf8'));
  const { error } = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]).safeParse(values);
  expect(error?.issues ?? []).toEqual([]);
});

test('every value is explained', () => {
  expect(chartValues().filter(({ doc }) => doc === '')).toEqual([]);
});

test('the chart has the version of the program', () => {
  const chart = parse(readFileSync('charts/endpoint-picker/Chart.yaml', 'utf8')) as Readonly<
    Record<string, string>
  >;
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly version: string };
  expect(chart).toMatchObject({ version, appVersion: version });
});
