import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ExtProcClient, type MessageOptions, metadata } from '../support/extproc-client.ts';
import { MetricsServer } from '../support/metrics-server.ts';
import { PickerProcess } from '../support/picker-process.ts';

const PAGE = 'vllm:num_requests_running 0\nvllm:num_requests_waiting 0\nvllm:kv_cache_usage_perc 0\n';
const HEAD = 'apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\n';
const PATH = { ':method': 'POST', ':path': '/v1/chat/completions' };

/** A plugin that cannot be constructed: its authority file is not there. */
const BROKEN = `${HEAD}plugins:
- type: metrics-data-source
  parameters: {scheme: https, insecureSkipVerify: false, caCertPath: /nowhere/ca.crt}
`;

/**
 * Pools `a` and `b` of namespace `default`, `b` of namespace `lab`, with two model servers each, and `broken`, whose
 * plugins cannot be constructed.
 */
async function startPools(...args: readonly string[]) {
  await using started = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'epp-pools-'));
  started.defer(() => rm(directory, { recursive: true }));
  const servers: MetricsServer[] = [];
  for (let i = 0; i < 6; i += 1) {
    const server = started.use(new MetricsServer());
    server.page = PAGE;
    await server.listen();
    servers.push(server);
  }
  const hosts = servers.map((server) => `127.0.0.1:${server.port}`);
  const places = ['default/a', 'default/b', 'lab/b'];
  const endpointsOf = new Map(places.map((place, i) => [place, hosts.slice(2 * i, 2 * i + 2)]));
  const brokenFile = join(directory, 'broken.yaml');
  await writeFile(brokenFile, BROKEN);
  const pools = Array.from(endpointsOf, ([place, endpoints]) => {
    const [namespace, name] = place.split('/');
    return { name, namespace, endpoints };
  });
  const broken = { name: 'broken', endpoints: ['127.0.0.1:1'], configFile: brokenFile };
  const config = `${HEAD}pools: ${JSON.stringify([...pools, broken])}\n`;
  const picker = started.use(await PickerProcess.start({ config, args }));
  const client = started.use(new ExtProcClient(picker.address));
  const kept = started.move();
  return {
    picker,
    endpointsOf,
    client,
    /** The answer to a request. */
    route: async (
      options: MessageOptions = {},
      headers: Readonly<Record<string, string>> = {},
      path = '',
    ) => {
      const exchange = client.open();
      const routed = await exchange.route({
        headers: { ...PATH, ...(path === '' ? {} : { ':path': path }), ...headers },
        body: JSON.stringify({ model: 'm', max_tokens: 1, messages: [{ role: 'user', content: 'hi' }] }),
        ...options,
      });
      exchange.cancel();
      return routed;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

type Pools = Awaited<ReturnType<typeof startPools>>;
type Routed = Awaited<ReturnType<Pools['route']>>;

function poolNamed(value: string): MessageOptions {
  return { metadata: metadata('llm-d.ai', 'inference-pool', value) };
}

/** Where it went: a pool, or the status of the refusal. */
function place({ endpointsOf }: Pools, { immediate, destination }: Routed): string | number | undefined {
  if (immediate !== undefined) return immediate.status.code;
  for (const [name, endpoints] of endpointsOf) if (endpoints.includes(destination)) return name;
  return undefined;
}

test('each request goes to the pool that the gateway names', async () => {
  await using pools = await startPools();
  const cases: readonly (readonly [MessageOptions, string | number])[] = [
    [poolNamed('a'), 'default/a'],
    [poolNamed('b'), 'default/b'],
    [poolNamed('lab/b'), 'lab/b'],
    [{ attributes: { 'xds.route_name': 'route', 'xds.cluster_name': 'a' } }, 'default/a'],
    [{ attributes: { 'xds.cluster_name': 'outbound|80||b-ip-1a2b3c4d.lab.svc.cluster.local' } }, 'lab/b'],
    [{ ...poolNamed('a'), attributes: { 'xds.cluster_name': 'b' } }, 'default/a'],
    [poolNamed('c'), 404],
    [{ attributes: { 'xds.cluster_name': 'elsewhere' } }, 404],
    [{}, 404],
    [poolNamed('broken'), 503],
  ];
  for (const [options, want] of cases) expect(place(pools, await pools.route(options))).toBe(want);
});

test('a request for no pool is refused in the shape of its API, and says why', async () => {
  await using pools = await startPools();
  const refused = await pools.route(poolNamed('c'));
  const text = Buffer.from(refused.immediate?.body ?? '').toString();
  expect(JSON.parse(text)).toMatchObject({ error: { type: 'not_found_error', code: 'not_found' } });
  expect(text).toContain('got metadata llm-d.ai/inference-pool \\"c\\", want a pool named by');
  const anthropic = await pools.route(poolNamed('c'), {}, '/v1/messages');
  expect(JSON.parse(Buffer.from(anthropic.immediate?.body ?? '').toString())).toMatchObject({
    type: 'error',
    error: { type: 'not_found_error' },
  });
  await expect.poll(() => pools.picker.total('llm_d_epp_request_error_total'), { timeout: 2000 }).toBe(2);
});

test('no header of a client chooses a pool, unless the operator named it', async () => {
  await using pools = await startPools();
  for (const name of [
    'llm-d.ai',
    'inference-pool',
    'x-pool',
    'x-llm-d-inference-pool',
    'x-gateway-inference-pool',
  ]) {
    expect(place(pools, await pools.route({}, { [name]: 'a' }))).toBe(404);
    expect(place(pools, await pools.route(poolNamed('b'), { [name]: 'a' }))).toBe('default/b');
  }
});

test('the header that the operator named chooses where the gateway does not, and goes no further', async () => {
  await using pools = await startPools('--pool-header=X-Pool');
  const routed = await pools.route({}, { 'x-pool': 'lab/b' });
  expect(place(pools, routed)).toBe('lab/b');
  expect(routed.removeHeaders).toContain('x-pool');
  const overruled = await pools.route(poolNamed('a'), { 'x-pool': 'lab/b' });
  expect(place(pools, overruled)).toBe('default/a');
  expect(overruled.removeHeaders).toContain('x-pool');
  expect(place(pools, await pools.route({}, { 'x-pool': 'c' }))).toBe(404);
});

test('a broken pool touches no other: they are ready, counted and shown by name', async () => {
  await using pools = await startPools();
  const { picker } = pools;
  for (let i = 0; i < 10; i += 1) {
    expect(place(pools, await pools.route(poolNamed('broken')))).toBe(503);
    expect(place(pools, await pools.route(poolNamed('a')))).toBe('default/a');
  }
  expect(picker.lines.filter((line) => line.includes('"pool":"broken"'))).not.toEqual([]);
  expect(picker.lines.join('\n')).toContain('the pool cannot work, its requests are refused');
  const rows = await picker.endpoints();
  expect(rows.map((row) => row.pool).sort()).toEqual([
    ...['a', 'a'],
    ...['default/b', 'default/b'],
    ...['lab/b', 'lab/b'],
  ]);
  await expect
    .poll(() => picker.metric('llm_d_epp_ready_endpoints{name="lab/b"}'), { timeout: 5000 })
    .toBe(2);
  expect(await picker.metric('llm_d_epp_ready_endpoints{name="a"}')).toBe(2);
  expect(await picker.total('llm_d_epp_request_total')).toBe(10);
  const state = JSON.parse(await picker.page('/debug/plugins/state')) as { plugins: object };
  expect(Object.keys(state.plugins)).toContain('lab/b/queue-scorer');
  expect(await picker.page('/debug/config')).toContain('pools:');
});

test('requests of a pool never go to endpoints of another, whatever else they say', async () => {
  await using pools = await startPools('--pool-header=x-pool');
  const names = ['a', 'b', 'lab/b', 'default/a', 'broken', 'c', ''];
  const word = fc.constantFrom(...names);
  const want = new Map<string, string | number>([
    ['a', 'default/a'],
    ['b', 'default/b'],
    ['lab/b', 'lab/b'],
    ['default/a', 'default/a'],
    ['broken', 503],
    ['c', 404],
  ]);
  await fc.assert(
    fc.asyncProperty(word, word, word, async (said, attribute, header) => {
      const routed = await pools.route(
        { ...(said === '' ? {} : poolNamed(said)), attributes: { 'xds.cluster_name': attribute } },
        { 'x-pool': header, 'x-gateway-destination-endpoint': '10.9.9.9:1' },
      );
      const fromAttribute = attribute === 'c' ? '' : attribute;
      const decisive = said || fromAttribute || header;
      expect(place(pools, routed)).toBe(want.get(decisive) ?? 404);
    }),
    { numRuns: 100 },
  );
});
