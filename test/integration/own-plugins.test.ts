import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { installInto } from '../support/compiled-program.ts';
import { ExtProcClient, metadata } from '../support/extproc-client.ts';
import { MetricsServer } from '../support/metrics-server.ts';
import { folder, HEAD, root } from '../support/own-modules.ts';
import { PickerProcess } from '../support/picker-process.ts';

/** The compiled program, as the image has it: a folder with `dist`, what it needs, and nothing else. */
const image = join(root, 'image');

beforeAll(() => installInto(image), 120_000);

/** Prefers the endpoint that a parameter names, and reads what built-in producers found out. */
const PREFERS = `import { defineScorer, inFlightLoadKey, prefixMatchKey, z } from 'endpoint-picker/plugin';
import type { Endpoint, InferenceRequest, Scorer } from 'endpoint-picker/plugin';

class Prefers implements Scorer {
  readonly category = 'affinity';
  readonly #address: string;
  constructor(address: string) {
    this.#address = address;
  }
  score(request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void {
    const match = request.attributes.get(prefixMatchKey(''));
    const hasLoad = candidates.every((one) => one.attributes.get(inFlightLoadKey('')) !== undefined);
    if (match === undefined || match.totalBlocks === 0 || !hasLoad) return;
    for (const [i, one] of candidates.entries()) out[i] = one.hostPort === this.#address ? 1 : 0;
  }
}

export const prefers = defineScorer({
  type: 'prefers',
  stability: 'beta',
  summary: 'Prefers one endpoint.',
  params: z.strictObject({ address: z.string().describe('host:port') }),
  dependencies: () => ({ requires: [prefixMatchKey(''), inFlightLoadKey('')] }),
  create: ({ address }) => new Prefers(address),
});
`;

const PROMPT =
  'the same words again and again, so that there are some blocks of tokens to find in the prompt '.repeat(20);

/** A picker with two model servers that are equally busy. */
async function startPicker(file: (addresses: readonly string[]) => string, program: string) {
  await using started = new AsyncDisposableStack();
  const servers = [started.use(new MetricsServer()), started.use(new MetricsServer())];
  for (const server of servers) {
    server.page = 'vllm:num_requests_running 0\nvllm:num_requests_waiting 0\nvllm:kv_cache_usage_perc 0\n';
    await server.listen();
  }
  const addresses = servers.map(({ port }) => `127.0.0.1:${port}`);
  const args = ['--config-file', file(addresses)];
  const picker = started.use(await PickerProcess.start({ endpoints: addresses, args, program }));
  const client = started.use(new ExtProcClient(picker.address));
  const kept = started.move();
  return {
    picker,
    addresses,
    /** Destinations of so many requests, one after the other. */
    destinations: async (count: number): Promise<readonly string[]> => {
      const found: string[] = [];
      for (let i = 0; i < count; i += 1) {
        const exchange = client.open();
        const routed = await exchange.route({
          headers: { ':method': 'POST', ':path': '/v1/chat/completions', 'content-type': 'application/json' },
          body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: PROMPT }] }),
        });
        found.push(routed.destination);
        exchange.cancel();
      }
      return found;
    },
    metrics: async () => (await fetch(`http://127.0.0.1:${picker.ports.metricsPort}/metrics`)).text(),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

const PROGRAMS = [
  { name: 'from source', program: 'src/main.ts' },
  { name: 'compiled', program: join(image, 'dist/main.js') },
];

describe.each(PROGRAMS)('a scorer in a .ts file, program $name', ({ program }) => {
  test('changes routing, and reads what built-in producers write', async () => {
    for (const preferred of [0, 1]) {
      await using picker = await startPicker(
        (addresses) =>
          folder({
            'prefers.ts': PREFERS,
            'epp.yaml': `${HEAD}plugins:\n- {type: prefers, module: ./prefers.ts, parameters: {address: "${addresses[preferred]}"}}\n`,
          }),
        program,
      );
      const wanted = picker.addresses[preferred];
      expect(await picker.destinations(5)).toEqual([wanted, wanted, wanted, wanted, wanted]);
    }
  });
});

