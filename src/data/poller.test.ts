import { describe, expect, test } from 'vitest';
import { endpoint as buildEndpoint, RecordingLog } from '../../test/support/builders.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { type Extractor, PollError, type PollSource } from '../framework/data-source.ts';
import type { Endpoint } from '../framework/endpoint.ts';
import { SeededRng } from '../util/rng.ts';
import type { PollBinding } from './poll-entry.ts';
import { PollGroup } from './poll-group.ts';
import { Poller } from './poller.ts';

/** A source whose polls end as the test says, at the moment the test says. */
class ScriptedSource implements PollSource {
  readonly payload = 'prometheus';
  readonly intervalMs = 0;
  readonly polls: { endpoint: Endpoint; atMs: number }[] = [];
  readonly released: Endpoint[] = [];
  /** How long a poll takes; Infinity for one that ends with its signal only. */
  tookMs = 1;
  /** The same for endpoints that are an exception. */
  readonly tookMsOf = new Map<Endpoint, number>();
  failure: Error | undefined;
  page: Uint8Array = Buffer.from('page');
  /** Most polls of one endpoint under way at one time. */
  mostAtOnce = 0;
  readonly #clock: FakeClock;
  readonly #underWay = new Map<Endpoint, number>();

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  poll(endpoint: Endpoint, signal: AbortSignal): Promise<Uint8Array> {
    this.polls.push({ endpoint, atMs: this.#clock.nowMs() });
    const count = (this.#underWay.get(endpoint) ?? 0) + 1;
    this.#underWay.set(endpoint, count);
    this.mostAtOnce = Math.max(this.mostAtOnce, count);
    const { failure } = this;
    const tookMs = this.tookMsOf.get(endpoint) ?? this.tookMs;
    return new Promise<Uint8Array>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error));
      if (tookMs === Number.POSITIVE_INFINITY) return;
      this.#clock.after(tookMs, () => (failure === undefined ? resolve(this.page) : reject(failure)));
    }).finally(() => this.#underWay.set(endpoint, (this.#underWay.get(endpoint) ?? 0) - 1));
  }

  release(endpoint: Endpoint): void {
    this.released.push(endpoint);
  }

  /** Times of the polls of one endpoint. */
  times(endpoint: Endpoint): number[] {
    return this.polls.filter((poll) => poll.endpoint === endpoint).map((poll) => poll.atMs);
  }
}

interface Options {
  sources?: number;
  periodMs?: number;
  extract?: Extractor['extract'];
  /** Shared with other pollers. */
  clock?: FakeClock;
  group?: PollGroup;
}

function setUp(options: Options = {}) {
  const { sources: count = 1, periodMs = 0, extract, clock = new FakeClock() } = options;
  const log = new RecordingLog();
  const ends: string[] = [];
  const sources = Array.from({ length: count }, () => new ScriptedSource(clock));
  const extractor: Extractor | undefined = extract && { payload: 'prometheus', extract };
  const bindings = sources.map(
    (plugin, index): PollBinding => ({
      index,
      source: { name: `s${index}`, type: 't', plugin },
      extractors: extractor === undefined ? [] : [{ name: 'x', type: 'x', plugin: extractor }],
      periodMs,
      pollErrors: { value: 0 },
      extractErrors: [{ value: 0 }],
    }),
  );
  const poller = new Poller({
    bindings,
    baseIntervalMs: 50,
    stalenessMs: 2_000,
    clock,
    group: options.group ?? new PollGroup(clock),
    rng: new SeededRng(7),
    log,
    listener: {
      pollSucceeded: (endpoint, index) => void ends.push(`${endpoint.name} ${index} ok`),
      pollFailed: (endpoint, index, isRefused) =>
        void ends.push(`${endpoint.name} ${index} ${isRefused ? 'refused' : 'failed'}`),
    },
  });
  const [source] = sources;
  if (source === undefined) throw new Error('at least one source is needed');
  return { clock, log, ends, sources, source, bindings, poller };
}

