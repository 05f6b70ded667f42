import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint } from '../../../test/support/builders.ts';
import { randomPicker } from './random-picker.ts';

test.each([
  { size: 0, k: 1, want: 0 },
  { size: 3, k: 1, want: 1 },
  { size: 3, k: 2, want: 2 },
  { size: 3, k: 9, want: 3 },
  { size: 3, k: -3, want: 1 },
])('random-picker: $k of $size are $want, each once', ({ size, k, want }) => {
  const candidates = Array.from({ length: size }, () => endpoint());
  const picked = randomPicker.create({ maxNumOfEndpoints: k }, context()).pick(candidates);
  expect(new Set(picked).size).toBe(want);
});

test('random-picker: every candidate is as likely as the others', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 5 }), (size) => {
      const candidates = Array.from({ length: size }, (_, slot) => endpoint({ slot }));
      const picker = randomPicker.create({ maxNumOfEndpoints: 1 }, context());
      const counts = new Array<number>(size).fill(0);
      for (let i = 0; i < 4000; i += 1) {
        for (const one of picker.pick(candidates)) counts[one.slot] = (counts[one.slot] ?? 0) + 1;
      }
      expect(counts.every((count) => Math.abs(count - 4000 / size) < 250)).toBe(true);
    }),
    { numRuns: 10 },
  );
});
