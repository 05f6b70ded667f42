import { expect, test } from 'vitest';
import { bodyMode } from './body-mode.ts';

test.each([
  { override: 'auto', announced: undefined, want: 'full-duplex' },
  { override: 'auto', announced: 0, want: 'none' },
  { override: 'auto', announced: 1, want: 'streamed' },
  { override: 'auto', announced: 2, want: 'buffered' },
  { override: 'auto', announced: 3, want: 'buffered-partial' },
  { override: 'auto', announced: 4, want: 'full-duplex' },
  { override: 'auto', announced: 5, want: 'full-duplex' },
  { override: 'auto', announced: 99, want: 'full-duplex' },
  { override: 'streamed', announced: 4, want: 'streamed' },
] as const)('$override over $announced is $want', ({ override, announced, want }) => {
  expect(bodyMode(override, announced)).toBe(want);
});
