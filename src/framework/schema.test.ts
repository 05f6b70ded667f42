import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { duration, parseDuration, parseQuantity, quantity } from './schema.ts';

test.each([
  ['300ms', 300],
  ['1m30s', 90_000],
  ['0', 0],
  ['0s', 0],
  ['1.5h', 5_400_000],
  ['-2s', -2000],
  ['100us', 0.1],
  ['100µs', 0.1],
  ['.5s', 500],
  ['', undefined],
  ['5', undefined],
  ['5 s', undefined],
  ['s', undefined],
  ['1s2', undefined],
])('duration %j is %j ms', (text, want) => {
  if (want === undefined) expect(parseDuration(text)).toBeUndefined();
  else expect(parseDuration(text)).toBeCloseTo(want, 9);
});

test.each([
  ['1024', 1024],
  ['1k', 1000],
  ['500M', 500_000_000],
  ['1Gi', 2 ** 30],
  ['1e3', 1000],
  ['100m', 1],
  ['1.5Ki', 1536],
  ['1E', 1e18],
  ['x', undefined],
  ['1 k', undefined],
  ['', undefined],
])('quantity %j is %j', (text, want) => {
  expect(parseQuantity(text)).toBe(want);
});

test('schemas deliver milliseconds and integers, and say what they wanted', () => {
  const schema = z.strictObject({ wait: duration().default(50), size: quantity().optional() });
  expect(schema.parse({})).toEqual({ wait: 50 });
  expect(schema.parse({ wait: '2s', size: '1Ki' })).toEqual({ wait: 2000, size: 1024 });
  expect(schema.parse({ size: 12 })).toEqual({ wait: 50, size: 12 });
  expect(schema.safeParse({ wait: 'soon' }).error?.issues[0]?.message).toContain('want a duration');
  expect(schema.safeParse({ size: 'big' }).error?.issues[0]?.message).toContain('want a quantity');
});

test('any text is a duration or undefined, never an exception', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const ms = parseDuration(text);
      expect(ms === undefined || Number.isFinite(ms)).toBe(true);
    }),
  );
});
