import { expect, test } from 'vitest';
import type { Resource } from '../../src/kube/objects.ts';
import { POD_RESOURCE } from '../../src/kube/pods.ts';
import { ExtProcClient, metadata } from '../support/extproc-client.ts';
import { HealthClient } from '../support/health-client.ts';
import { KubeApiServer } from '../support/kube-api-server.ts';
import { named, pod } from '../support/kube-objects.ts';
import { collectionOf } from '../support/kube-store.ts';
import { writeKubeconfig } from '../support/kubeconfig.ts';
import { MetricsServer } from '../support/metrics-server.ts';
import { PickerProcess } from '../support/picker-process.ts';
import { OBJECTIVE, POOL, REWRITE } from '../support/watched-pool.ts';

const LEASES: Resource = { group: 'coordination.k8s.io', version: 'v1', plural: 'leases' };
const PAGE = 'vllm:num_requests_running 0\nvllm:num_requests_waiting 0\nvllm:kv_cache_usage_perc 0\n';
const PLACES = ['lab/a', 'lab/b', 'shop/b'] as const;

/** Pools `a` and `b` of namespace `lab`, `b` of `shop`, each with one pod, and a picker that serves them and two that are not there. */
async function startCluster(...args: readonly string[]) {
  await using started = new AsyncDisposableStack();
  const api = started.use(await KubeApiServer.start([POOL, OBJECTIVE, REWRITE, POD_RESOURCE, LEASES]));
  const hosts = new Map<string, string>();
  for (const place of PLACES) {
    const server = started.use(new MetricsServer());
    server.page = PAGE;
    await server.listen();
    hosts.set(`127.0.0.1:${server.port}`, place);
    const [namespace = '', name = ''] = place.split('/');
    const spec = { selector: { matchLabels: { pool: name } }, targetPorts: [{ number: server.port }] };
    api.put(POOL, named({ name, namespace }, spec));
    api.put(
      POD_RESOURCE,
      pod({ name: `pod-${name}`, namespace, labels: { pool: name }, podIP: '127.0.0.1' }),
    );
  }
  api.put(POOL, named({ name: 'malformed', namespace: 'lab' }, { selector: {} }));
  const kubeconfig = started.use(await writeKubeconfig(api));
  const names = ['a', 'b', 'shop/b', 'malformed', 'missing'];
  const picker = started.use(
    await PickerProcess.start({
      args: [
        ...names.map((name) => `--pool-name=${name}`),
        '--pool-namespace=lab',
        '--metrics-endpoint-auth=false',
        ...args,
      ],
      env: { KUBECONFIG: kubeconfig.path, POD_NAME: 'epp-5d4f-x2x4z' },
    }),
  );
  const client = started.use(new ExtProcClient(picker.address));
  const health = started.use(new HealthClient(`127.0.0.1:${picker.ports.healthPort}`));
  const kept = started.move();
  return {
    api,
    picker,
    health,
    /** Where a request for `pool` goes, or the status of its refusal. */
    route: async (pool: string) => {
      const exchange = client.open();
      const { immediate, destination } = await exchange.route({
        body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] }),
        metadata: metadata('llm-d.ai', 'inference-pool', pool),
      });
      exchange.cancel();
      return immediate?.status.code ?? hosts.get(destination);
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

test('pools of two namespaces are followed by four watches in each, and each fails on its own', async () => {
  await using cluster = await startCluster();
  const { api, picker, health, route } = cluster;
  expect(await health.check('readiness')).toBe('SERVING');
  const all = async () => Promise.all(['a', 'b', 'shop/b', 'malformed', 'missing', 'unknown'].map(route));
  expect(await all()).toEqual(['lab/a', 'lab/b', 'shop/b', 503, 503, 404]);
  expect(api.openWatches).toBe(8);
  expect(picker.lines.join('\n')).toMatch(/"pool":"missing".*there is no such pool/);

  api.remove(POOL, 'lab', 'a');
  await expect.poll(() => route('a'), { timeout: 5000 }).toBe(503);
  expect(await all()).toEqual([503, 'lab/b', 'shop/b', 503, 503, 404]);
  expect(await health.check('readiness')).toBe('SERVING');
  expect(await health.check('inference-extension')).toBe('SERVING');

  const state = JSON.parse(await picker.page('/debug/plugins/state')) as {
    plugins: { kubernetes: { state: Record<string, { namespace: string; pods: number }> } };
  };
  expect(Object.keys(state.plugins.kubernetes.state).sort()).toEqual([
    'a',
    'lab/b',
    'malformed',
    'missing',
    'shop/b',
  ]);
  expect(state.plugins.kubernetes.state['shop/b']).toMatchObject({ namespace: 'shop', pods: 1 });

  await api.suspend();
  for (let i = 0; i < 10; i += 1) expect(await all()).toEqual([503, 'lab/b', 'shop/b', 503, 503, 404]);
  await api.resume();
  for (const name of ['b', 'shop/b'] as const) {
    const [namespace = 'lab', poolName = name] = name.includes('/') ? name.split('/') : ['lab', name];
    api.remove(POOL, namespace, poolName);
  }
  await expect.poll(() => health.check('readiness'), { timeout: 30_000 }).toBe('NOT_SERVING');
  expect(await health.check('liveness')).toBe('SERVING');
});

test('the process leads for all its pools, by one lease with the name of the Deployment', async () => {
  await using cluster = await startCluster('--ha-enable-leader-election');
  const { api, health, route } = cluster;
  await expect.poll(() => health.check('readiness'), { timeout: 10_000 }).toBe('SERVING');
  expect(api.store.get(collectionOf(LEASES), 'lab', 'epp-lab-epp.llm-d.ai')).toBeDefined();
  expect(await route('shop/b')).toBe('shop/b');
});
