import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anyEndpoint, context, endpoint, request } from '../../../test/support/builders.ts';
import { utilizationDetector } from './utilization-detector.ts';

const NOW_MS = 1_000_000;

function create(raw: object = {}, ctx = context()) {
  return utilizationDetector.create(utilizationDetector.params.parse(raw), ctx);
}

test.each([
  { name: 'the fuller of queue and cache', waiting: 5, kv: 0.1, want: 1 },
  { name: 'cache', waiting: 1, kv: 0.6, want: 0.75 },
  { name: 'above 1 is not cut', waiting: 10, kv: 0, want: 2 },
])('utilization-detector: $name', ({ waiting, kv, want }) => {
  const one = endpoint({ waitingQueueSize: waiting, kvCacheUsage: kv });
  expect(create().saturation([one], NOW_MS)).toBeCloseTo(want, 9);
});

test('utilization-detector: a stale endpoint counts as full, a very full one too once it is stale', () => {
  const stale = endpoint({ waitingQueueSize: 100, updatedAtMs: NOW_MS - 201 });
  const silent = endpoint({ updatedAtMs: Number.NEGATIVE_INFINITY });
  expect(create().saturation([stale, silent, endpoint()], NOW_MS)).toBeCloseTo(2 / 3, 9);
});

test('utilization-detector: an idle pool that is scraped once a second is not stale between two scrapes', () => {
  const idle = endpoint({ updatedAtMs: NOW_MS - 1200 });
  idle.scrapeIntervalMs = 1000;
  expect(create().saturation([idle], NOW_MS)).toBe(0);
  expect(create().saturation([idle], NOW_MS + 801)).toBe(1);
});

test('utilization-detector: judges what was scraped, not an estimate', () => {
  const one = endpoint({ waitingQueueSize: 5, updatedAtMs: NOW_MS });
  one.metrics = endpoint().scraped;
  expect(create().saturation([one], NOW_MS)).toBe(1);
});

test('utilization-detector: the gauge shows the last count, the log says so twice a minute', () => {
  const ctx = context('mine');
  const detector = create({}, ctx);
  const gauge = () => ctx.instruments.gauges.get('flow_control_stale_endpoints{detector="mine"}')?.();
  const stale = endpoint({ updatedAtMs: NOW_MS - 5000 });
  for (let i = 0; i < 3; i += 1) detector.saturation([stale, endpoint()], NOW_MS + i);
  expect(gauge()).toBe(1);
  expect(ctx.log.lines).toMatchObject([{ level: 'warn', fields: { stale: 1, total: 2 } }]);
  detector.saturation([stale], NOW_MS + 30_000);
  expect(ctx.log.lines).toHaveLength(2);
  detector.saturation([], NOW_MS);
  expect(gauge()).toBe(0);
});

test.each([
  { name: 'below both limits', raw: {}, waiting: 4, kv: 0.79, stays: true },
  { name: 'queue at the limit', raw: {}, waiting: 5, kv: 0, stays: false },
  { name: 'cache at the limit', raw: {}, waiting: 0, kv: 0.8, stays: false },
  { name: 'headroom raises both', raw: { headroom: 0.2 }, waiting: 5, kv: 0.9, stays: true },
])('utilization-detector as filter: $name stays: $stays', ({ raw, waiting, kv, stays }) => {
  const one = endpoint({ waitingQueueSize: waiting, kvCacheUsage: kv });
  const idle = endpoint();
  expect(create(raw).filter(request(), [one, idle])).toEqual(stays ? [one, idle] : [idle]);
});

test('utilization-detector as filter: a headroom above 1 is warned of', () => {
  const ctx = context();
  create({ headroom: 1.5 }, ctx);
  expect(ctx.log.lines).toMatchObject([{ level: 'warn' }]);
});

test('utilization-detector: one waiting request more never lowers saturation; the filter never empties', () => {
  fc.assert(
    fc.property(fc.array(anyEndpoint, { minLength: 1 }), fc.nat(), (endpoints, at) => {
      const detector = create();
      const before = detector.saturation(endpoints, NOW_MS);
      const scraped = endpoints[at % endpoints.length]?.scraped;
      if (scraped !== undefined) scraped.waitingQueueSize += 1;
      expect(detector.saturation(endpoints, NOW_MS)).toBeGreaterThanOrEqual(before);
      expect(detector.filter(request(), endpoints).length).toBeGreaterThan(0);
    }),
  );
});
