import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anyEndpoint, context, endpoint, request } from '../../../test/support/builders.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { inFlightLoadKey } from '../attributes/in-flight-load.ts';
import { utilizationFilter } from './utilization-filter.ts';

function create(raw: object) {
  return utilizationFilter.create(utilizationFilter.params.parse(raw), context());
}

function active(requests: number | undefined, producer = ''): Endpoint {
  const one = endpoint();
  if (requests !== undefined) one.attributes.set(inFlightLoadKey(producer), { requests, tokens: 0 });
  return one;
}

const running = (runningRequestsSize: number, waitingQueueSize = 0) =>
  endpoint({ runningRequestsSize, waitingQueueSize });
const cap = (metric: string, maxValue: number) => ({ conditions: [{ metric, maxValue }] });

test.each([
  { id: 'F1', raw: cap('active-requests', 2), pool: [active(1), active(2), active(3)], keep: [0, 1] },
  { id: 'F2', raw: cap('active-requests', 1), pool: [active(undefined), active(5)], keep: [0] },
  { id: 'F3', raw: cap('running-requests', 4), pool: [running(4), running(5)], keep: [0] },
  { id: 'F4', raw: cap('waiting-queue', 0), pool: [running(0, 0), running(0, 3)], keep: [0] },
  {
    id: 'F5',
    raw: cap('kv-cache-utilization', 0.8),
    pool: [endpoint({ kvCacheUsage: 0.5 }), endpoint({ kvCacheUsage: 0.9 })],
    keep: [0],
  },
  {
    id: 'F6',
    raw: {
      conditions: [
        { metric: 'running-requests', maxValue: 40 },
        { metric: 'waiting-queue', maxValue: 0 },
      ],
    },
    pool: [running(10), running(41), running(10, 1)],
    keep: [0],
  },
  { id: 'F7', raw: cap('active-requests', 1), pool: [active(2), active(3)], keep: [] },
  {
    id: 'F7 with fallback',
    raw: { ...cap('active-requests', 1), fallbackOnEmpty: true },
    pool: [active(2), active(3)],
    keep: [0, 1],
  },
  {
    id: 'fallback, one stays',
    raw: { ...cap('active-requests', 1), fallbackOnEmpty: true },
    pool: [active(2), active(1)],
    keep: [1],
  },
  {
    id: 'other producer',
    raw: { ...cap('active-requests', 1), inFlightLoadProducerName: 'mine' },
    pool: [active(9), active(9, 'mine')],
    keep: [0],
  },
])('utilization-filter: $id', ({ raw, pool, keep }) => {
  const kept = create(raw).filter(request(), pool);
  expect(kept.map((one) => pool.indexOf(one))).toEqual(keep);
  if (keep.length === pool.length) expect(kept).toBe(pool);
});

test.each([
  { id: 'F8a no conditions', raw: {} },
  { id: 'F8a empty conditions', raw: { conditions: [] } },
  { id: 'F8b no metric', raw: { conditions: [{ maxValue: 1 }] } },
  { id: 'F8c unknown metric', raw: cap('gpu', 1) },
  { id: 'F8d no maxValue', raw: { conditions: [{ metric: 'waiting-queue' }] } },
  { id: 'F8e negative', raw: cap('waiting-queue', -1) },
  { id: 'F8f a percentage', raw: cap('kv-cache-utilization', 80) },
])('utilization-filter refuses $id', ({ raw }) => {
  expect(utilizationFilter.params.safeParse(raw).success).toBe(false);
});

test('utilization-filter: it needs in-flight counts only where it reads them', () => {
  const dependencies = (raw: object) => {
    const found = utilizationFilter.dependencies?.(utilizationFilter.params.parse(raw), 'f');
    return {
      requires: found?.requires?.map((key) => key.name),
      optional: found?.optional?.map((key) => key.name),
    };
  };
  expect(dependencies({ ...cap('active-requests', 1), inFlightLoadProducerName: 'mine' })).toEqual({
    requires: ['InFlightLoadDataKey/mine'],
    optional: [],
  });
  expect(dependencies(cap('waiting-queue', 1))).toEqual({
    requires: [],
    optional: ['WaitingQueueSize/core-metrics-extractor'],
  });
});

test('utilization-filter: a higher cap never drops more', () => {
  fc.assert(
    fc.property(fc.array(anyEndpoint), fc.nat(100_000), fc.nat(100_000), (candidates, a, b) => {
      const kept = (maxValue: number) => create(cap('waiting-queue', maxValue)).filter(request(), candidates);
      const strict = kept(Math.min(a, b));
      const loose = kept(Math.max(a, b));
      expect(strict.every((one) => loose.includes(one))).toBe(true);
    }),
  );
});
