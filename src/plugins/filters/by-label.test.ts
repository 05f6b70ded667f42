import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import { byLabel } from './by-label.ts';

const tiers = ['a', 'b', undefined].map((tier) => endpoint({ labels: tier === undefined ? {} : { tier } }));

function keptAt(raw: object): number[] {
  const filter = byLabel.create(byLabel.params.parse(raw), context());
  return filter.filter(request(), tiers).map((one) => tiers.indexOf(one));
}

test.each([
  { name: 'listed values', raw: { label: 'tier', validValues: ['a'] }, want: [0] },
  { name: 'and unlabelled', raw: { label: 'tier', validValues: ['b'], allowsNoLabel: true }, want: [1, 2] },
  { name: 'only unlabelled', raw: { label: 'tier', allowsNoLabel: true }, want: [2] },
  { name: 'an empty value means unlabelled', raw: { label: 'tier', validValues: ['', 'a'] }, want: [0, 2] },
])('by-label: $name', ({ raw, want }) => {
  expect(keptAt(raw)).toEqual(want);
});

test.each([
  { raw: {}, message: "'label' must be specified" },
  { raw: { label: '', validValues: ['a'] }, message: "'label' must be specified" },
  {
    raw: { label: 'tier' },
    message: "either 'validValues' must be non-empty or 'allowsNoLabel' must be true",
  },
])('by-label: $raw is refused', ({ raw, message }) => {
  expect(byLabel.params.safeParse(raw).error?.issues[0]?.message).toBe(message);
});

test('by-label: with every value listed and unlabelled allowed the input itself is returned', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...tiers)), (candidates) => {
      const params = byLabel.params.parse({ label: 'tier', validValues: ['a', 'b'], allowsNoLabel: true });
      expect(byLabel.create(params, context()).filter(request(), candidates)).toBe(candidates);
    }),
  );
});
