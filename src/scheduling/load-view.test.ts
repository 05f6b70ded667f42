import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { endpoint } from '../../test/support/builders.ts';
import { refreshLoadViews } from './load-view.ts';

const NOW_MS = 1_000_000;
const STALENESS_MS = 2_000;
const never = Number.NEGATIVE_INFINITY;

describe('refreshLoadViews', () => {
  test('a fresh endpoint is read as scraped, up to and including the limit', () => {
    const one = endpoint({ waitingQueueSize: 3, updatedAtMs: NOW_MS - STALENESS_MS, inFlightRequests: 9 });
    refreshLoadViews([one], NOW_MS, STALENESS_MS);
    expect(one.metrics).toBe(one.scraped);
    expect(one.isFresh).toBe(true);
  });

  test('one that is scraped at longer intervals is fresh until its next scrape is late', () => {
    const isFreshAfter = (ageMs: number) => {
      const one = endpoint({ updatedAtMs: NOW_MS - ageMs });
      one.scrapeIntervalMs = 5_000;
      refreshLoadViews([one], NOW_MS, STALENESS_MS);
      return one.isFresh;
    };
    expect([isFreshAfter(5_000), isFreshAfter(7_500), isFreshAfter(7_501)]).toEqual([true, true, false]);
  });

  test('a never-scraped endpoint is taken as loaded as the fullest fresh one', () => {
    const fresh = [
      endpoint({ waitingQueueSize: 4, runningRequestsSize: 1, kvCacheUsage: 0.2 }),
      endpoint({ waitingQueueSize: 1, runningRequestsSize: 7, kvCacheUsage: 0.6 }),
    ];
    const silent = endpoint({ updatedAtMs: never, inFlightRequests: 2 });
    refreshLoadViews([silent, ...fresh], NOW_MS, STALENESS_MS);
    expect(silent.isFresh).toBe(false);
    expect(silent.metrics).toMatchObject({ waitingQueueSize: 4, runningRequestsSize: 7, kvCacheUsage: 0.6 });
    expect(silent.scraped.waitingQueueSize).toBe(0);
  });

  test('own in-flight requests count where they are more', () => {
    const silent = endpoint({ updatedAtMs: never, inFlightRequests: 9 });
    const fresh = endpoint({ waitingQueueSize: 4, runningRequestsSize: 20 });
    refreshLoadViews([silent, fresh], NOW_MS, STALENESS_MS);
    expect(silent.metrics).toMatchObject({ waitingQueueSize: 9, runningRequestsSize: 20 });
  });

  test('a stale endpoint keeps its adapters, cache geometry and KV usage, not its queue', () => {
    const stale = endpoint({
      updatedAtMs: NOW_MS - STALENESS_MS - 1,
      waitingQueueSize: 50,
      kvCacheUsage: 0.9,
      activeModels: new Set(['a']),
      waitingModels: new Set(['b']),
      maxActiveModels: 4,
      cacheBlockSize: 16,
      cacheNumBlocks: 1000,
    });
    refreshLoadViews([stale, endpoint({ kvCacheUsage: 0.3 })], NOW_MS, STALENESS_MS);
    expect(stale.metrics).toEqual({
      ...stale.scraped,
      waitingQueueSize: 0,
      runningRequestsSize: 0,
      kvCacheUsage: 0.9,
    });
  });

  test('with nobody fresh the own in-flight counts decide', () => {
    const pool = [3, 0, 1].map((inFlightRequests) => endpoint({ updatedAtMs: never, inFlightRequests }));
    refreshLoadViews(pool, NOW_MS, STALENESS_MS);
    expect(pool.map((one) => one.metrics.waitingQueueSize)).toEqual([3, 0, 1]);
  });

  test('the estimate is one object while stale, and gone once fresh', () => {
    const one = endpoint({ updatedAtMs: never });
    refreshLoadViews([one], NOW_MS, STALENESS_MS);
    const estimate = one.metrics;
    refreshLoadViews([one], NOW_MS, STALENESS_MS);
    expect(one.metrics).toBe(estimate);
    one.scraped.updatedAtMs = NOW_MS;
    refreshLoadViews([one], NOW_MS, STALENESS_MS);
    expect(one.metrics).toBe(one.scraped);
  });

  test('an unlimited age trusts every value', () => {
    const one = endpoint({ updatedAtMs: never });
    refreshLoadViews([one], NOW_MS, Number.POSITIVE_INFINITY);
    expect(one.isFresh).toBe(true);
  });

  test('no stale endpoint looks less loaded than any fresh one', () => {
    const anyOne = fc
      .record({
        waitingQueueSize: fc.nat(100),
        runningRequestsSize: fc.nat(100),
        kvCacheUsage: fc.double({ min: 0, max: 1, noNaN: true }),
        inFlightRequests: fc.nat(50),
        updatedAtMs: fc.constantFrom(never, NOW_MS - 10_000, NOW_MS - 5, NOW_MS),
      })
      .map((options) => endpoint(options));
    fc.assert(
      fc.property(fc.array(anyOne), (pool) => {
        refreshLoadViews(pool, NOW_MS, STALENESS_MS);
        for (const stale of pool.filter((one) => !one.isFresh)) {
          expect(stale.metrics.waitingQueueSize).toBeGreaterThanOrEqual(stale.inFlightRequests);
          for (const fresh of pool.filter((one) => one.isFresh)) {
            expect(stale.metrics.waitingQueueSize).toBeGreaterThanOrEqual(fresh.metrics.waitingQueueSize);
            expect(stale.metrics.runningRequestsSize).toBeGreaterThanOrEqual(
              fresh.metrics.runningRequestsSize,
            );
            expect(stale.metrics.kvCacheUsage).toBeGreaterThanOrEqual(fresh.metrics.kvCacheUsage);
          }
        }
      }),
    );
  });
});
