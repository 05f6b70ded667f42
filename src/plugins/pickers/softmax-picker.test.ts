import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint } from '../../../test/support/builders.ts';
import { softmaxPicker } from './softmax-picker.ts';

function picker(temperature: number, maxNumOfEndpoints = 1) {
  return softmaxPicker.create({ temperature, maxNumOfEndpoints }, context());
}

function shares(totals: readonly number[], temperature: number, draws = 20_000): number[] {
  const candidates = totals.map((_total, slot) => endpoint({ slot }));
  const subject = picker(temperature);
  const counts = totals.map(() => 0);
  for (let i = 0; i < draws; i += 1) {
    for (const one of subject.pick(candidates, Float64Array.from(totals))) {
      counts[one.slot] = (counts[one.slot] ?? 0) + 1;
    }
  }
  return counts.map((count) => count / draws);
}

test.each([
  { name: 'ln 3 apart at temperature 1 is 3 to 1', totals: [Math.log(3), 0], t: 1, want: [0.75, 0.25] },
  { name: 'ten times the temperature', totals: [Math.log(3), 0], t: 10, want: [0.527, 0.473] },
  { name: 'only differences count', totals: [1000, 1000 + Math.log(3)], t: 1, want: [0.25, 0.75] },
  { name: 'negative totals', totals: [-1, -1, -1], t: 0.5, want: [1 / 3, 1 / 3, 1 / 3] },
  { name: 'temperature 0 takes the best', totals: [0.9, 1, 0.2], t: 0, want: [0, 1, 0] },
  { name: 'temperature 0, equal totals', totals: [1, 1, 0], t: 0, want: [0.5, 0.5, 0] },
  { name: 'a temperature near 0', totals: [0.9, 1], t: 1e-300, want: [0, 1] },
  { name: 'a temperature near 0, equal totals', totals: [1, 1], t: 1e-300, want: [0.5, 0.5] },
])('softmax-picker: $name', ({ totals, t, want }) => {
  shares(totals, t).forEach((share, i) => {
    expect(Math.abs(share - (want[i] ?? 0))).toBeLessThan(0.02);
  });
});

test('softmax-picker: the second pick follows the softmax of those that are left', () => {
  const candidates = [0, 1, 2].map((slot) => endpoint({ slot }));
  const totals = Float64Array.of(Math.log(6), Math.log(3), 0);
  const subject = picker(1, 2);
  const seconds = [0, 0, 0];
  const draws = 20_000;
  let firsts = 0;
  for (let i = 0; i < draws; i += 1) {
    const [first, second] = subject.pick(candidates, totals);
    if (first?.slot !== 0) continue;
    firsts += 1;
    seconds[second?.slot ?? 0] = (seconds[second?.slot ?? 0] ?? 0) + 1;
  }
  expect(firsts / draws).toBeCloseTo(0.6, 1);
  expect((seconds[1] ?? 0) / firsts).toBeCloseTo(0.75, 1);
});

test('softmax-picker: a draw of exactly 0 is taken', () => {
  const candidates = [endpoint(), endpoint()];
  const subject = softmaxPicker.create(
    { temperature: 0.1, maxNumOfEndpoints: 2 },
    { ...context(), rng: { next: () => 0 } },
  );
  expect(subject.pick(candidates, Float64Array.of(1, 2))).toEqual([candidates[1], candidates[0]]);
});

test.each([[{ temperature: -0.1 }], [{ temperature: '1' }], [{ temprature: 1 }]])(
  'softmax-picker: %j is refused',
  (parameters) => {
    expect(softmaxPicker.params.safeParse(parameters).success).toBe(false);
  },
);

test('softmax-picker: each candidate once, as many as asked for, at any temperature', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true })),
      fc.double({ min: 0, max: 1e6, noNaN: true }),
      fc.integer({ min: 1, max: 20 }),
      (totals, temperature, k) => {
        const candidates = totals.map((_total, slot) => endpoint({ slot }));
        const picked = picker(temperature, k).pick(candidates, Float64Array.from(totals));
        expect(new Set(picked).size).toBe(Math.min(k, totals.length));
      },
    ),
  );
});
