import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import { labelSelectorFilter } from './label-selector-filter.ts';

const pool = [
  endpoint({ name: 'front', labels: { tier: 'frontend', 'example.com/env': 'prod' } }),
  endpoint({ name: 'back', labels: { tier: 'backend' } }),
  endpoint({ name: 'bare' }),
];

function kept(raw: object): string[] {
  const filter = labelSelectorFilter.create(labelSelectorFilter.params.parse(raw), context());
  return filter.filter(request(), pool).map((one) => one.name);
}

const one = (key: string, operator: string, values?: readonly string[]) => ({
  matchExpressions: [{ key, operator, ...(values === undefined ? {} : { values }) }],
});

test.each([
  { name: 'nothing', raw: {}, want: ['front', 'back', 'bare'] },
  { name: 'matchLabels', raw: { matchLabels: { tier: 'backend' } }, want: ['back'] },
  { name: 'In', raw: one('tier', 'In', ['backend', 'x']), want: ['back'] },
  { name: 'NotIn', raw: one('tier', 'NotIn', ['backend']), want: ['front', 'bare'] },
  { name: 'Exists', raw: one('example.com/env', 'Exists'), want: ['front'] },
  { name: 'DoesNotExist', raw: one('tier', 'DoesNotExist', []), want: ['bare'] },
  {
    name: 'all terms together',
    raw: { matchLabels: { tier: 'frontend' }, ...one('example.com/env', 'NotIn', ['prod']) },
    want: [],
  },
])('label-selector-filter: $name', ({ raw, want }) => {
  expect(kept(raw)).toEqual(want);
});

test.each([
  { name: 'In without values', raw: one('a', 'In') },
  { name: 'Exists with values', raw: one('a', 'Exists', ['x']) },
  { name: 'unknown operator', raw: one('a', 'Gt', ['1']) },
  { name: 'key with two slashes', raw: one('a/b/c', 'Exists') },
  { name: 'key prefix in upper case', raw: one('A.b/c', 'Exists') },
  { name: 'key too long', raw: one('a'.repeat(64), 'Exists') },
  { name: 'value too long', raw: { matchLabels: { a: 'x'.repeat(64) } } },
  { name: 'value ending in a dash', raw: { matchLabels: { a: 'x-' } } },
  { name: 'unknown member', raw: { matchLabel: { a: 'x' } } },
])('label-selector-filter refuses $name', ({ raw }) => {
  expect(labelSelectorFilter.params.safeParse(raw).success).toBe(false);
});

test('label-selector-filter: In and NotIn part the labelled, Exists and DoesNotExist part all', () => {
  const label = fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined });
  fc.assert(
    fc.property(fc.array(label), fc.subarray(['a', 'b', 'c'], { minLength: 1 }), (labels, values) => {
      const candidates = labels.map((k) => endpoint({ labels: k === undefined ? {} : { k } }));
      const count = (raw: object) =>
        labelSelectorFilter
          .create(labelSelectorFilter.params.parse(raw), context())
          .filter(request(), candidates).length;
      expect(count(one('k', 'In', values)) + count(one('k', 'NotIn', values))).toBe(labels.length);
      expect(count(one('k', 'Exists')) + count(one('k', 'DoesNotExist'))).toBe(labels.length);
    }),
  );
});
