import { expect, test } from 'vitest';
import { endpoint } from '../../test/support/builders.ts';
import { locateCandidates } from './candidates.ts';

const a = endpoint({ name: 'a', address: '10.0.0.1', port: 8000, slot: 0 });
const b0 = endpoint({ name: 'b0', address: '10.0.0.2', port: 8000, slot: 1 });
const b1 = endpoint({ name: 'b1', address: '10.0.0.2', port: 8001, slot: 2 });
const v6 = endpoint({ name: 'v6', address: 'fd00::1', port: 8000, slot: 3 });
const pool = [a, b0, b1, v6];

test.each([
  { name: 'no hint', subset: undefined, want: pool },
  { name: 'empty list', subset: [], want: [] },
  { name: 'ip and port', subset: ['10.0.0.2:8001'], want: [b1] },
  { name: 'ip alone takes every port', subset: ['10.0.0.2'], want: [b0, b1] },
  { name: 'port that nobody has', subset: ['10.0.0.1:9'], want: [] },
  { name: 'nothing matches', subset: ['10.0.0.99:8000'], want: [] },
  { name: 'IPv6 with port', subset: ['[fd00::1]:8000'], want: [v6] },
  { name: 'IPv6 bare', subset: ['fd00::1'], want: [v6] },
  { name: 'IPv6 in brackets', subset: ['[fd00::1]'], want: [v6] },
  { name: 'several', subset: ['10.0.0.1:8000', '10.0.0.2:8000'], want: [a, b0] },
])('subset hint: $name', ({ subset, want }) => {
  expect(locateCandidates(pool, subset)).toEqual(want);
});

test('an unreachable endpoint is left out while another can take the request', () => {
  const down = endpoint({ name: 'down', address: '10.0.0.9' });
  down.isReachable = false;
  expect(locateCandidates([a, down], undefined)).toEqual([a]);
  expect(locateCandidates([a, down], ['10.0.0.9'])).toEqual([down]);
  expect(locateCandidates([down], undefined)).toEqual([down]);
});

test('without hint and with all reachable the pool itself comes back', () => {
  expect(locateCandidates(pool, undefined)).toBe(pool);
});
