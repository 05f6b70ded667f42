import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LineSplitter } from './watch-lines.ts';

function split(chunks: readonly string[], maxBytes = 1000): { lines: string[]; pendingBytes: number } {
  const splitter = new LineSplitter(maxBytes);
  const lines: string[] = [];
  for (const chunk of chunks) splitter.push(Buffer.from(chunk), (line) => lines.push(line));
  return { lines, pendingBytes: splitter.pendingBytes };
}

test.each([
  { name: 'nothing', chunks: [], lines: [], pendingBytes: 0 },
  { name: 'one line', chunks: ['a\n'], lines: ['a'], pendingBytes: 0 },
  { name: 'several lines in one chunk', chunks: ['a\nb\nc'], lines: ['a', 'b'], pendingBytes: 1 },
  { name: 'a line over several chunks', chunks: ['a', 'b', 'c\nd'], lines: ['abc'], pendingBytes: 1 },
  { name: 'the end in a chunk of its own', chunks: ['a', '\n'], lines: ['a'], pendingBytes: 0 },
  { name: 'empty lines', chunks: ['\n\n', '\r\n', 'a\n'], lines: ['a'], pendingBytes: 0 },
])('line splitter: $name', ({ chunks, lines, pendingBytes }) => {
  expect(split(chunks)).toEqual({ lines, pendingBytes });
});

test('line splitter: any cut of the bytes, also within a character, gives the same lines', () => {
  const line = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !/^\r?$|\n/.test(text));
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat()), (lines, cuts) => {
      const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''));
      const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
      const splitter = new LineSplitter(bytes.length);
      const found: string[] = [];
      let start = 0;
      for (const end of [...places, bytes.length]) {
        splitter.push(bytes.subarray(start, end), (text) => found.push(text));
        start = end;
      }
      expect(found).toEqual(lines.map((text) => Buffer.from(text).toString()));
      expect(splitter.pendingBytes).toBe(0);
    }),
  );
});

test('line splitter: a line may be as long as allowed and no longer, ended or not', () => {
  expect(split(['1234\n'], 4).lines).toEqual(['1234']);
  expect(() => split(['12345\n'], 4)).toThrow('a line of more than 4 bytes');
  expect(() => split(['123', '45'], 4)).toThrow(RangeError);
});
