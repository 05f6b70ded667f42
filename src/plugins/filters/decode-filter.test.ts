import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import { decodeFilter } from './decode-filter.ts';

const ACCEPTED = ['decode', 'prefill-decode', 'both', 'encode-prefill-decode'];
const filter = decodeFilter.create({}, context());

test.each([
  ...ACCEPTED.map((role) => ({ role, stays: true })),
  { role: 'encode-decode', stays: false },
  { role: '', stays: false },
])('decode-filter: role "$role" stays: $stays', ({ role, stays }) => {
  const one = endpoint({ labels: { 'llm-d.ai/role': role } });
  expect(filter.filter(request(), [one]).length === 1).toBe(stays);
});

test('decode-filter: an endpoint without the label stays: true', () => {
  const one = endpoint({ labels: { zone: 'decode' } });
  expect(filter.filter(request(), [one])).toEqual([one]);
});

test('decode-filter: keeps exactly the accepted roles, in order', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...ACCEPTED, 'x', 'decode-encode')), (roles) => {
      const candidates = roles.map((role) => endpoint({ labels: { 'llm-d.ai/role': role } }));
      const kept = filter.filter(request(), candidates);
      expect(kept).toEqual(candidates.filter((_one, i) => ACCEPTED.includes(roles[i] ?? '')));
    }),
  );
});
