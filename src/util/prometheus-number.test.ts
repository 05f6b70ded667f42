import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseNumber } from './prometheus-number.ts';

function parse(text: string): number | undefined {
  const page = Buffer.from(`<${text}>`);
  return parseNumber(page, 1, page.length - 1);
}

test.each([
  ['7.0', 7],
  ['-0', -0],
  ['+3', 3],
  ['.5', 0.5],
  ['5.', 5],
  ['0.923076923076923', 0.923076923076923],
  ['0.9230769230769231', 0.9230769230769231],
  ['1.7952526565126731e+09', 1795252656.5126731],
  ['1E3', 1000],
  ['+Inf', Number.POSITIVE_INFINITY],
  ['-inf', Number.NEGATIVE_INFINITY],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['nan', Number.NaN],
  ['', undefined],
  ['-', undefined],
  ['.', undefined],
  ['1.2.3', undefined],
  ['1e', undefined],
  ['0x10', undefined],
  ['1_000', undefined],
  ['1 2', undefined],
  ['infinite', undefined],
  ['9'.repeat(400), Number.POSITIVE_INFINITY],
  ['9'.repeat(401), undefined],
])('%s is %s', (text, want) => {
  expect(parse(text)).toBe(want);
});

test('every double is read as it was printed', () => {
  fc.assert(
    fc.property(fc.double(), (value) => {
      expect(parse(String(value))).toBe(Number(String(value)));
    }),
  );
  fc.assert(
    fc.property(fc.double({ min: -1e6, max: 1e6, noNaN: true }), fc.nat(9), (value, digits) => {
      expect(parse(value.toFixed(digits))).toBe(Number(value.toFixed(digits)));
    }),
  );
});
