import { expect, test } from 'vitest';
import { fnv1a32 } from './fnv1a.ts';

// Values of the published test vectors of FNV.
test.each([
  { text: '', want: 0x811c9dc5 },
  { text: 'a', want: 0xe40c292c },
  { text: 'b', want: 0xe70c2de5 },
  { text: 'foobar', want: 0xbf9cf968 },
])('FNV-1a of "$text"', ({ text, want }) => {
  expect(fnv1a32(text)).toBe(want);
});

test('it is taken over UTF-8 bytes', () => {
  let hash = 0x811c9dc5;
  for (const byte of [0xc3, 0xa9]) hash = Math.imul(hash ^ byte, 0x01000193);
  expect(fnv1a32('é')).toBe(hash >>> 0);
});
