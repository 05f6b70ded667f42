import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Pace, pollCostMs } from './pace.ts';

/** Ticks in time from `fromMs` to `toMs`; returns how many of them reported the end of idleness. */
function run(pace: Pace, fromMs: number, toMs: number): number {
  let woken = 0;
  for (let nowMs = fromMs + 10; nowMs <= toMs; nowMs += 10) if (pace.tick(nowMs)) woken += 1;
  return woken;
}

test('idles after some seconds without requests and wakes with the first one', () => {
  const pace = new Pace(50, 10, 0);
  expect(run(pace, 0, 5_000)).toBe(0);
  expect(pace.intervalMs(0)).toBe(50);
  expect(pace.intervalMs(200)).toBe(200);
  run(pace, 5_000, 5_010);
  expect(pace.isIdle).toBe(true);
  expect(pace.intervalMs(0)).toBe(1_000);
  expect(pace.intervalMs(200)).toBe(1_000);
  expect(pace.intervalMs(5_000)).toBe(5_000);
  pace.hasRequest = true;
  expect(run(pace, 5_010, 5_100)).toBe(1);
  expect(pace.intervalMs(0)).toBe(50);
});

test('requests that go on keep it awake', () => {
  const pace = new Pace(50, 10, 0);
  for (let nowMs = 0; nowMs < 60_000; nowMs += 1_000) {
    pace.hasRequest = true;
    expect(run(pace, nowMs, nowMs + 1_000)).toBe(0);
  }
  expect(pace.isIdle).toBe(false);
});

test('stretches while ticks are late, and comes back', () => {
  const pace = new Pace(50, 10, 0);
  pace.hasRequest = true;
  for (let nowMs = 100; nowMs <= 1_000; nowMs += 100) pace.tick(nowMs);
  expect(pace.intervalMs(0)).toBe(1_000);
  run(pace, 1_000, 3_000);
  expect(pace.intervalMs(0)).toBeLessThan(60);
  run(pace, 3_000, 4_000);
  expect(pace.intervalMs(0)).toBe(50);
});

test('stretches what takes more than its share of the core, idle or not', () => {
  const pace = new Pace(50, 10, 0);
  pace.weigh(0.3);
  expect([pace.crowding, pace.intervalMs(0), pace.intervalMs(200)]).toEqual([1, 50, 200]);
  pace.weigh(1.5);
  expect([pace.crowding, pace.intervalMs(0), pace.intervalMs(200)]).toEqual([5, 250, 1_000]);
  expect(pace.plannedMs(200)).toBe(200);
  run(pace, 0, 5_010);
  expect([pace.plannedMs(0), pace.intervalMs(0)]).toEqual([1_000, 5_000]);
  pace.weigh(0.1);
  expect(pace.intervalMs(0)).toBe(1_000);
});

test('lateness makes no interval longer than a second, and none shorter', () => {
  const pace = new Pace(50, 10, 0);
  pace.weigh(1.5);
  pace.hasRequest = true;
  for (let nowMs = 100; nowMs <= 4_000; nowMs += 100) pace.tick(nowMs);
  expect([0, 100, 200, 400].map((periodMs) => pace.intervalMs(periodMs))).toEqual([
    1_000, 1_000, 1_000, 2_000,
  ]);
});

test('the cost of a poll grows with its page', () => {
  expect(pollCostMs(0)).toBeCloseTo(0.08);
  expect(pollCostMs(49_000)).toBeCloseTo(0.129);
});

test('whatever the ticks, intervals stay between base and the idle one', () => {
  const gaps = fc.array(fc.tuple(fc.integer({ min: 0, max: 5_000 }), fc.boolean()), { maxLength: 200 });
  fc.assert(
    fc.property(gaps, fc.integer({ min: 50, max: 500 }), (steps, baseMs) => {
      const pace = new Pace(baseMs, 10, 0);
      let nowMs = 0;
      for (const [gapMs, hasRequest] of steps) {
        nowMs += gapMs;
        if (hasRequest) pace.hasRequest = true;
        pace.tick(nowMs);
        expect(pace.intervalMs(0)).toBeGreaterThanOrEqual(baseMs);
        expect(pace.intervalMs(0)).toBeLessThanOrEqual(1_000);
      }
    }),
  );
});