function gaps(times: readonly number[]): number[] {
  return times.slice(1).map((time, i) => time - (times[i] ?? 0));
}

describe('the timetable', () => {
  test('polls at once, then at the base interval in a phase of its own', async () => {
    const { clock, poller, source } = setUp();
    const endpoints = Array.from({ length: 20 }, (_, i) => buildEndpoint({ name: `e${i}` }));
    poller.start();
    for (const endpoint of endpoints) poller.endpointAdded(endpoint);
    expect(source.polls).toHaveLength(20);
    await clock.advanceAsync(1_000, 1);
    const phases = new Set<number>();
    for (const endpoint of endpoints) {
      const times = source.times(endpoint);
      expect(times.length).toBeGreaterThanOrEqual(19);
      expect(times.length).toBeLessThanOrEqual(21);
      phases.add((times.at(-1) ?? 0) % 50);
      for (const gap of gaps(times.slice(1))) expect(gap).toBe(50);
    }
    expect(phases.size).toBeGreaterThan(2);
    poller.close();
  });

  test('endpoints that are there before the start are polled at the start', async () => {
    const { poller, source } = setUp();
    poller.endpointAdded(buildEndpoint());
    expect(source.polls).toHaveLength(0);
    poller.start();
    expect(source.polls).toHaveLength(1);
    poller.close();
  });

  test('slows down without requests, and the first request wakes everything within one interval', async () => {
    const { clock, poller, source } = setUp();
    const endpoints = Array.from({ length: 10 }, (_, i) => buildEndpoint({ name: `e${i}` }));
    poller.start();
    for (const endpoint of endpoints) poller.endpointAdded(endpoint);
    await clock.advanceAsync(8_000, 10);
    const before = source.polls.length;
    await clock.advanceAsync(4_000, 10);
    expect(source.polls.length - before).toBe(40);
    expect(poller.intervalMs).toBe(1_000);
    expect(Math.round((endpoints[0]?.scrapeIntervalMs ?? 0) / 100)).toBe(10);
    poller.noteActivity();
    const woken = source.polls.length;
    await clock.advanceAsync(70, 10);
    expect(new Set(source.polls.slice(woken).map((poll) => poll.endpoint)).size).toBe(10);
    expect(poller.intervalMs).toBe(50);
    for (const endpoint of endpoints) expect(endpoint.scrapeIntervalMs).toBeLessThanOrEqual(50);
    poller.close();
  });

  test('a source with a period of its own keeps it', async () => {
    const { clock, poller, source } = setUp({ periodMs: 300 });
    const one = buildEndpoint();
    poller.start();
    poller.endpointAdded(one);
    await clock.advanceAsync(3_000, 10);
    for (const gap of gaps(source.times(one).slice(1))) expect(gap).toBe(300);
    poller.close();
  });

  test('never two polls of one endpoint by one source; a slow endpoint delays nobody', async () => {
    const { clock, poller, source } = setUp();
    const slow = buildEndpoint({ name: 'slow' });
    const quick = buildEndpoint({ name: 'quick' });
    poller.start();
    source.tookMsOf.set(slow, 170);
    poller.endpointAdded(slow);
    poller.endpointAdded(quick);
    await clock.advanceAsync(4_000, 1);
    expect(source.mostAtOnce).toBe(1);
    expect(source.times(quick).length).toBeGreaterThan(75);
    for (const gap of gaps(source.times(quick).slice(1))) expect(gap).toBe(50);
    for (const gap of gaps(source.times(slow))) expect(gap).toBeGreaterThanOrEqual(170);
    expect(source.times(slow).length).toBeGreaterThan(15);
    poller.close();
  });

  test('every source of an endpoint has its own timetable', async () => {
    const { clock, poller, sources } = setUp({ sources: 2 });
    const one = buildEndpoint();
    poller.start();
    const [first, second] = sources;
    if (first !== undefined) first.tookMs = Number.POSITIVE_INFINITY;
    poller.endpointAdded(one);
    await clock.advanceAsync(900, 10);
    expect(first?.polls).toHaveLength(1);
    expect(second?.polls.length).toBeGreaterThan(15);
    poller.close();
  });
});

