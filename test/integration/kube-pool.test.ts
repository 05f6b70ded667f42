import { expect, test } from 'vitest';
import { POD_RESOURCE } from '../../src/kube/pods.ts';
import { ExtProcClient } from '../support/extproc-client.ts';
import { KubeApiServer } from '../support/kube-api-server.ts';
import { named, pod } from '../support/kube-objects.ts';
import { writeKubeconfig } from '../support/kubeconfig.ts';
import { MetricsServer } from '../support/metrics-server.ts';
import { PickerProcess } from '../support/picker-process.ts';
import { OBJECTIVE, POOL, REWRITE } from '../support/watched-pool.ts';

const LABELS = { app: 'vllm' };
const NAMESPACE = 'lab';

/** Two model servers, an API server that knows a pool of them, and a picker that asks it. */
async function startCluster(args: readonly string[]) {
  await using started = new AsyncDisposableStack();
  const servers = [started.use(new MetricsServer()), started.use(new MetricsServer())] as const;
  for (const server of servers) {
    server.page = 'vllm:num_requests_running 0\nvllm:num_requests_waiting 0\nvllm:kv_cache_usage_perc 0\n';
    await server.listen();
  }
  const ports = servers.map((server) => server.port);
  const api = started.use(await KubeApiServer.start([POOL, OBJECTIVE, REWRITE, POD_RESOURCE]));
  const place = { name: 'pool', namespace: NAMESPACE };
  const targetPorts = ports.map((number) => ({ number }));
  api.put(POOL, named(place, { selector: { matchLabels: LABELS }, targetPorts }));
  /** Puts pod `p0` or `p1`, which serves the first or second model server's port. */
  const putPod = (i: number, options: Parameters<typeof pod>[0] = {}) => {
    const annotations = { 'llm-d.ai/active-ports': String(ports[i]) };
    const own = { name: `p${i}`, namespace: NAMESPACE, labels: LABELS, annotations, podIP: '127.0.0.1' };
    api.put(POD_RESOURCE, pod({ ...own, ...options }));
  };
  putPod(0);
  const kubeconfig = started.use(await writeKubeconfig(api));
  const picker = started.use(
    await PickerProcess.start({
      args: [`--pool-namespace=${NAMESPACE}`, '--metrics-endpoint-auth=false', ...args],
      env: { KUBECONFIG: kubeconfig.path, POD_NAME: 'epp-5d4f-x2x4z' },
    }),
  );
  const client = started.use(new ExtProcClient(picker.address));
  const kept = started.move();
  return {
    api,
    picker,
    ports,
    putPod,
    client,
    /** Where a request for `model` goes; the refusal's status when it goes nowhere. */
    destination: async (model = 'm') => {
      const exchange = client.open();
      const routed = await exchange.route({
        body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }] }),
      });
      exchange.cancel();
      return routed.immediate?.status?.code ?? routed.destination;
    },
    ids: async () => (await picker.endpoints()).map((one) => one.id).sort(),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

type Cluster = Awaited<ReturnType<typeof startCluster>>;

async function expectEndpoints({ ids }: Cluster, want: readonly string[]): Promise<void> {
  await expect.poll(ids, { timeout: 5000, interval: 10 }).toEqual(want);
}

test('pods of an InferencePool are routed to as they come and go, whatever the API server does', async () => {
  await using cluster = await startCluster(['--pool-name=pool']);
  const { api, ports, putPod, destination } = cluster;
  expect(await cluster.ids()).toEqual(['lab/p0-rank-0']);
  expect(await destination()).toBe(`127.0.0.1:${ports[0]}`);

  putPod(1);
  await expectEndpoints(cluster, ['lab/p0-rank-0', 'lab/p1-rank-1']);
  putPod(0, { ready: 'False' });
  await expectEndpoints(cluster, ['lab/p1-rank-1']);
  expect(await destination()).toBe(`127.0.0.1:${ports[1]}`);

  await api.suspend();
  putPod(0);
  for (let i = 0; i < 20; i += 1) expect(await destination()).toBe(`127.0.0.1:${ports[1]}`);
  api.compact();
  api.next('list', { kind: 'text', text: '<html>' });
  await api.resume();
  await expect
    .poll(cluster.ids, { timeout: 20_000, interval: 50 })
    .toEqual(['lab/p0-rank-0', 'lab/p1-rank-1']);

  api.remove(POOL, NAMESPACE, 'pool');
  await expectEndpoints(cluster, []);
  expect(await destination()).toBe(503);
});

test('objectives and rewrites take effect, and the client sees the model it asked for', async () => {
  await using cluster = await startCluster(['--pool-name=pool']);
  const { api, client, picker } = cluster;
  const poolRef = { name: 'pool' };
  const rules = [{ matches: [{ model: { value: 'llama' } }], targets: [{ modelRewrite: 'llama-v2' }] }];
  api.put(REWRITE, named({ name: 'canary', namespace: NAMESPACE }, { poolRef, rules }));
  api.put(OBJECTIVE, named({ name: 'gold', namespace: NAMESPACE }, { poolRef, priority: 7 }));
  const state = async () => JSON.parse(await picker.page('/debug/plugins/state')) as object;
  await expect
    .poll(async () => JSON.stringify(await state()), { timeout: 5000, interval: 10 })
    .toMatch(/"objectives":1,"rewriteRules":1/);

  const exchange = client.open();
  const routed = await exchange.route({
    headers: {
      ':method': 'POST',
      ':path': '/v1/chat/completions',
      'x-llm-d-inference-objective': 'gold',
    },
    body: '{"model":"llama","messages":[{"role":"user","content":"hi"}]}',
  });
  expect(routed.body.toString()).toBe('{"model":"llama-v2","messages":[{"role":"user","content":"hi"}]}');
  const answer = await exchange.respond({ chunks: ['{"id":"1","model":"llama-v2"}', ''] });
  expect(answer.body.toString()).toBe('{"id":"1","model":"llama"}');
  const decisions =
    'llm_d_epp_model_rewrite_decisions_total{model_rewrite_name="canary",model_name="llama",target_model="llama-v2"}';
  expect(await picker.metric(decisions)).toBe(1);
  const requests =
    'llm_d_epp_request_total{model_name="llama",target_model_name="llama-v2",fairness_id="default-flow",priority="7"}';
  expect(await picker.metric(requests)).toBe(1);
});

test('a selector and ports make a pool of pods', async () => {
  await using cluster = await startCluster([
    '--endpoint-selector=app in (vllm,sglang),!canary',
    '--endpoint-target-ports=1',
  ]);
  await expectEndpoints(cluster, []);
  cluster.putPod(1, { labels: { app: 'sglang' }, annotations: {} });
  await expectEndpoints(cluster, ['lab/p1-rank-0']);
  cluster.putPod(1, { labels: { app: 'sglang', canary: '' }, annotations: {} });
  await expectEndpoints(cluster, []);
  expect(cluster.api.calls.filter((call) => call.path.includes('/apis/'))).toEqual([]);
});
