import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IndexSelector } from './index-selector.ts';
import { SeededRng } from './rng.ts';

const values = fc.array(fc.integer({ min: -5, max: 5 }), { maxLength: 200 });

test('greatest: the k greatest values in falling order, each index once', () => {
  const selector = new IndexSelector(new SeededRng(1));
  fc.assert(
    fc.property(values, fc.integer({ min: 1, max: 210 }), (list, k) => {
      const picked = [...selector.greatest(Float64Array.from(list), list.length, k, 0)];
      const want = list.toSorted((a, b) => b - a).slice(0, k);
      expect(picked.map((i) => list[i])).toEqual(want);
      expect(new Set(picked).size).toBe(picked.length);
    }),
  );
});

test('greatest: values past n are not looked at, -Infinity comes last', () => {
  const selector = new IndexSelector(new SeededRng(1));
  const list = Float64Array.from([Number.NEGATIVE_INFINITY, 2, 9]);
  expect([...selector.greatest(list, 2, 2, 0)]).toEqual([1, 0]);
});

test('greatest: within the tolerance every order is as likely', () => {
  const selector = new IndexSelector(new SeededRng(7));
  const list = Float64Array.from([1, 1 + 1e-12, 1 - 1e-12, 0]);
  const firsts = [0, 0, 0, 0];
  for (let i = 0; i < 9000; i += 1) {
    const first = selector.greatest(list, 4, 1, 1e-9)[0] ?? -1;
    firsts[first] = (firsts[first] ?? 0) + 1;
  }
  expect(firsts[3]).toBe(0);
  for (const count of firsts.slice(0, 3)) expect(Math.abs(count - 3000)).toBeLessThan(200);
});

test('random: min(k, n) different indices below n, each as likely as the others to be first', () => {
  const selector = new IndexSelector(new SeededRng(3));
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 1, max: 310 }), (n, k) => {
      const picked = [...selector.random(n, k)];
      expect(picked.length).toBe(Math.min(k, n));
      expect(new Set(picked).size).toBe(picked.length);
      expect(picked.every((i) => i >= 0 && i < n)).toBe(true);
    }),
  );
  const firsts = [0, 0, 0];
  for (let i = 0; i < 9000; i += 1) {
    const first = selector.random(3, 2)[0] ?? -1;
    firsts[first] = (firsts[first] ?? 0) + 1;
  }
  for (const count of firsts) expect(Math.abs(count - 3000)).toBeLessThan(200);
});
