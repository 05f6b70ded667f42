import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import { queueScorer } from './queue-scorer.ts';

function scores(values: readonly number[]): number[] {
  const out = new Float64Array(values.length);
  const candidates = values.map((waitingQueueSize) => endpoint({ waitingQueueSize }));
  queueScorer.create({}, context()).score(request(), candidates, out);
  return [...out];
}

test.each([
  { name: 'no candidate', values: [], want: [] },
  { name: 'one candidate', values: [7], want: [1] },
  { name: 'all equal', values: [3, 3], want: [1, 1] },
  { name: 'linear between the extremes', values: [0, 5, 10], want: [1, 0.5, 0] },
])('queue-scorer: $name', ({ values, want }) => {
  expect(scores(values)).toEqual(want);
});

test('queue-scorer: one request more never scores higher', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(10_000), { minLength: 1 }), fc.nat(), (values, at) => {
      const i = at % values.length;
      const longer = values.with(i, (values[i] ?? 0) + 1);
      expect(scores(longer)[i]).toBeLessThanOrEqual(scores(values)[i] ?? Number.NaN);
    }),
  );
});