/** Of every endpoint, the time between its last two polls. */
function lastGaps(source: ScriptedSource, endpoints: readonly Endpoint[]): number[] {
  const last = new Map<Endpoint, number>();
  const gap = new Map<Endpoint, number>();
  for (const { endpoint, atMs } of source.polls) {
    gap.set(endpoint, atMs - (last.get(endpoint) ?? Number.NaN));
    last.set(endpoint, atMs);
  }
  return endpoints.map((endpoint) => gap.get(endpoint) ?? Number.NaN);
}

/** `count` endpoints in a pool that requests keep busy. */
async function crowd(count: number, pageBytes: number) {
  const given = setUp({ extract: () => true });
  given.source.page = Buffer.alloc(pageBytes);
  const endpoints = Array.from({ length: count }, (_, i) => buildEndpoint({ name: `e${i}` }));
  given.poller.start();
  for (const endpoint of endpoints) given.poller.endpointAdded(endpoint);
  given.clock.every(1_000, () => given.poller.noteActivity());
  await given.clock.advanceAsync(2_000, 10);
  return { ...given, endpoints };
}

describe('many endpoints', () => {
  test.each([
    { count: 100, pageBytes: 49_000, wantMs: 50, what: 'as often as configured' },
    { count: 100, pageBytes: 63_000, wantMs: 50, what: 'as often as configured' },
    { count: 1_000, pageBytes: 49_000, wantMs: 430, what: 'less often' },
    { count: 1_000, pageBytes: 1_000, wantMs: 270, what: 'less often, but smaller pages more so' },
    { count: 200, pageBytes: 500_000, wantMs: 387, what: 'less often for their large pages' },
  ])('$count with pages of $pageBytes bytes are polled $what', async ({ count, pageBytes, wantMs }) => {
    const { poller, source, endpoints, clock } = await crowd(count, pageBytes);
    expect(Math.round(poller.intervalMs)).toBeGreaterThanOrEqual(wantMs);
    expect(poller.intervalMs).toBeLessThan(wantMs + 5);
    const before = source.polls.length;
    await clock.advanceAsync(6_000, 10);
    const share = ((source.polls.length - before) / 6_000) * (0.08 + pageBytes * 1e-6);
    expect(share).toBeLessThan(0.33);
    // everyone gets a turn, and knows how long it is
    for (const gap of lastGaps(source, endpoints)) {
      expect(gap).toBeGreaterThan(wantMs - 30);
      expect(gap).toBeLessThan(wantMs + 35);
    }
    for (const { scrapeIntervalMs } of endpoints) expect(scrapeIntervalMs).toBeLessThan(wantMs + 20);
    poller.close();
  });

  test('are polled in turn where all are due at once, never more than fifty in one tick', async () => {
    const { clock, poller, source } = setUp();
    const endpoints = Array.from({ length: 1_000 }, (_, i) => buildEndpoint({ name: `e${i}` }));
    for (const endpoint of endpoints) poller.endpointAdded(endpoint);
    poller.start();
    const perTick = new Map<number, number>();
    await clock.advanceAsync(4_000, 10);
    for (const { atMs } of source.polls) perTick.set(atMs, (perTick.get(atMs) ?? 0) + 1);
    expect(Math.max(...perTick.values())).toBe(50);
    const first = source.polls.slice(0, 1_000);
    expect(new Set(first.map(({ endpoint }) => endpoint)).size).toBe(1_000);
    expect((first.at(-1)?.atMs ?? 0) - (first[0]?.atMs ?? 0)).toBeLessThan(250);
    poller.close();
  });

  test('an idle pool of them is polled once a second, and the first request brings it back', async () => {
    const { clock, poller, source } = setUp({ extract: () => true });
    const endpoints = Array.from({ length: 1_000 }, (_, i) => buildEndpoint({ name: `e${i}` }));
    poller.start();
    for (const endpoint of endpoints) poller.endpointAdded(endpoint);
    await clock.advanceAsync(10_000, 10);
    expect(poller.intervalMs).toBe(1_000);
    for (const gap of lastGaps(source, endpoints)) expect(gap).toBeLessThanOrEqual(1_060);
    poller.noteActivity();
    const woken = source.polls.length;
    await clock.advanceAsync(500, 10);
    expect(new Set(source.polls.slice(woken).map(({ endpoint }) => endpoint)).size).toBe(1_000);
    poller.close();
  });

  test('the log says once that intervals are longer, and once that they are not', async () => {
    const { clock, poller, endpoints, log } = await crowd(1_000, 49_000);
    await clock.advanceAsync(3_000, 10);
    expect(log.lines).toMatchObject([{ level: 'info', fields: { endpoints: 1_000 } }]);
    for (const endpoint of endpoints.slice(50)) poller.endpointRemoved(endpoint);
    await clock.advanceAsync(2_000, 10);
    expect(log.lines.map(({ message }) => message)).toEqual([
      'endpoints are polled less often than configured: together their pages take too much CPU',
      'endpoints are polled as often as configured again',
    ]);
    expect(poller.intervalMs).toBe(50);
    poller.close();
  });
});

