import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HeaderNames } from './header-names.ts';

function find(names: HeaderNames, text: string): string | undefined {
  const bytes = Buffer.from(`<${text}>`);
  return names.find(bytes, 1, bytes.length - 1);
}

test.each([
  { text: 'content-type', want: 'content-type' },
  { text: ':path', want: ':path' },
  { text: '', want: '' },
  { text: 'x'.repeat(1000), want: 'x'.repeat(1000) },
  { text: 'Content-Type', want: undefined },
  { text: 'x-ä', want: undefined },
])('$text is found as $want, also the second time', ({ text, want }) => {
  const names = new HeaderNames();
  expect(find(names, text)).toBe(want);
  expect(find(names, text)).toBe(want);
});

test('any number of names is told apart', () => {
  const names = new HeaderNames();
  const name = fc.stringMatching(/^[a-z0-9-]{0,70}$/);
  fc.assert(
    fc.property(fc.array(name, { maxLength: 20 }), (list) => {
      for (const one of list) expect(find(names, one)).toBe(one);
    }),
    { numRuns: 500 },
  );
});
