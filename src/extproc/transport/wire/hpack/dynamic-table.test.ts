import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DynamicTable } from './dynamic-table.ts';

interface Entry {
  readonly name: string;
  readonly value: string;
}

const sizeOf = (entries: readonly Entry[]) =>
  entries.reduce((sum, { name, value }) => sum + name.length + value.length + 32, 0);

function contents(table: DynamicTable): Entry[] {
  return Array.from({ length: table.entries }, (_, i) => ({
    name: table.name(i + 1),
    value: table.value(i + 1),
  }));
}

test('dynamic-table: the newest entry is the first, the oldest leaves', () => {
  const table = new DynamicTable(100);
  table.insert('a', '1');
  table.insert('b', '2');
  expect(contents(table)).toEqual([
    { name: 'b', value: '2' },
    { name: 'a', value: '1' },
  ]);
  expect(table.bytes).toBe(68);
  table.insert('c', '3');
  expect(contents(table).map(({ name }) => name)).toEqual(['c', 'b']);
});

test('dynamic-table: an entry that does not fit empties it', () => {
  const table = new DynamicTable(100);
  table.insert('a', '1');
  table.insert('b', 'x'.repeat(68));
  expect([table.entries, table.bytes]).toEqual([0, 0]);
  table.insert('c', 'x'.repeat(67));
  expect([table.entries, table.bytes]).toEqual([1, 100]);
});

test.each([0, 1, 31, 32])('dynamic-table: of %i bytes holds no field with a name', (capacityBytes) => {
  const table = new DynamicTable(capacityBytes);
  table.insert('a', '');
  expect([table.entries, table.bytes]).toEqual([0, 0]);
});

test('dynamic-table: holds as many empty fields as its bytes allow, each slot of the ring in use', () => {
  const table = new DynamicTable(1024);
  for (let i = 0; i < 100; i += 1) table.insert('', '');
  expect([table.entries, table.bytes]).toEqual([32, 1024]);
  table.insert('a', '');
  expect([table.entries, table.bytes, table.name(1)]).toEqual([31, 993, 'a']);
});

test('dynamic-table: behaves as a list that is cut at its size', () => {
  const text = fc.string({ unit: 'binary-ascii', maxLength: 40 });
  const steps = fc.array(
    fc.oneof(
      { weight: 8, arbitrary: fc.record({ name: text, value: text }) },
      { weight: 1, arbitrary: fc.nat(600) },
    ),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(steps, (all) => {
      const table = new DynamicTable(600);
      let limit = 600;
      let model: Entry[] = [];
      for (const step of all) {
        if (typeof step === 'number') {
          limit = step;
          table.limit(step);
        } else {
          table.insert(step.name, step.value);
          model = [step, ...model];
        }
        while (sizeOf(model) > limit) model = model.slice(0, -1);
        expect(contents(table)).toEqual(model);
        expect(table.bytes).toBe(sizeOf(model));
      }
    }),
  );
});