describe('failures', () => {
  test('a poll without end is given up after a second and counted', async () => {
    const { clock, poller, source, bindings, ends } = setUp();
    const one = buildEndpoint();
    source.tookMs = Number.POSITIVE_INFINITY;
    poller.start();
    poller.endpointAdded(one);
    await clock.advanceAsync(990, 10);
    expect(ends).toEqual([]);
    await clock.advanceAsync(20, 10);
    expect(ends).toEqual([`${one.name} 0 failed`]);
    expect(bindings[0]?.pollErrors.value).toBe(1);
    source.tookMs = 1;
    await clock.advanceAsync(100, 10);
    expect(ends.at(-1)).toBe(`${one.name} 0 ok`);
    poller.close();
  });

  test('polls of a dead endpoint back off to less than a second, and it is back within one', async () => {
    const { clock, poller, source, ends } = setUp();
    const one = buildEndpoint({ name: 'e' });
    source.failure = new PollError('refused', true);
    poller.start();
    poller.endpointAdded(one);
    await clock.advanceAsync(20_000, 10);
    const times = source.times(one);
    expect(times.length).toBeLessThan(40);
    const late = gaps(times).slice(-10);
    for (const gap of late) expect(gap).toBeGreaterThan(600);
    for (const gap of late) expect(gap).toBeLessThan(1_000);
    expect(new Set(late.map((gap) => Math.round(gap / 20))).size).toBeGreaterThan(1);
    expect(new Set(ends)).toEqual(new Set(['e 0 refused']));
    source.failure = undefined;
    await clock.advanceAsync(1_000, 10);
    expect(ends.at(-1)).toBe('e 0 ok');
    poller.close();
  });

  test('a source that throws instead of rejecting is contained', async () => {
    const { clock, poller, source, bindings } = setUp();
    source.poll = () => {
      throw new Error('broken');
    };
    poller.start();
    poller.endpointAdded(buildEndpoint());
    await clock.advanceAsync(500, 10);
    expect(bindings[0]?.pollErrors.value).toBeGreaterThan(1);
    poller.close();
  });

  test('one warning when data becomes stale, one line when it is fresh again', async () => {
    const { clock, poller, source, log } = setUp();
    const one = buildEndpoint({ name: 'e' });
    poller.start();
    poller.endpointAdded(one);
    await clock.advanceAsync(500, 10);
    source.failure = new PollError('HTTP 500, want 200', false);
    await clock.advanceAsync(1_900, 10);
    expect(log.lines).toEqual([]);
    await clock.advanceAsync(20_000, 10);
    expect(log.lines).toHaveLength(1);
    expect(log.lines[0]).toMatchObject({
      level: 'warn',
      message: 'endpoint data is stale',
      fields: { endpoint: one.id, source: 's0', reason: 'HTTP 500, want 200' },
    });
    source.failure = undefined;
    await clock.advanceAsync(5_000, 10);
    expect(log.lines.map((line) => line.message)).toEqual([
      'endpoint data is stale',
      'endpoint data is fresh again',
    ]);
    poller.close();
  });

  test('of an unreachable endpoint nothing more is said', async () => {
    const { clock, poller, source, log } = setUp();
    const one = buildEndpoint();
    one.isReachable = false;
    source.failure = new PollError('refused', true);
    poller.start();
    poller.endpointAdded(one);
    await clock.advanceAsync(10_000, 10);
    expect(log.lines).toEqual([]);
    poller.close();
  });
});

