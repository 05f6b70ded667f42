import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import { kvCacheUtilizationScorer } from './kv-cache-utilization-scorer.ts';

function scores(usage: readonly number[]): number[] {
  const out = new Float64Array(usage.length);
  const candidates = usage.map((kvCacheUsage) => endpoint({ kvCacheUsage }));
  kvCacheUtilizationScorer.create({}, context()).score(request(), candidates, out);
  return [...out];
}

test.each([
  { name: 'no candidate', usage: [], want: [] },
  { name: 'the free share, whatever the others have', usage: [0, 0.25, 1], want: [1, 0.75, 0] },
  { name: 'over-full is 0', usage: [1.2], want: [0] },
])('kv-cache-utilization-scorer: $name', ({ usage, want }) => {
  expect(scores(usage)).toEqual(want);
});

test('kv-cache-utilization-scorer: an endpoint scores the same in any company', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1 }), (usage) => {
      expect(scores(usage)).toEqual(usage.map((one) => scores([one])[0]));
    }),
  );
});
