import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import { inFlightLoadKey } from '../attributes/in-flight-load.ts';
import { activeRequestScorer } from './active-request-scorer.ts';

function scores(raw: object, counts: readonly (number | undefined)[], ctx = context()): number[] {
  const params = activeRequestScorer.params.parse(raw);
  const candidates = counts.map((requests) => {
    const one = endpoint();
    if (requests !== undefined) {
      one.attributes.set(inFlightLoadKey(params.inFlightLoadProducerName), { requests, tokens: 0 });
    }
    return one;
  });
  const out = new Float64Array(counts.length);
  activeRequestScorer.create(params, ctx).score(request(), candidates, out);
  return [...out];
}

test.each([
  { name: 'no candidate', raw: {}, counts: [], want: [] },
  { name: 'idle 1, busiest 0, linear between', raw: {}, counts: [0, 4, 1], want: [1, 0, 0.75] },
  { name: 'no counts mean idle', raw: {}, counts: [4, undefined], want: [0, 1] },
  { name: 'up to the threshold is idle', raw: { idleThreshold: 2 }, counts: [2, 3, 4], want: [1, 0.25, 0] },
  { name: 'a negative threshold is 0', raw: { idleThreshold: -3 }, counts: [0, 1], want: [1, 0] },
  { name: 'busy scores are capped', raw: { maxBusyScore: 0.5 }, counts: [1, 2], want: [0.25, 0] },
  { name: 'a cap of 0 is binary', raw: { maxBusyScore: 0 }, counts: [0, 1, 2], want: [1, 0, 0] },
  { name: 'a cap above 1 is 1', raw: { maxBusyScore: 7 }, counts: [1, 2], want: [0.5, 0] },
  { name: 'other producer', raw: { inFlightLoadProducerName: 'mine' }, counts: [0, 1], want: [1, 0] },
])('active-request-scorer: $name', ({ raw, counts, want }) => {
  expect(scores(raw, counts)).toEqual(want);
});

test('active-request-scorer: what is ignored is said once', () => {
  const ctx = context();
  scores({ requestTimeout: 'x', maxBusyScore: -1 }, [1], ctx);
  expect(ctx.log.lines.map((line) => line.level)).toEqual(['warn', 'warn']);
});

test('active-request-scorer: fewer requests never score lower', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1000), { minLength: 2 }), fc.nat(10), (counts, idleThreshold) => {
      const got = scores({ idleThreshold, maxBusyScore: 0.7 }, counts);
      for (let i = 1; i < counts.length; i += 1) {
        const a = { count: counts[i - 1] ?? 0, score: got[i - 1] ?? 0 };
        const b = { count: counts[i] ?? 0, score: got[i] ?? 0 };
        if (a.count <= b.count) expect(a.score).toBeGreaterThanOrEqual(b.score);
        else expect(a.score).toBeLessThanOrEqual(b.score);
      }
    }),
  );
});