describe('extractors', () => {
  test('get the page and the time; one that throws or finds nothing is counted, and its values grow stale', async () => {
    const seen: string[] = [];
    let mode = 'ok';
    const { clock, poller, bindings, log, ends } = setUp({
      extract: (bytes, endpoint, nowMs) => {
        seen.push(`${Buffer.from(bytes).toString()} ${endpoint.name} ${nowMs - 1_000_000}`);
        if (mode === 'throw') throw new Error('no metrics page');
        return mode === 'ok';
      },
    });
    poller.start();
    poller.endpointAdded(buildEndpoint({ name: 'e' }));
    await clock.advanceAsync(1, 1);
    expect(seen).toEqual(['page e 1']);
    mode = 'throw';
    await clock.advanceAsync(5_000, 10);
    expect(bindings[0]?.extractErrors[0]?.value).toBe(seen.length - 1);
    expect(log.lines).toMatchObject([{ level: 'warn', fields: { reason: 'no metrics page' } }]);
    expect(new Set(ends)).toEqual(new Set(['e 0 ok']));
    mode = 'nothing';
    await clock.advanceAsync(3_000, 10);
    expect(bindings[0]?.extractErrors[0]?.value).toBe(seen.length - 1);
    expect(bindings[0]?.pollErrors.value).toBe(0);
    poller.close();
  });
});

