import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { inFlightLoadKey } from '../attributes/in-flight-load.ts';
import { concurrencyDetector } from './concurrency-detector.ts';

function create(raw: object) {
  return concurrencyDetector.create(concurrencyDetector.params.parse(raw), context());
}

function loaded(requests: number, tokens: number): Endpoint {
  const one = endpoint();
  one.attributes.set(inFlightLoadKey(''), { requests, tokens });
  return one;
}

test.each([
  { mode: 'requests', want: 0.75 },
  { mode: 'tokens', want: 0.5 },
  { mode: 'hybrid', want: 1 },
])('concurrency-detector: $mode', ({ mode, want }) => {
  const detector = create({ concurrencyMode: mode, maxConcurrency: 10, maxTokenConcurrency: 1000 });
  expect(detector.saturation([loaded(10, 0), loaded(5, 1000)])).toBe(want);
});

test('concurrency-detector: full is exactly 1 at any limit', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000 }), (maxConcurrency) => {
      expect(create({ maxConcurrency }).saturation([loaded(maxConcurrency, 0)])).toBe(1);
    }),
  );
});

test.each([
  { name: 'below the limit', raw: { maxConcurrency: 5 }, requests: 4, tokens: 0, stays: true },
  { name: 'at the limit', raw: { maxConcurrency: 5 }, requests: 5, tokens: 0, stays: false },
  {
    name: 'headroom, rounded down',
    raw: { maxConcurrency: 5, headroom: 0.3 },
    requests: 5,
    tokens: 0,
    stays: true,
  },
  { name: 'above it', raw: { maxConcurrency: 5, headroom: 0.3 }, requests: 6, tokens: 0, stays: false },
  {
    name: 'tokens alone do not count requests',
    raw: { concurrencyMode: 'tokens', maxConcurrency: 1, maxTokenConcurrency: 10 },
    requests: 50,
    tokens: 9,
    stays: true,
  },
  {
    name: 'hybrid needs room in both',
    raw: { concurrencyMode: 'hybrid', maxConcurrency: 5, maxTokenConcurrency: 10 },
    requests: 1,
    tokens: 10,
    stays: false,
  },
])('concurrency-detector as filter: $name stays: $stays', ({ raw, requests, tokens, stays }) => {
  const one = loaded(requests, tokens);
  const unknown = endpoint();
  expect(create(raw).filter(request(), [one, unknown])).toEqual(stays ? [one, unknown] : [unknown]);
});

test('concurrency-detector as filter may leave nobody', () => {
  expect(create({ maxConcurrency: 1 }).filter(request(), [loaded(1, 0)])).toEqual([]);
});
