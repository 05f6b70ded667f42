import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import { headerBasedTestingFilter } from './header-based-testing-filter.ts';

const filter = headerBasedTestingFilter.create({}, context());
const pool = [
  endpoint({ address: '10.0.0.1', port: 3000 }),
  endpoint({ address: '10.0.0.1', port: 3002 }),
  endpoint({ address: 'fd00::1', port: 3000 }),
];

function keptAt(header: string | undefined): number[] {
  const headers = header === undefined ? {} : { 'test-epp-endpoint-selection': header };
  return filter.filter(request({ headers }), pool).map((one) => pool.indexOf(one));
}

test.each([
  { header: undefined, want: [] },
  { header: ' ', want: [] },
  { header: '10.0.0.1', want: [0, 1] },
  { header: '10.0.0.1:3002', want: [1] },
  { header: '10.0.0.1:3002,10.0.0.1:3000', want: [1, 0] },
  { header: 'fd00::1, 10.0.0.1', want: [2, 0, 1] },
  { header: '10.0.0.1:3002, 10.0.0.1, 10.0.0.1:3002', want: [1, 0] },
  { header: '10.0.0.1:3002, fd00::1', want: [1, 2] },
  { header: '[FD00::1]:3000', want: [2] },
  { header: '[fd00::1]:3001', want: [] },
  { header: '10.0.0.2,nonsense', want: [] },
])('header-based-testing-filter: "$header" keeps $want', ({ header, want }) => {
  expect(keptAt(header)).toEqual(want);
});

test('header-based-testing-filter: what is named by ip:port is kept in the order of the header', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray(pool), (named) => {
      const kept = keptAt(named.map((one) => one.hostPort).join(' , '));
      expect(kept).toEqual(named.map((one) => pool.indexOf(one)));
    }),
  );
});

test('header-based-testing-filter: any text is taken', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(keptAt(text).length).toBeLessThanOrEqual(3);
    }),
  );
});

test('header-based-testing-filter: it returns the input itself when all stay in their order', () => {
  const headers = { 'test-epp-endpoint-selection': '10.0.0.1,fd00::1' };
  expect(filter.filter(request({ headers }), pool)).toBe(pool);
});
