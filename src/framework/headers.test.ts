import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Headers } from './headers.ts';

function received(...entries: readonly (readonly [string, string])[]): Headers {
  const headers = new Headers();
  for (const [name, value] of entries) headers.receive(name, value);
  return headers;
}

test('names are lower case, the first value wins, repeated names stay', () => {
  const headers = received(['X-Test', 'a'], ['x-test', 'b']);
  expect(headers.get('x-test')).toBe('a');
  expect(headers.size).toBe(2);
  expect(headers.changedNames).toEqual([]);
});

test.each([
  { name: 'same value', act: (h: Headers) => h.set('a', '1'), changed: [], removed: [] },
  { name: 'other value', act: (h: Headers) => h.set('a', '2'), changed: ['a'], removed: [] },
  { name: 'new name', act: (h: Headers) => h.set('z', '2'), changed: ['z'], removed: [] },
  { name: 'removed', act: (h: Headers) => h.remove('a'), changed: [], removed: ['a'] },
  { name: 'remove what is absent', act: (h: Headers) => h.remove('z'), changed: [], removed: [] },
  {
    name: 'removed and set again',
    act: (h: Headers) => {
      h.remove('a');
      h.set('a', '3');
    },
    changed: ['a'],
    removed: [],
  },
  {
    name: 'set and removed',
    act: (h: Headers) => {
      h.set('z', '3');
      h.remove('z');
    },
    changed: [],
    removed: ['z'],
  },
])('changes: $name', ({ act, changed, removed }) => {
  const headers = received(['a', '1'], ['b', '2']);
  act(headers);
  expect(headers.changedNames).toEqual(changed);
  expect(headers.removedNames).toEqual(removed);
});

test.each<readonly unknown[]>([
  ['x-c', 42],
  ['x-c', undefined],
  ['x-c', null],
  ['x-c', ['a']],
  ['x-c', 'a\r\nb: c'],
  ['x-c', 'a\0'],
  ['x-c', '\x7f'],
  ['', 'a'],
  [undefined, 'a'],
  [7, 'a'],
  ['x c', 'a'],
  ['x-c:', 'a'],
  ['X-C', 'a'],
  ['x-c\n', 'a'],
])('%j: %j cannot be set', (name, value) => {
  const headers = received(['a', '1']);
  expect((): unknown => Reflect.apply(headers.set, headers, [name, value])).toThrow(TypeError);
  expect([headers.size, headers.changedNames]).toEqual([1, []]);
});

test.each([
  [':path', '/v1'],
  ['x_1.a', ''],
  ['x-c', 'a\tb, é, 漢'],
])('%j: %j can be set', (name, value) => {
  const headers = received();
  headers.set(name, value);
  expect(headers.get(name)).toBe(value);
});

test('setting a repeated name leaves one entry', () => {
  const headers = received(['a', '1'], ['a', '1']);
  headers.set('a', '1');
  expect(headers.size).toBe(1);
  expect(headers.changedNames).toEqual(['a']);
});

test('removing each of a set takes all entries of those names and no other', () => {
  const headers = received(['a', '1'], ['b', '2'], ['a', '3'], ['c', '4']);
  headers.removeEach(new Set(['a', 'c', 'z']));
  expect(headers.size).toBe(1);
  expect(headers.get('b')).toBe('2');
  expect([...headers.removedNames].sort()).toEqual(['a', 'c']);
});

test('a name is never both changed and removed, and reads give the last write', () => {
  const step = fc.record({ name: fc.constantFrom('a', 'b', 'c'), value: fc.option(fc.string()) });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const headers = received(['a', '1'], ['b', '2']);
      const model = new Map([
        ['a', '1'],
        ['b', '2'],
      ]);
      for (const { name, value } of steps) {
        if (value === null) {
          headers.remove(name);
          model.delete(name);
        } else {
          headers.set(name, value);
          model.set(name, value);
        }
      }
      for (const name of ['a', 'b', 'c']) expect(headers.get(name)).toBe(model.get(name));
      expect(headers.changedNames.filter((name) => headers.removedNames.includes(name))).toEqual([]);
    }),
  );
});

test('parts of a text are what the same values received are', () => {
  const value = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ minLength: 17_000, maxLength: 17_000 }));
  fc.assert(
    fc.property(fc.array(value, { maxLength: 8 }), fc.nat(100_000), (values, before) => {
      const pieces = [Buffer.alloc(before), ...values.map((one) => Buffer.from(one))];
      const headers = new Headers(Buffer.concat(pieces).toString('latin1'));
      let at = before;
      values.forEach((one, i) => {
        const end = at + Buffer.byteLength(one);
        headers.receivePart(`n${i}`, at, end);
        at = end;
      });
      values.forEach((one, i) => {
        expect(headers.get(`n${i}`)).toBe(Buffer.from(one).toString());
        headers.set(`n${i}`, Buffer.from(one).toString());
      });
      expect(headers.changedNames).toEqual([]);
    }),
    { numRuns: 50 },
  );
});
