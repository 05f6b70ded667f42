import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import { encodeFilter } from './encode-filter.ts';

const ACCEPTED = ['encode', 'encode-prefill', 'encode-prefill-decode'];
const filter = encodeFilter.create({}, context());

test.each([
  ...ACCEPTED.map((role) => ({ role, stays: true })),
  { role: 'encode-decode', stays: false },
  { role: '', stays: false },
])('encode-filter: role "$role" stays: $stays', ({ role, stays }) => {
  const one = endpoint({ labels: { 'llm-d.ai/role': role } });
  expect(filter.filter(request(), [one]).length === 1).toBe(stays);
});

test('encode-filter: an endpoint without the label stays: false', () => {
  const one = endpoint({ labels: { zone: 'decode' } });
  expect(filter.filter(request(), [one])).toEqual([]);
});

test('encode-filter: keeps exactly the accepted roles, in order', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...ACCEPTED, 'x', 'decode-encode')), (roles) => {
      const candidates = roles.map((role) => endpoint({ labels: { 'llm-d.ai/role': role } }));
      const kept = filter.filter(request(), candidates);
      expect(kept).toEqual(candidates.filter((_one, i) => ACCEPTED.includes(roles[i] ?? '')));
    }),
  );
});
