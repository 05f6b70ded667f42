import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { configurationProblems, schemaProblems, setProblems } from '../support/deployment/problems.ts';
import { KUBECTL, kustomize, type Manifest, objectsOf } from '../support/deployment/render.ts';

const WAYS = ['istio', 'envoy-gateway', 'gke', 'standalone'] as const;
const COMPONENTS = [
  'leader-election',
  'monitoring/service-monitor',
  'monitoring/pod-monitor',
  'monitoring/rules',
  'monitoring/dashboard',
] as const;

const scratch = mkdtempSync(join(tmpdir(), 'epp-test-kustomize-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** An overlay as the pages have it: one way, and components. */
function overlay(way: string, components: readonly string[]): readonly Manifest[] {
  const folder = mkdtempSync(join(scratch, 'overlay-'));
  const path = (part: string) => relative(folder, `config/kubernetes/${part}`);
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    namespace: 'inference',
    resources: [path(way)],
    components: components.map(path),
  };
  writeFileSync(join(folder, 'kustomization.yaml'), stringify(kustomization));
  return objectsOf(kustomize(folder));
}

function rules(manifests: readonly Manifest[], kind: string, name: string): unknown {
  const found = manifests.find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  return (found as (Manifest & { readonly rules: unknown }) | undefined)?.rules;
}

describe.skipIf(KUBECTL === undefined)('kustomize', () => {
  test.each(WAYS)('%s by itself, and with every component, fits together', (way) => {
    for (const components of [
      [],
      COMPONENTS.filter((name) => name !== 'monitoring/pod-monitor'),
      ['monitoring/pod-monitor'],
    ]) {
      const manifests = overlay(way, components);
      expect(schemaProblems(manifests)).toEqual([]);
      expect(setProblems(manifests)).toEqual([]);
      expect(new Set(manifests.map(({ metadata }) => metadata.namespace ?? ''))).toEqual(
        new Set(['', 'inference']),
      );
    }
  });

  test('the picker may do what it does, and nothing else', () => {
    const manifests = overlay('istio', ['leader-election']);
    expect(rules(manifests, 'Role', 'endpoint-picker')).toEqual([
      { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] },
      { apiGroups: ['inference.networking.k8s.io'], resources: ['inferencepools'], verbs: ['list', 'watch'] },
      {
        apiGroups: ['llm-d.ai'],
        resources: ['inferenceobjectives', 'inferencemodelrewrites'],
        verbs: ['list', 'watch'],
      },
      {
        apiGroups: ['inference.networking.x-k8s.io'],
        resources: ['inferencepools', 'inferenceobjectives', 'inferencemodelrewrites'],
        verbs: ['list', 'watch'],
      },
    ]);
    expect(rules(manifests, 'Role', 'endpoint-picker-leader-election')).toEqual([
      { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'create', 'update'] },
      { apiGroups: [''], resources: ['events'], verbs: ['create'] },
    ]);
    expect(rules(manifests, 'ClusterRole', 'endpoint-picker-metrics-auth')).toEqual([
      { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
      { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
    ]);
    expect(manifests.filter(({ kind }) => kind.endsWith('Role'))).toHaveLength(3);
    const alone = overlay('standalone', []);
    expect(rules(alone, 'Role', 'endpoint-picker')).toEqual([
      { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] },
    ]);
  });

  test('simulated model servers are what the pool and the selector select', () => {
    const servers = objectsOf(kustomize('config/kubernetes/simulated-servers'));
    expect(schemaProblems(servers)).toEqual([]);
    const labels = { app: 'model-server' };
    expect(servers).toMatchObject([{ spec: { template: { metadata: { labels } } } }]);
    const pool = overlay('istio', []).find(({ kind }) => kind === 'InferencePool');
    expect(pool).toMatchObject({
      spec: { selector: { matchLabels: labels }, targetPorts: [{ number: 8000 }] },
    });
  });
});

test.each([
  { name: 'kserve/llm-inference-service', configurations: 0 },
  { name: 'kserve/configured', configurations: 1 },
  { name: 'openshift/route', configurations: 0 },
])('example $name', ({ name, configurations }) => {
  const manifests = objectsOf(readFileSync(`config/kubernetes/examples/${name}.yaml`, 'utf8'));
  expect(schemaProblems(manifests)).toEqual([]);
  const inline = manifests.flatMap((manifest) => {
    const { spec } = manifest as { readonly spec?: { readonly router?: { readonly scheduler?: Scheduler } } };
    return spec?.router?.scheduler?.config?.inline ?? [];
  });
  expect(inline).toHaveLength(configurations);
  expect(inline.flatMap((one) => configurationProblems(JSON.stringify(one)))).toEqual([]);
});

interface Scheduler {
  readonly config?: { readonly inline: object };
}

test('checks of manifests find what is wrong', () => {
  const [deployment] = objectsOf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: a}
spec:
  selector: {matchLabels: {app: a}}
  template:
    metadata: {labels: {app: b}}
    spec:
      serviceAccountName: nobody
      containers:
      - name: epp
        args: [--pool-name, absent, --no-such-flag=1, --grpc-port=9999, --config-file, /config/x.yaml]
        ports: [{name: grpc, containerPort: 9002}]
        readinessProbe: {grpc: {port: 1, service: readiness}}
        volumeMounts: [{name: config, mountPath: /config}]
      volumes: [{name: config, configMap: {name: gone}}]
`);
  const wrong = deployment === undefined ? [] : [deployment];
  expect(schemaProblems(wrong).map((line) => line.split(': ')[1])).toContain(
    'spec.template.spec.containers.0.securityContext',
  );
  const isUnknown = (line: string) => line.includes('no-such-flag');
  expect(setProblems(wrong).some(isUnknown)).toBe(true);
  expect(setProblems(wrong).filter((line) => !isUnknown(line))).toEqual(
    [
      'selects no pod of its own',
      'no ServiceAccount nobody',
      'no ConfigMap gone',
      'epp: probes port 1, which it has not',
      'listens on 9999, not on its port grpc',
      'listens on 9003, not on its port grpc-health',
      'listens on 9090, not on its port metrics',
      'no InferencePool absent',
      '/config/x.yaml is not mounted',
    ].map((problem) => `Deployment a: ${problem}`),
  );
  expect(setProblems([...wrong, ...wrong])).toContain('Deployment a: twice');
});
