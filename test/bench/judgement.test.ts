import fc from 'fast-check';
import { expect, test } from 'vitest';
import { judge, noiseOf } from '../../bench/judgement.ts';
import { type Spread, spreadOf } from '../../bench/spread.ts';

const rounds = fc.array(fc.double({ min: 0.01, max: 10, noNaN: true }), { minLength: 3, maxLength: 9 });
const spread = rounds.map(spreadOf);

function times({ min, median, max, rounds: count }: Spread, factor: number): Spread {
  return { min: min * factor, median: median * factor, max: max * factor, rounds: count };
}

test.each([
  { name: 'none', values: [], want: { min: Number.NaN, median: Number.NaN, max: Number.NaN, rounds: 0 } },
  { name: 'one', values: [2], want: { min: 2, median: 2, max: 2, rounds: 1 } },
  { name: 'odd', values: [3, 1, 2], want: { min: 1, median: 2, max: 3, rounds: 3 } },
  { name: 'even', values: [4, 1, 2, 3], want: { min: 1, median: 2.5, max: 4, rounds: 4 } },
])('spread of $name', ({ values, want }) => {
  expect(spreadOf(values)).toEqual(want);
});

test.each([
  { name: 'no baseline', baseline: undefined, measured: [0.3, 0.3, 0.3], want: 'new' },
  { name: 'the same', baseline: [0.3, 0.31, 0.32], measured: [0.3, 0.31, 0.32], want: 'same' },
  { name: 'less than 5 %', baseline: [0.3, 0.3, 0.3], measured: [0.314, 0.314, 0.314], want: 'same' },
  { name: 'more than 5 %', baseline: [0.3, 0.3, 0.3], measured: [0.32, 0.32, 0.32], want: 'slower' },
  { name: 'one quiet round', baseline: [0.3, 0.31, 0.32], measured: [0.31, 0.4, 0.41], want: 'same' },
  { name: 'a noisy baseline', baseline: [0.2, 0.3, 0.4], measured: [0.41, 0.42, 0.43], want: 'same' },
  { name: 'a noisy run', baseline: [0.3, 0.3, 0.3], measured: [0.31, 0.35, 0.5], want: 'same' },
  { name: 'beyond both', baseline: [0.3, 0.31, 0.32], measured: [0.4, 0.41, 0.42], want: 'slower' },
  { name: 'below both', baseline: [0.4, 0.41, 0.42], measured: [0.3, 0.31, 0.32], want: 'faster' },
])('judge: $name', ({ baseline, measured, want }) => {
  expect(judge(baseline && spreadOf(baseline), spreadOf(measured))).toBe(want);
});

test('spreads that overlap are never told apart', () => {
  fc.assert(
    fc.property(spread, spread, (baseline, measured) => {
      const overlap = measured.min <= baseline.max && baseline.min <= measured.max;
      if (overlap) expect(judge(baseline, measured)).toBe('same');
    }),
  );
});

test('a difference is beyond the noise, and seen from the other side it is the opposite unless the floor hides it', () => {
  const opposite = { slower: 'faster', faster: 'slower', same: 'same', new: 'new' } as const;
  fc.assert(
    fc.property(spread, spread, (a, b) => {
      const verdict = judge(a, b);
      if (verdict === 'same') return;
      expect(Math.abs(b.median - a.median)).toBeGreaterThan(noiseOf(a, b));
      expect([opposite[verdict], 'same']).toContain(judge(b, a));
    }),
  );
});

test('the verdict does not depend on the unit', () => {
  fc.assert(
    fc.property(spread, spread, fc.integer({ min: -4, max: 4 }), (baseline, measured, exponent) => {
      const factor = 2 ** exponent; // exact in binary
      expect(judge(times(baseline, factor), times(measured, factor))).toBe(judge(baseline, measured));
    }),
  );
});

test('what is twice as slow as a baseline of little noise is slower, what is twice as fast is faster', () => {
  const quiet = fc
    .double({ min: 0.05, max: 5, noNaN: true })
    .map((at) => spreadOf([at, at * 1.02, at * 1.04]));
  fc.assert(
    fc.property(quiet, (baseline) => {
      expect(judge(baseline, times(baseline, 2))).toBe('slower');
      expect(judge(times(baseline, 2), baseline)).toBe('faster');
    }),
  );
});
