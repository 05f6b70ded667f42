import { describe, expect, test } from 'vitest';
import { endpoint as buildEndpoint } from '../../test/support/builders.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { type ScriptedSource, setUpPoller } from '../../test/support/scripted-polls.ts';
import type { Endpoint } from '../framework/endpoint.ts';
import { PollGroup } from './poll-group.ts';

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
  const given = setUpPoller({ extract: () => true });
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
    const { clock, poller, source } = setUpPoller();
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
    const { clock, poller, source } = setUpPoller({ extract: () => true });
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

test('the pools of a process share the time that polls may take', async () => {
  const clock = new FakeClock();
  const group = new PollGroup(clock);
  const pools = Array.from({ length: 20 }, () => {
    const pool = setUpPoller({ clock, group });
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
