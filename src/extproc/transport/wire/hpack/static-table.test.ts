import { expect, test } from 'vitest';
import { STATIC_ENTRIES, STATIC_NAMES, STATIC_VALUES } from './static-table.ts';

test.each([
  { index: 1, name: ':authority', value: '' },
  { index: 3, name: ':method', value: 'POST' },
  { index: 7, name: ':scheme', value: 'https' },
  { index: 14, name: ':status', value: '500' },
  { index: 16, name: 'accept-encoding', value: 'gzip, deflate' },
  { index: 31, name: 'content-type', value: '' },
  { index: 58, name: 'user-agent', value: '' },
  { index: 61, name: 'www-authenticate', value: '' },
])('static-table: entry $index as in RFC 7541 Appendix A', ({ index, name, value }) => {
  expect([STATIC_NAMES[index], STATIC_VALUES[index]]).toEqual([name, value]);
});

test('static-table: 61 entries, no two alike, the regular names in alphabetical order', () => {
  expect([STATIC_NAMES.length, STATIC_VALUES.length]).toEqual([STATIC_ENTRIES + 1, STATIC_ENTRIES + 1]);
  const pairs = new Set(STATIC_NAMES.map((name, i) => `${name}: ${STATIC_VALUES[i]}`));
  expect(pairs.size).toBe(STATIC_ENTRIES + 1);
  const regular = STATIC_NAMES.slice(15).map((name) => name.replaceAll('-', '~'));
  expect(regular.filter((name, i) => i > 0 && name < (regular[i - 1] ?? ''))).toEqual(['accept']);
});
