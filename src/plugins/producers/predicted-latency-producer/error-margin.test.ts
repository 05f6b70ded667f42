import { expect, test } from 'vitest';
import { SeededRng } from '../../../util/rng.ts';
import { ErrorMargin } from './error-margin.ts';

test.each([
  { quantile: 0.9, spread: 0.5, want: 1.4 },
  { quantile: 0.5, spread: 0.5, want: 1 },
  { quantile: 0.9, spread: 0, want: 1 },
])('margin: $quantile of answers up to $spread off → $want', ({ quantile, spread, want }) => {
  const margin = new ErrorMargin(quantile);
  const rng = new SeededRng(7);
  for (let i = 0; i < 5000; i += 1) margin.observe(100, 100 * (1 + spread * (2 * rng.next() - 1)));
  expect(Math.abs(margin.factor - want)).toBeLessThan(0.08);
});

test.each([
  { name: 'too few answers', quantile: 0.9, predicted: 1, actual: 9, answers: 19 },
  { name: 'switched off', quantile: 0, predicted: 1, actual: 9, answers: 500 },
  { name: 'predictions that are too high', quantile: 0.9, predicted: 9, actual: 1, answers: 500 },
  { name: 'no prediction', quantile: 0.9, predicted: Number.NaN, actual: 9, answers: 500 },
  { name: 'a prediction of nothing', quantile: 0.9, predicted: 0, actual: 9, answers: 500 },
])('no margin: $name', ({ quantile, predicted, actual, answers }) => {
  const margin = new ErrorMargin(quantile);
  for (let i = 0; i < answers; i += 1) margin.observe(predicted, actual);
  expect(margin.factor).toBe(1);
});

test('a margin has an end', () => {
  const margin = new ErrorMargin(0.9);
  for (let i = 0; i < 5000; i += 1) margin.observe(1, 1e9);
  expect(margin.factor).toBe(10);
});
