import fc from 'fast-check';
import { expect, test } from 'vitest';
import { named } from '../../test/support/kube-objects.ts';
import { ModelRewrites } from '../framework/model-rewrites.ts';
import { SeededRng } from '../util/rng.ts';
import { readRewrite } from './model-rewrites.ts';

const pool = { name: 'pool', group: 'inference.networking.k8s.io' };

function read(rules: unknown, options: Partial<Parameters<typeof named>[0]> = {}) {
  return readRewrite(
    named({ name: 'r', namespace: 'ns', ...options }, { poolRef: { name: 'pool' }, rules }),
    pool,
  );
}

test('rules in order, with the age of their object', () => {
  const rules = [
    {
      matches: [{ model: { type: 'Exact', value: 'a' } }, { model: { value: 'b' } }],
      targets: [
        { modelRewrite: 'x', weight: 9 },
        { modelRewrite: 'y', weight: 1 },
      ],
    },
    { targets: [{ modelRewrite: 'z' }] },
  ];
  const object = { name: 'r', namespace: 'ns', createdAtMs: Date.UTC(2026, 0, 2, 3, 4, 5) };
  expect(read(rules, { creationTimestamp: '2026-01-02T03:04:05Z' })).toEqual({
    name: 'r',
    rules: [
      {
        ...object,
        index: 0,
        models: ['a', 'b'],
        targets: [
          { model: 'x', weight: 9 },
          { model: 'y', weight: 1 },
        ],
      },
      { ...object, index: 1, models: [], targets: [{ model: 'z', weight: undefined }] },
    ],
    problems: [],
  });
});

test('an object of unknown age is younger than all', () => {
  const reading = read([{ targets: [{ modelRewrite: 'x' }] }], { creationTimestamp: 'yesterday' });
  expect(reading?.rules[0]?.createdAtMs).toBe(Number.POSITIVE_INFINITY);
});

test.each([
  { name: 'another pool', options: {}, spec: { poolRef: { name: 'other' }, rules: [] } },
  { name: 'no poolRef', options: {}, spec: { rules: [] } },
  {
    name: 'a deletion under way',
    options: { isTerminating: true },
    spec: { poolRef: { name: 'pool' }, rules: [] },
  },
])('a rewrite that is none of ours: $name', ({ options, spec }) => {
  expect(readRewrite(named({ name: 'r', ...options }, spec), pool)).toBeUndefined();
});

const good = { modelRewrite: 'x' };

test.each<{ name: string; rules: unknown; want: string | RegExp }>([
  { name: 'no rules', rules: undefined, want: /^spec\.rules: / },
  {
    name: 'another way to match',
    rules: [{ matches: [{ model: { type: 'Regex', value: 'a' } }], targets: [good] }],
    want: /^spec\.rules\[0\]\.matches\[0\]\.model\.type: .*Exact/,
  },
  {
    name: 'an empty model to match',
    rules: [{ targets: [good] }, { matches: [{ model: { value: '' } }], targets: [good] }],
    want: /^spec\.rules\[1\]\.matches\[0\]\.model\.value: /,
  },
  {
    name: 'a weight of 0',
    rules: [{ targets: [{ ...good, weight: 0 }] }],
    want: /^spec\.rules\[0\]\.targets\[0\]\.weight: .*>=1/,
  },
  {
    name: 'a target without model',
    rules: [{ targets: [{ weight: 1 }] }],
    want: /targets\[0\]\.modelRewrite: /,
  },
])('a malformed rewrite has no effect: $name', ({ rules, want }) => {
  expect(read(rules)).toEqual({ name: 'r', rules: [], problems: [expect.stringMatching(want)] });
});

test.each<{ name: string; targets: unknown; want: string | undefined; problem: string }>([
  {
    name: 'some without weight',
    targets: [good, { modelRewrite: 'y', weight: 5 }],
    want: 'y',
    problem: 'spec.rules[0].targets: those without weight are never chosen beside those with one',
  },
  {
    name: 'no targets',
    targets: undefined,
    want: '',
    problem: 'spec.rules[0].targets: none, so requests have no model',
  },
])('a rule that is hardly meant so has its effect and a problem: $name', ({ targets, want, problem }) => {
  const reading = read([{ targets }]);
  const rewrites = new ModelRewrites();
  rewrites.replaceRules(reading?.rules ?? []);
  expect(rewrites.decide('m', new SeededRng(1))?.model).toBe(want);
  expect(reading?.problems).toEqual([problem]);
});

test('any rules are read without a throw, and make a working set', () => {
  const target = fc.record(
    { modelRewrite: fc.constantFrom('x', 'y'), weight: fc.integer({ min: 0, max: 3 }) },
    { requiredKeys: ['modelRewrite'] },
  );
  const rule = fc.record(
    {
      matches: fc.array(fc.record({ model: fc.record({ value: fc.constantFrom('m', 'n') }) })),
      targets: fc.array(target),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(fc.anything(), fc.array(rule)), (any) => {
      const rewrites = new ModelRewrites();
      rewrites.replaceRules(read(any)?.rules ?? []);
      const model = rewrites.decide('m', new SeededRng(1))?.model;
      expect(model === undefined || ['', 'x', 'y'].includes(model)).toBe(true);
    }),
  );
});
