import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint } from '../../../test/support/builders.ts';
import { weightedRandomPicker } from './weighted-random-picker.ts';

function shares(totals: readonly number[], draws = 20_000): number[] {
  const candidates = totals.map((_total, slot) => endpoint({ slot }));
  const picker = weightedRandomPicker.create({ maxNumOfEndpoints: 1 }, context());
  const counts = totals.map(() => 0);
  for (let i = 0; i < draws; i += 1) {
    for (const one of picker.pick(candidates, Float64Array.from(totals))) {
      counts[one.slot] = (counts[one.slot] ?? 0) + 1;
    }
  }
  return counts.map((count) => count / draws);
}

test.each([
  { name: 'in proportion', totals: [10, 90], want: [0.1, 0.9] },
  { name: 'totals far below 1', totals: [1e-4, 3e-4], want: [0.25, 0.75] },
  { name: 'zero never beats a positive one', totals: [30, 0, -5], want: [1, 0, 0] },
  { name: 'uniform when none is positive', totals: [0, -1], want: [0.5, 0.5] },
])('weighted-random-picker: $name', ({ totals, want }) => {
  shares(totals).forEach((share, i) => {
    expect(Math.abs(share - (want[i] ?? 0))).toBeLessThan(0.02);
  });
});

test('weighted-random-picker: a draw of exactly 0 is taken', () => {
  const candidates = [endpoint(), endpoint()];
  const picker = weightedRandomPicker.create(
    { maxNumOfEndpoints: 2 },
    { ...context(), rng: { next: () => 0 } },
  );
  expect(picker.pick(candidates, Float64Array.of(1, 2))).toEqual([candidates[1], candidates[0]]);
});

test('weighted-random-picker: positive totals come before the others, each candidate once', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -3, max: 3 })), fc.integer({ min: 1, max: 20 }), (totals, k) => {
      const candidates = totals.map((_total, slot) => endpoint({ slot }));
      const picker = weightedRandomPicker.create({ maxNumOfEndpoints: k }, context());
      const picked = picker.pick(candidates, Float64Array.from(totals)).map((one) => totals[one.slot] ?? 0);
      const positive = totals.filter((total) => total > 0).length;
      expect(picked).toHaveLength(Math.min(k, totals.length));
      expect(picked.slice(0, positive).every((total) => total > 0)).toBe(true);
    }),
  );
});
