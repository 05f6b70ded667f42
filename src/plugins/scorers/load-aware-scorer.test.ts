import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import { loadAwareScorer } from './load-aware-scorer.ts';

function scores(waiting: readonly number[], threshold?: number): number[] {
  const out = new Float64Array(waiting.length);
  const candidates = waiting.map((waitingQueueSize) => endpoint({ waitingQueueSize }));
  const params = loadAwareScorer.params.parse(threshold === undefined ? {} : { threshold });
  loadAwareScorer.create(params, context()).score(request(), candidates, out);
  return [...out];
}

test.each([
  { name: 'empty queue is 0.5', waiting: [0], threshold: undefined, want: [0.5] },
  { name: 'default threshold 128', waiting: [64, 128, 500], threshold: undefined, want: [0.25, 0, 0] },
  { name: 'own threshold', waiting: [2, 10], threshold: 10, want: [0.4, 0] },
  { name: 'threshold 0 means 128', waiting: [64], threshold: 0, want: [0.25] },
  { name: 'negative threshold means 128', waiting: [64], threshold: -5, want: [0.25] },
])('load-aware-scorer: $name', ({ waiting, threshold, want }) => {
  expect(scores(waiting, threshold)).toEqual(want);
});

test('load-aware-scorer: a replaced threshold is logged once, a good one is not', () => {
  const ctx = context();
  loadAwareScorer.create({ threshold: 0 }, ctx);
  expect(ctx.log.lines).toMatchObject([{ level: 'warn', fields: { got: 0, used: 128 } }]);
  const quiet = context();
  loadAwareScorer.create({ threshold: 1 }, quiet);
  expect(quiet.log.lines).toEqual([]);
});

test('load-aware-scorer: stays in the lower half', () => {
  fc.assert(
    fc.property(fc.array(fc.nat()), fc.integer({ min: 1 }), (waiting, threshold) => {
      expect(scores(waiting, threshold).every((score) => score >= 0 && score <= 0.5)).toBe(true);
    }),
  );
});
