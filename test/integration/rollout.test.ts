import { expect, test } from 'vitest';
import type { KubeObject } from '../../src/kube/objects.ts';
import { POD_RESOURCE } from '../../src/kube/pods.ts';
import { ExtProcClient } from '../support/extproc-client.ts';
import { HealthClient } from '../support/health-client.ts';
import { KubeApiServer } from '../support/kube-api-server.ts';
import { named, pod } from '../support/kube-objects.ts';
import { writeKubeconfig } from '../support/kubeconfig.ts';
import { PickerProcess } from '../support/picker-process.ts';
import { OBJECTIVE, POOL, REWRITE } from '../support/watched-pool.ts';

const NAMESPACE = 'lab';
const REVISION = 'disaggregatedset.x-k8s.io/revision';
const ROLE = 'disaggregatedset.x-k8s.io/role';

/** Decode servers are in the pool, prefill servers are not: only Kubernetes knows of them. */
const CONFIG = `apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: disaggregatedset-rollout-screener
  parameters:
    scope: {labelSelector: app=set}
    headerSelectors:
    - {name: rev, headerName: x-disagg-revision, labelKey: ${REVISION}, mode: strict}
    revisionGating:
      mode: sum
      requireRoles: {values: [prefill, decode]}
- type: random-picker
dataLayer: {injectDefaults: false}
schedulingProfiles:
- name: default
  plugins: [{pluginRef: random-picker}]
`;

function setPod(name: string, revision: string, role: string, podIP: string): KubeObject {
  const labels = { app: 'set', pooled: String(role === 'decode'), [REVISION]: revision, [ROLE]: role };
  return pod({ name, namespace: NAMESPACE, labels, podIP });
}

/** A picker of a pool of decode servers; `pods` are there before it starts. */
async function startRollout(started: AsyncDisposableStack, pods: readonly KubeObject[]) {
  const api = started.use(await KubeApiServer.start([POOL, OBJECTIVE, REWRITE, POD_RESOURCE]));
  api.put(
    POOL,
    named(
      { name: 'pool', namespace: NAMESPACE },
      { selector: { matchLabels: { app: 'set', pooled: 'true' } }, targetPorts: [{ number: 8000 }] },
    ),
  );
  for (const one of pods) api.put(POD_RESOURCE, one);
  const kubeconfig = started.use(await writeKubeconfig(api));
  const picker = started.use(
    await PickerProcess.start({
      config: CONFIG,
      args: [
        '--allow-experimental-plugins',
        '--pool-name=pool',
        `--pool-namespace=${NAMESPACE}`,
        '--metrics-endpoint-auth=false',
      ],
      env: { KUBECONFIG: kubeconfig.path },
    }),
  );
  const client = started.use(new ExtProcClient(picker.address));
  const health = started.use(new HealthClient(`127.0.0.1:${picker.ports.healthPort}`));
  const destination = async (headers: Readonly<Record<string, string>> = {}) => {
    const exchange = client.open();
    const routed = await exchange.route({
      headers: { ':method': 'POST', ':path': '/v1/chat/completions', ...headers },
      body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] }),
    });
    exchange.cancel();
    return routed.immediate?.status?.code ?? routed.destination;
  };
  return { api, picker, health, destination };
}

test('requests go to the revision that has all roles; a new one joins when it has them', async () => {
  await using started = new AsyncDisposableStack();
  const { api, picker, health, destination } = await startRollout(started, [
    setPod('d1', 'v1', 'decode', '127.0.1.1'),
    setPod('p1', 'v1', 'prefill', '127.0.2.1'),
    setPod('d2', 'v2', 'decode', '127.0.1.2'),
  ]);
  await expect.poll(() => health.check('readiness'), { timeout: 10_000 }).toBe('SERVING');
  expect((await picker.endpoints()).map((one) => one.id).sort()).toEqual(['lab/d1-rank-0', 'lab/d2-rank-0']);
  for (let i = 0; i < 10; i += 1) expect(await destination()).toBe('127.0.1.1:8000');
  expect(await destination({ 'x-disagg-revision': 'v2' })).toBe(503);

  api.put(POD_RESOURCE, setPod('p2', 'v2', 'prefill', '127.0.2.2'));
  const share = (revision: string) =>
    picker.metric(
      `llm_d_epp_disaggregatedset_revision_gating_share{plugin_name="disaggregatedset-rollout-screener",plugin_type="disaggregatedset-rollout-screener",mode="sum",revision="${revision}"}`,
    );
  await expect.poll(() => share('v2'), { timeout: 5_000 }).toBe(0.5);
  expect(await destination({ 'x-disagg-revision': 'v2' })).toBe('127.0.1.2:8000');
  const seen = new Set<unknown>();
  for (let i = 0; i < 40; i += 1) seen.add(await destination());
  expect([...seen].sort()).toEqual(['127.0.1.1:8000', '127.0.1.2:8000']);

  api.remove(POD_RESOURCE, NAMESPACE, 'p1');
  await expect.poll(() => share('v1'), { timeout: 5_000 }).toBe(0);
  for (let i = 0; i < 10; i += 1) expect(await destination()).toBe('127.0.1.2:8000');
});

test('without Kubernetes the endpoints themselves say which revisions there are', async () => {
  await using started = new AsyncDisposableStack();
  const picker = started.use(
    await PickerProcess.start({
      config: CONFIG,
      endpoints: ['127.0.1.1:8000'],
      args: ['--allow-experimental-plugins'],
    }),
  );
  using health = new HealthClient(`127.0.0.1:${picker.ports.healthPort}`);
  expect(await health.check('readiness')).toBe('SERVING');
  const state = await picker.page('/debug/plugins/state');
  expect(state).toContain('"countedBy":"endpoints"');
});