describe('membership', () => {
  test('after an endpoint left, nothing is written to it and its connections are closed', async () => {
    let writes = 0;
    const { clock, poller, source, ends } = setUp({
      extract: () => {
        writes += 1;
        return true;
      },
    });
    const one = buildEndpoint({ name: 'one' });
    const two = buildEndpoint({ name: 'two' });
    poller.start();
    source.tookMs = 30;
    poller.endpointAdded(one);
    poller.endpointAdded(two);
    await clock.advanceAsync(10, 10);
    poller.endpointRemoved(one);
    expect(source.released).toEqual([one]);
    await clock.advanceAsync(1_000, 10);
    expect(ends.filter((end) => end.startsWith('one'))).toEqual([]);
    expect(source.times(one)).toHaveLength(1);
    expect(source.times(two).length).toBeGreaterThan(10);
    expect(writes).toBe(ends.length);
    poller.close();
  });

  test('close ends everything: no timer, no poll, no late comer', async () => {
    const { clock, poller, source } = setUp();
    poller.start();
    const one = buildEndpoint();
    poller.endpointAdded(one);
    poller.close();
    poller.endpointAdded(buildEndpoint());
    expect(source.released).toEqual([one]);
    const count = source.polls.length;
    await clock.advanceAsync(5_000, 100);
    expect(source.polls).toHaveLength(count);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('a poll on demand', () => {
  test('starts at once, back-off or not, but not two at a time and not without pause', async () => {
    const { clock, poller, source } = setUp();
    const one = buildEndpoint();
    source.failure = new PollError('refused', true);
    poller.start();
    poller.endpointAdded(one);
    expect(poller.scrapes(one)).toBe(true);
    await clock.advanceAsync(5_000, 10);
    // right behind a poll there is a long pause
    const last = source.polls.length;
    while (source.polls.length === last) await clock.advanceAsync(1, 1);
    await clock.advanceAsync(100, 10);
    const count = source.polls.length;
    poller.scrapeSoon(one);
    expect(source.polls).toHaveLength(count + 1);
    poller.scrapeSoon(one);
    expect(source.polls).toHaveLength(count + 1);
    await clock.advanceAsync(100, 1);
    expect(source.polls).toHaveLength(count + 2);
    expect(gaps(source.times(one)).at(-1)).toBeGreaterThanOrEqual(25);
    expect(source.mostAtOnce).toBe(1);
    poller.close();
  });

  test('of an endpoint that nobody polls does nothing', () => {
    const { poller, source } = setUp();
    poller.start();
    const stranger = buildEndpoint();
    poller.scrapeSoon(stranger);
    expect(poller.scrapes(stranger)).toBe(false);
    expect(source.polls).toEqual([]);
    poller.close();
  });
});

describe('the first round', () => {
  test('ends when every endpoint was polled, well or not', async () => {
    const { clock, poller, source } = setUp();
    poller.start();
    source.tookMs = 30;
    poller.endpointAdded(buildEndpoint());
    source.failure = new Error('no');
    poller.endpointAdded(buildEndpoint());
    let isOver = false;
    const round = poller.firstRound(500).then(() => {
      isOver = true;
    });
    await clock.advanceAsync(29, 1);
    expect(isOver).toBe(false);
    await clock.advanceAsync(2, 1);
    await round;
    poller.close();
  });

  test('ends with its time when a poll does not, and at once without endpoints', async () => {
    const { clock, poller, source } = setUp();
    poller.start();
    await poller.firstRound(500);
    source.tookMs = Number.POSITIVE_INFINITY;
    const gone = buildEndpoint();
    poller.endpointAdded(gone);
    const timed = poller.firstRound(500);
    clock.advance(500);
    await timed;
    const untimed = poller.firstRound(500);
    poller.endpointRemoved(gone);
    await untimed;
    poller.close();
    expect(clock.pendingTimers).toBe(0);
  });
});

test('the pools of a process share the time that polls may take', async () => {
  const clock = new FakeClock();
  const group = new PollGroup(clock);
  const pools = Array.from({ length: 20 }, () => {
    const pool = setUp({ clock, group });
    pool.source.page = Buffer.alloc(420_000);
    pool.poller.start();
    for (let i = 0; i < 50; i += 1) pool.poller.endpointAdded(buildEndpoint({ name: `e${i}` }));
    return pool;
  });
  await clock.advanceAsync(20_000, 10);
  const before = pools.map(({ source }) => source.polls.length);
  await clock.advanceAsync(10_000, 10);
  const polls = pools.map(({ source }, i) => source.polls.length - (before[i] ?? 0));
  // 0.5 ms each, in 0.3 of a core
  const perPool = (10_000 * 0.3) / 0.5 / pools.length;
  for (const count of polls) {
    expect(count).toBeGreaterThan(0.8 * perPool);
    expect(count).toBeLessThan(1.2 * perPool);
  }
  const [busy, idle] = pools;
  busy?.poller.noteActivity();
  await clock.advanceAsync(1_000, 10);
  expect(busy?.poller.intervalMs).toBeCloseTo(83, 0); // as if it were alone
  expect(idle?.poller.intervalMs).toBeGreaterThan(4_000);
  for (const { poller } of pools) poller.close();
  await clock.advanceAsync(10);
  expect(clock.pendingTimers).toBe(0);
});
