import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { startGateway } from '../../src/gateway/gateway.ts';
import { startSimulator } from '../../src/sim/simulator.ts';
import { send } from '../support/http-client.ts';
import { PickerProcess } from '../support/picker-process.ts';

const FOLDER = 'config/disaggregation';

/** What docs/disaggregation.md lets a reader start, on free ports. */
async function startPage() {
  await using started = new AsyncDisposableStack();
  const { endpoints } = parse(await readFile(`${FOLDER}/endpoints.yaml`, 'utf8')) as {
    endpoints: { address: string; port: number }[];
  };
  const sim = started.use(
    await startSimulator({
      port: 0,
      count: endpoints.length,
      sidecar: true,
      ecConnector: 'ec-nixl',
      timeScale: 0,
    }),
  );
  endpoints.forEach((endpoint, i) => {
    expect(endpoint).toMatchObject({ address: '127.0.0.1', port: 8000 + i });
    endpoint.port = Number(sim.addresses[i]?.split(':')[1]);
  });
  const folder = await mkdtemp(join(tmpdir(), 'disaggregation-'));
  started.defer(() => rm(folder, { recursive: true }));
  const file = join(folder, 'endpoints.yaml');
  await writeFile(file, stringify({ endpoints }));
  const text = await readFile(`${FOLDER}/epp.yaml`, 'utf8');
  const picker = started.use(
    await PickerProcess.start({ config: text.replace(`${FOLDER}/endpoints.yaml`, file) }),
  );
  const gateway = started.use(await startGateway({ listen: '127.0.0.1:0', epp: picker.address }));
  const kept = started.move();
  return {
    stats: sim.servers.map(({ engine }) => engine.stats),
    picker,
    url: `http://${gateway.address}`,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

test('what the page lets a reader try happens as it says', async () => {
  await using page = await startPage();
  const ask = () =>
    send(page.url, {
      path: '/v1/completions',
      body: { model: 'sim-model', prompt: 'a long story '.repeat(300), max_tokens: 4 },
    });
  const finished = () => page.stats.map((stats) => stats.finishedLength);
  expect((await ask()).status).toBe(200);
  const [encode, ...others] = finished();
  expect([encode, others.slice(0, 2).toSorted(), others.slice(2).toSorted()]).toEqual([0, [0, 1], [0, 1]]);
  const decoding = page.stats.find((stats) => stats.externalCacheHits > 0);
  expect(decoding?.externalCacheHits).toBe((decoding?.promptTokens ?? 0) - 1);

  expect((await ask()).body.toString()).toMatch(/"cached_tokens":9\d\d/);
  expect(decoding?.finishedLength).toBe(2);
  expect(finished().reduce((sum, count) => sum + count)).toBe(3);
  const counts = await page.picker.page();
  expect(counts).toMatch(/^llm_d_epp_disagg_decision_total\{.*decision_type="prefill-decode"\} 1$/m);
  expect(counts).toMatch(/^llm_d_epp_disagg_decision_total\{.*decision_type="decode-only"\} 1$/m);
});

test('the page shows the configuration that is shipped', async () => {
  const page = await readFile('docs/disaggregation.md', 'utf8');
  const shown = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
  expect(parse(shown)).toEqual(parse(await readFile(`${FOLDER}/epp.yaml`, 'utf8')));
});
