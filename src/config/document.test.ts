import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readDocument } from './document.ts';
import { plainOf, positionOf } from './node.ts';
import { ProblemList, problemText } from './problems.ts';

function read(text: string) {
  const problems = new ProblemList();
  const node = readDocument(text, problems);
  return {
    node,
    plain: node === undefined ? undefined : (JSON.parse(JSON.stringify(plainOf(node)) ?? 'null') as unknown),
    problems: problems.sorted().map(problemText),
  };
}

test.each([
  { text: 'a: yes', want: { a: true } },
  { text: 'a: Off', want: { a: false } },
  { text: 'a: "yes"', want: { a: 'yes' } },
  { text: "a: 'on'", want: { a: 'on' } },
  { text: 'a: !!str no', want: { a: 'no' } },
  { text: 'a: true', want: { a: true } },
  { text: 'a: ~\nb: null\nc:', want: {} },
  { text: 'a: [1, -2, 0x1f, 0o17, 017, 0b11, 1_000]', want: { a: [1, -2, 31, 15, 15, 3, 1000] } },
  { text: 'a: [1.5, .5, 1e3, -1., 08]', want: { a: [1.5, 0.5, 1000, -1, 8] } },
  {
    text: 'a: [1Gi, 300ms, 10:30, 2026-01-01, v1, "1"]',
    want: { a: ['1Gi', '300ms', '10:30', '2026-01-01', 'v1', '1'] },
  },
  { text: '{"a": {"b": [1, "x", true, null]}}', want: { a: { b: [1, 'x', true, null] } } },
  { text: 'base: &b {x: 1, y: 2}\nz:\n  <<: *b\n  y: 3', want: { base: { x: 1, y: 2 }, z: { y: 3, x: 1 } } },
  { text: 'a: &n 1\nb: *n\nc: &n 2\nd: *n', want: { a: 1, b: 1, c: 2, d: 2 } },
  { text: '1: a\ntrue: b', want: { 1: 'a', true: 'b' } },
  { text: 'a: |\n  x\n  y\n', want: { a: 'x\ny\n' } },
])('reads $text', ({ text, want }) => {
  expect(read(text).plain).toEqual(want);
});

test.each([
  {
    text: 'a: 1\nb: yes',
    want: ['2:4: warning [yaml-boolean] unquoted yes is the boolean true; write true, or "yes" for the text'],
  },
  { text: 'a: 1\nb:\n  c: 1\n  c: 2', want: ["4:3: error [duplicate-key] key 'c' stands here twice"] },
  { text: 'a: 1\n---\nb: 2', want: ['2:1: error [yaml-syntax] want one document, got another after ---'] },
  {
    text: 'a: *nobody',
    want: ["1:4: error [yaml-syntax] alias '*nobody' has no anchor"],
  },
  {
    text: '? [x]\n: 1',
    want: ['1:3: error [yaml-syntax] want a plain key, got a list, a mapping or an alias'],
  },
  {
    text: 'a: {<<: 5}\nb: {<<: [1, {c: 2}]}\nc: {<<: [[{d: 3}]]}\nd: {<<: ~}',
    want: [
      '1:9: error [yaml-syntax] << takes a mapping or a list of mappings',
      '2:10: error [yaml-syntax] << takes a mapping or a list of mappings',
      '3:10: error [yaml-syntax] << takes a mapping or a list of mappings',
    ],
  },
  {
    text: 'a: &a [*a]',
    want: ['1:1: error [yaml-syntax] the document is nested too deeply, or an alias contains itself'],
  },
])('complains of $text', ({ text, want }) => {
  expect(read(text).problems).toEqual(want);
});

test('documents that grow, nest or are long without end are refused', () => {
  const levels = Array.from({ length: 12 }, (_, i) =>
    i === 0
      ? 'l0: &l0 [x, x, x, x, x, x, x, x]'
      : `l${i}: &l${i} [${Array(8)
          .fill(`*l${i - 1}`)
          .join(', ')}]`,
  );
  for (const text of [
    levels.join('\n'),
    '[ '.repeat(20_000),
    '{a: '.repeat(5000),
    `# ${'x'.repeat(2 ** 20)}`,
  ]) {
    const { node, problems } = read(text);
    expect(node).toBeUndefined();
    expect(problems.length).toBeGreaterThan(0);
  }
});

test('a document that is nested too deeply for the parser is said to be', () => {
  for (const open of ['[', '{a: ', '- ', '? ']) {
    const { problems } = read(open.repeat(20_000));
    expect(problems[0]).toMatch(/: error \[yaml-syntax\] the document is nested too deeply$/);
  }
});

test('a file of tens of thousands of keys is refused at once', () => {
  const vocabulary = Array.from({ length: 60_000 }, (_, i) => [`t${i}`, 1]);
  const { node, problems } = read(JSON.stringify(Object.fromEntries(vocabulary)));
  expect(node).toBeUndefined();
  expect(problems).toEqual([
    '1:1: error [yaml-syntax] the document has too many nodes, want at most 50000; aliases count each time',
  ]);
});

test('positions count from 1 and point at value or key', () => {
  const { node } = read('a:\n  - b: 1\n    c: [2, 3]\n');
  if (node === undefined) throw new Error('not read');
  expect(positionOf(node, ['a', 0, 'c', 1])).toMatchObject({ line: 3, column: 12 });
  expect(positionOf(node, ['a', 0, 'c'], { ofKey: true })).toMatchObject({ line: 3, column: 5 });
  expect(positionOf(node, ['a', 0, 'nothing', 'below'])).toMatchObject({ line: 2, column: 5 });
});

test('what JSON says is what is read', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      const { plain, problems } = read(text);
      expect(problems.filter((problem) => !problem.includes('stands here twice'))).toEqual([]);
      expect(plain).toEqual(withoutNulls(JSON.parse(text)));
    }),
  );
});

/** Keys of null are left out, and `<<` of JSON is a key like others only when quoted, which JSON always does. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== null)
      .map(([key, item]) => [key, withoutNulls(item)]),
  );
}