test('plugins that throw, return nonsense or are slow are counted and named, and requests are routed', async () => {
  const plugin = (type: string, define: string, body: string) =>
    `import { define${define}, z } from 'endpoint-picker/plugin';
export default define${define}({ type: '${type}', stability: 'beta', summary: '', params: z.strictObject({}), create: () => ({ ${body} }) });
`;
  await using picker = await startPicker(
    () =>
      folder({
        'throws.js': plugin('throws', 'Scorer', `category: 'balance', score() { throw new Error('boom'); }`),
        'late.mjs': plugin('late', 'Filter', `async filter() { throw new Error('nobody waits for it'); }`),
        'stray.ts': plugin(
          'stray',
          'PreRequestHook',
          `preRequest() { setTimeout(() => { throw new Error('stray timer'); }, 1); void Promise.reject(new Error('stray promise')); }`,
        ),
        'curious.ts': plugin(
          'curious',
          'Filter',
          `filter(_, candidates) { return candidates.filter((one) => one.attributes.get(inFlightLoadKey('')) === undefined); }`,
        ).replace('z }', 'inFlightLoadKey, z }'),
        'slow.ts': plugin(
          'slow',
          'Scorer',
          `category: 'balance', score() { const end = performance.now() + 30; while (performance.now() < end); }`,
        ),
        'epp.yaml': `${HEAD}plugins:\n${['throws.js', 'late.mjs', 'stray.ts', 'slow.ts', 'curious.ts']
          .map((file) => `- {type: ${file.split('.')[0]}, module: ./${file}}\n`)
          .join('')}`,
      }),
    'src/main.ts',
  );
  const destinations = await picker.destinations(8);
  expect(destinations.every((one) => picker.addresses.includes(one))).toBe(true);
  const metrics = await picker.metrics();
  const value = (name: string, labels: string) =>
    Number(new RegExp(`^llm_d_epp_${name}\\{[^}]*${labels}[^}]*\\} (\\d+)$`, 'm').exec(metrics)?.[1]);
  expect(value('plugin_errors_total', 'plugin_name="throws"')).toBe(8);
  expect(value('plugin_errors_total', 'plugin_name="late"')).toBe(8);
  expect(value('plugin_slow_calls_total', 'plugin_name="slow"')).toBe(5);
  expect(value('plugin_skipped_calls_total', 'plugin_name="slow"')).toBe(3);
  expect(value('plugin_data_scope_violations_total', 'plugin_name="curious",access="read"')).toBe(16);
  expect(value('plugin_data_scope_violations_total', 'plugin_name="curious",access="write"')).toBe(0);
  const log = picker.picker.lines.join('\n');
  for (const said of ['boom', 'drop async', 'plugin is slow', 'plugin is too slow and is skipped']) {
    expect(log).toContain(said);
  }
  await expect.poll(async () => strayErrors(await picker.metrics()), { timeout: 5000 }).toBe(16);
  expect(log).toMatch(
    /"msg":"a plugin failed outside of its calls; the picker goes on","plugin":"stray","pluginType":"stray","file":"[^"]*stray.ts"/,
  );
});

function strayErrors(metrics: string): number {
  return Number(/^llm_d_epp_plugin_stray_errors_total (\d+)$/m.exec(metrics)?.[1]);
}

test('whatever plugins leave behind is contained and named, whoever threw it', async () => {
  const left: readonly string[] = [
    `fetch('http://127.0.0.1:1/')`,
    `(async () => (await fetch('http://127.0.0.1:1/')).text())()`,
    `connect(1, '127.0.0.1')`,
    `spawn('/no-such-program')`,
    `createReadStream('/no-such-file')`,
    `promises.readFile('/no-such-file')`,
    `AbortSignal.timeout(1).addEventListener('abort', ({ target }) => Promise.reject(target.reason))`,
    `Promise.reject('x')`,
    `Promise.reject(Object.create(null))`,
    `setTimeout(() => { throw 'x'; }, 1)`,
    `setTimeout(() => request.headers.get.call(null, 'x'), 1)`,
    `setTimeout(request.headers.get, 1, 'x')`,
  ];
  await using picker = await startPicker(
    () =>
      folder({
        'leaves.ts': `import { connect } from 'node:net';
import { spawn } from 'node:child_process';
import { createReadStream, promises } from 'node:fs';
import { definePreRequestHook, z } from 'endpoint-picker/plugin';
Promise.reject('at import');
const left = [${left.map((one) => `(request) => ${one}`).join(', ')}];
export default definePreRequestHook({ type: 'leaves', stability: 'beta', summary: '', params: z.strictObject({}), create: () => {
  Promise.reject('in create');
  return { preRequest(request) { left.shift()(request); } };
} });
`,
        'epp.yaml': `${HEAD}plugins:\n- {type: leaves, module: ./leaves.ts}\n`,
      }),
    'src/main.ts',
  );
  const destinations = await picker.destinations(left.length);
  expect(destinations.every((one) => picker.addresses.includes(one))).toBe(true);
  // those at import come before the metrics are there
  await expect.poll(async () => strayErrors(await picker.metrics()), { timeout: 5000 }).toBe(left.length + 1);
  expect(picker.picker.lines.join('\n')).toContain(
    '"msg":"a plugin failed outside of its calls; the picker goes on","module":"./leaves.ts"',
  );
});

test('pools with configurations of their own load modules from their own folders', async () => {
  const scorer = (address: string) =>
    folder({
      'prefers.ts': PREFERS,
      'epp.yaml': `${HEAD}plugins:\n- {type: prefers, module: ./prefers.ts, parameters: {address: "${address}"}}\n`,
    });
  await using servers = new AsyncDisposableStack();
  const pool = async (name: string) => {
    const pair = [servers.use(new MetricsServer()), servers.use(new MetricsServer())];
    for (const server of pair) await server.listen();
    const endpoints = pair.map(({ port }) => `127.0.0.1:${port}`);
    return { name, endpoints, configFile: scorer(endpoints[1] ?? '') };
  };
  const pools = [await pool('a'), await pool('b')];
  await using picker = await PickerProcess.start({ config: `${HEAD}pools: ${JSON.stringify(pools)}\n` });
  using client = new ExtProcClient(picker.address);
  for (const { name, endpoints } of pools) {
    const routed = await client.open().route({
      headers: { ':method': 'POST', ':path': '/v1/chat/completions' },
      metadata: metadata('llm-d.ai', 'inference-pool', name),
      body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: PROMPT }] }),
    });
    expect(endpoints).toContain(routed.destination);
  }
  const plugins = await (await fetch(`http://127.0.0.1:${picker.ports.metricsPort}/debug/config`)).text();
  expect(plugins.match(/module: \.\/prefers\.ts/g)).toHaveLength(2);
});
