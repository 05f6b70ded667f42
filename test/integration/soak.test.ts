import process from 'node:process';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ExtProcClient } from '../support/extproc-client.ts';
import { PickerProcess } from '../support/picker-process.ts';
import { parseText } from '../support/prometheus.ts';
import { expectNothingHeld } from '../support/stack.ts';
import { startUpstream } from '../support/upstream.ts';

/** `npm run soak` makes it 100,000. */
const REQUESTS = Number(process.env['SOAK_REQUESTS'] ?? 20_000);
const CONCURRENCY = 64;

/** A few more, for what they cause to be collected. */
const EXTRA_REQUESTS = 1000;

/** Heap in use after a full collection may grow by this much from 20 % of the way to the end: noise of compiled code. */
const HEAP_MARGIN_BYTES = 4 << 20;

/** The same for buffers outside the heap, some of which are kept for the next request. */
const EXTERNAL_MARGIN_BYTES = 8 << 20;

/** Resident memory also has what the collector and the allocator keep for the next burst: bounded, but not steady. */
const RESIDENT_MARGIN_BYTES = 128 << 20;

/** Sockets and immediates that happen to be there when the page is written. */
const RESOURCE_MARGIN = 4;

const MIB = 1 << 20;

/** Distinct prompts, so that caches fill up and turn over. */
const PROMPTS = Array.from({ length: 500 }, (_, i) =>
  Array.from({ length: 200 }, (__, word) => `p${i}w${word % 17}`).join(' '),
);

/** What the picker's process holds. */
interface Holdings {
  readonly heapBytes: number;
  readonly externalBytes: number;
  readonly residentBytes: number;
  /** Sockets, timers and other things that keep an event loop busy, by kind. */
  readonly resources: ReadonlyMap<string, number>;
}

/** One exchange. Most are plain; some stream, some are refused, some have no body, some are broken off. */
async function exchange(client: ExtProcClient, i: number): Promise<void> {
  const one = client.open();
  const kind = i % 100;
  if (kind === 0) {
    const { immediate } = await one.route({ body: '{"model":' });
    expect(immediate?.status?.code).toBe(400);
    one.halfClose();
    await one.ended;
    return;
  }
  if (kind === 1) {
    await one.route({ headers: { ':method': 'GET', ':path': '/v1/models' } });
    await one.respond({ chunks: ['{"data":[]}'] });
    return;
  }
  const content = PROMPTS[(i * 7919) % PROMPTS.length] ?? '';
  const isStream = kind < 20;
  if (kind === 2) {
    one.requestHeaders({ ':method': 'POST', ':path': '/v1/chat/completions' });
    one.requestBody('{"model":"m","messages":[');
    // grpc-js resets no stream in the turn in which it opened it.
    await nextTurn();
    one.cancel();
    await one.ended;
    return;
  }
  const body = { model: `m${i % 3}`, stream: isStream, messages: [{ role: 'user', content }] };
  const routed = await one.route({ body: JSON.stringify(body) });
  expect(routed.destination).not.toBe('');
  if (kind === 3 || kind === 4) {
    if (kind === 4) one.responseHeaders({ ':status': '200', 'content-type': 'text/event-stream' });
    one.cancel();
    await one.ended;
    return;
  }
  if (isStream) {
    const event = `data: {"id":"1","model":"m${i % 3}","choices":[{"index":0,"delta":{"content":"word"}}]}\n\n`;
    const headers = { ':status': '200', 'content-type': 'text/event-stream' };
    await one.respond({ headers, chunks: [event, event, event, 'data: [DONE]\n\n'] });
  } else {
    await one.respond({
      chunks: [`{"model":"m${i % 3}","usage":{"prompt_tokens":200,"completion_tokens":3}}`],
    });
  }
}

async function runThrough(client: ExtProcClient, from: number, to: number): Promise<void> {
  let next = from;
  const worker = async () => {
    while (next < to) {
      const i = next;
      next += 1;
      await exchange(client, i);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}

/** Waits until nothing is under way; a heap snapshot collects all garbage first. */
async function holdings(picker: PickerProcess): Promise<Holdings> {
  await expectNothingHeld(picker);
  await picker.page('/debug/pprof/heap?snapshot');
  const samples = parseText(await picker.page());
  const value = (name: string) => samples.find((sample) => sample.name === name)?.value ?? Number.NaN;
  const resources = samples.filter(({ name }) => name === 'nodejs_active_resources');
  return {
    heapBytes: value('nodejs_heap_size_used_bytes'),
    externalBytes: value('nodejs_external_memory_bytes'),
    residentBytes: value('process_resident_memory_bytes'),
    resources: new Map(resources.map(({ labels, value: count }) => [labels.get('type') ?? '', count])),
  };
}

test(`${REQUESTS} requests leave nothing behind`, { timeout: 300_000 }, async () => {
  await using first = await startUpstream();
  await using second = await startUpstream();
  await using picker = await PickerProcess.start({ endpoints: [first.address, second.address] });
  using client = new ExtProcClient(picker.address);

  const startedMs = performance.now();
  await runThrough(client, 0, REQUESTS * 0.2);
  const early = await holdings(picker);
  // What a snapshot was written in waits for the next collection, which an idle process does not come to: requests bring one.
  let extra = 0;
  const buffers = async () => {
    await runThrough(client, 0, EXTRA_REQUESTS);
    extra += EXTRA_REQUESTS;
    await expectNothingHeld(picker);
    return picker.total('nodejs_external_memory_bytes');
  };
  const earlyBuffers = Math.min(early.externalBytes, await buffers());
  await runThrough(client, REQUESTS * 0.2, REQUESTS);
  const seconds = (performance.now() - startedMs) / 1000;
  const end = await holdings(picker);

  const [heapMib, externalMib, residentMib] = (['heapBytes', 'externalBytes', 'residentBytes'] as const).map(
    (key) => `${(early[key] / MIB).toFixed(1)} MiB at 20 %, ${(end[key] / MIB).toFixed(1)} MiB at the end`,
  );
  console.info(
    `${REQUESTS} requests in ${seconds.toFixed(1)} s; heap ${heapMib}; buffers ${externalMib}; resident ${residentMib}; ` +
      `resources ${JSON.stringify([...end.resources])}, at 20 % ${JSON.stringify([...early.resources])}`,
  );
  expect(end.heapBytes - early.heapBytes).toBeLessThan(HEAP_MARGIN_BYTES);
  const grown = async () => (await buffers()) - earlyBuffers;
  await expect.poll(grown, { timeout: 30_000, interval: 100 }).toBeLessThan(EXTERNAL_MARGIN_BYTES);
  expect(end.residentBytes - early.residentBytes).toBeLessThan(RESIDENT_MARGIN_BYTES);
  for (const [kind, count] of end.resources) {
    expect(count, kind).toBeLessThanOrEqual((early.resources.get(kind) ?? 0) + RESOURCE_MARGIN);
  }
  expect(picker.lines.filter((line) => line.includes('Warning') || line.includes('"level":"error"'))).toEqual(
    [],
  );
  expect(await picker.total('llm_d_epp_request_total')).toBe((REQUESTS + extra) * 0.98);
});
