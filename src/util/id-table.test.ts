import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IdTable } from './id-table.ts';

test('holds what was set, and nothing else', () => {
  const table = new IdTable<string>();
  expect(table.get(1)).toBeUndefined();
  table.set(1, 'a');
  table.set(3, 'b');
  table.set(1, 'c');
  expect([table.size, table.get(1), table.get(3), table.get(2)]).toEqual([2, 'c', 'b', undefined]);
  expect(table.delete(1)).toBe('c');
  expect(table.delete(1)).toBeUndefined();
  expect([table.size, table.get(1), table.values()]).toEqual([1, undefined, ['b']]);
});

test('agrees with a Map, whatever comes and goes', () => {
  const action = fc.record({ id: fc.nat(40), step: fc.constantFrom(1, 2, 1000), isRemoval: fc.boolean() });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 400 }), (actions) => {
      const table = new IdTable<number>();
      const map = new Map<number, number>();
      actions.forEach(({ id, step, isRemoval }, i) => {
        const key = id * step;
        if (isRemoval) {
          expect(table.delete(key)).toBe(map.get(key));
          map.delete(key);
        } else {
          table.set(key, i);
          map.set(key, i);
        }
        expect(table.get(key)).toBe(map.get(key));
      });
      expect(table.size).toBe(map.size);
      expect(table.values().sort()).toEqual([...map.values()].sort());
      for (const [key, value] of map) expect(table.get(key)).toBe(value);
    }),
  );
});

test('grows with what is there and shrinks again', () => {
  const table = new IdTable<number>();
  for (let id = 1; id <= 20_000; id += 2) table.set(id, id);
  expect(table.size).toBe(10_000);
  for (let id = 1; id <= 20_000; id += 2) expect(table.get(id)).toBe(id);
  for (let id = 1; id < 19_000; id += 2) table.delete(id);
  expect(table.values().sort((a, b) => a - b)).toEqual(Array.from({ length: 500 }, (_, i) => 19_001 + 2 * i));
});

test('numbers that count up for ever come round', () => {
  const table = new IdTable<string>();
  const first = 2 ** 31 + 5;
  table.set(first, 'a');
  expect(table.get(first)).toBe('a');
  expect(table.delete(first)).toBe('a');
  expect(table.size).toBe(0);
});
