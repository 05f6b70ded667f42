import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint } from '../../../test/support/builders.ts';
import { maxScorePicker } from './max-score-picker.ts';

function pick(totals: readonly number[], maxNumOfEndpoints: number): number[] {
  const candidates = totals.map(() => endpoint());
  const picker = maxScorePicker.create({ maxNumOfEndpoints }, context());
  return picker.pick(candidates, Float64Array.from(totals)).map((one) => candidates.indexOf(one));
}

test.each([
  { name: 'the best', totals: [10, 25, 15], k: 1, want: [1] },
  { name: 'best first', totals: [20, 25, 30], k: 2, want: [2, 1] },
  { name: 'no more than there are', totals: [20, 25], k: 9, want: [1, 0] },
  { name: '0 means 1', totals: [1, 2], k: 0, want: [1] },
  { name: 'negative totals', totals: [-3, -1, -2], k: 3, want: [1, 2, 0] },
  { name: 'no candidate', totals: [], k: 1, want: [] },
])('max-score-picker: $name', ({ totals, k, want }) => {
  expect(pick(totals, k)).toEqual(want);
});

test('max-score-picker: candidates past the length of the list are not looked at', () => {
  const candidates = [endpoint(), endpoint()];
  const picker = maxScorePicker.create({ maxNumOfEndpoints: 5 }, context());
  expect(picker.pick(candidates, Float64Array.of(1, 2, 99))).toEqual([candidates[1], candidates[0]]);
});

test('max-score-picker: ties are uniformly random', () => {
  const candidates = [endpoint(), endpoint(), endpoint()];
  const picker = maxScorePicker.create({ maxNumOfEndpoints: 1 }, context());
  const counts = new Map(candidates.slice(1).map((one) => [one, 0]));
  for (let i = 0; i < 10_000; i += 1) {
    for (const one of picker.pick(candidates, Float64Array.of(0.1, 0.3, 0.1 + 0.2))) {
      counts.set(one, (counts.get(one) ?? 0) + 1);
    }
  }
  expect([...counts.values()].every((count) => Math.abs(count - 5000) < 300)).toBe(true);
});

test('max-score-picker: no candidate left out beats one that was picked', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ noNaN: true, noDefaultInfinity: true })), fc.nat(5), (totals, k) => {
      const picked = pick(totals, k);
      const worst = Math.min(...picked.map((i) => totals[i] ?? 0));
      for (let i = 0; i < totals.length; i += 1) {
        if (!picked.includes(i)) expect(totals[i]).toBeLessThanOrEqual(worst + 1e-9);
      }
    }),
  );
});
