import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rfc3339 } from './timestamp.ts';

test.each([
  { wallMs: 0, fraction: 'none', want: '1970-01-01T00:00:00Z' },
  { wallMs: 0, fraction: 'millis', want: '1970-01-01T00:00:00.000Z' },
  { wallMs: 0, fraction: 'trimmed', want: '1970-01-01T00:00:00Z' },
  { wallMs: 1_700_000_000_120, fraction: 'none', want: '2023-11-14T22:13:20Z' },
  { wallMs: 1_700_000_000_120, fraction: 'millis', want: '2023-11-14T22:13:20.120Z' },
  { wallMs: 1_700_000_000_120, fraction: 'trimmed', want: '2023-11-14T22:13:20.12Z' },
] as const)('$wallMs with fraction $fraction', ({ wallMs, fraction, want }) => {
  expect(rfc3339(wallMs, fraction)).toBe(want);
});

test('read back, a timestamp is the same time', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_000_000_000_000 }), (wallMs) => {
      expect(Date.parse(rfc3339(wallMs, 'trimmed'))).toBe(wallMs);
      expect(Date.parse(rfc3339(wallMs, 'none'))).toBe(wallMs - (wallMs % 1000));
    }),
  );
});
