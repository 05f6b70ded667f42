import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Rng, SeededRng } from '../util/rng.ts';
import { ModelRewrites, type RewriteRule, type RewriteTarget } from './model-rewrites.ts';

/** A generator that always says the same. */
function fixed(value: number): Rng {
  return { next: () => value };
}

function to(model: string, weight?: number): RewriteTarget {
  return { model, weight };
}

function rule(options: Partial<RewriteRule>): RewriteRule {
  return { name: 'a', namespace: 'ns', createdAtMs: 0, index: 0, models: [], targets: [to('t')], ...options };
}

function decided(rules: readonly RewriteRule[], model = 'm', at = 0) {
  const rewrites = new ModelRewrites();
  rewrites.replaceRules(rules);
  return rewrites.decide(model, fixed(at));
}

test.each<{ name: string; rules: RewriteRule[]; want: string | undefined }>([
  { name: 'no rules', rules: [], want: undefined },
  { name: 'a rule for another model', rules: [rule({ models: ['x'] })], want: undefined },
  { name: 'a rule for every model', rules: [rule({ targets: [to('g')] })], want: 'g' },
  { name: 'one of several models', rules: [rule({ models: ['x', 'm'], targets: [to('e')] })], want: 'e' },
  {
    name: 'the exact rule, though the generic one is older',
    rules: [
      rule({ createdAtMs: 1, targets: [to('g')] }),
      rule({ createdAtMs: 2, models: ['m'], targets: [to('e')] }),
    ],
    want: 'e',
  },
  {
    name: 'the oldest object',
    rules: [
      rule({ createdAtMs: 2, name: 'a', models: ['m'], targets: [to('young')] }),
      rule({ createdAtMs: 1, name: 'b', models: ['m'], targets: [to('old')] }),
    ],
    want: 'old',
  },
  {
    name: 'an object of known age before one of unknown age',
    rules: [
      rule({ createdAtMs: Number.POSITIVE_INFINITY, name: 'a', targets: [to('unknown')] }),
      rule({ createdAtMs: 9, name: 'b', targets: [to('known')] }),
    ],
    want: 'known',
  },
  {
    name: 'the lesser namespace among objects of one age',
    rules: [
      rule({ namespace: 'n2', name: 'a', targets: [to('n2')] }),
      rule({ namespace: 'n1', name: 'b', targets: [to('n1')] }),
    ],
    want: 'n1',
  },
  {
    name: 'the lesser name in one namespace',
    rules: [rule({ name: 'b', targets: [to('b')] }), rule({ name: 'a', targets: [to('a')] })],
    want: 'a',
  },
  {
    name: 'the first rule of an object',
    rules: [rule({ index: 1, targets: [to('second')] }), rule({ index: 0, targets: [to('first')] })],
    want: 'first',
  },
  { name: 'no target', rules: [rule({ targets: [] })], want: '' },
])('the rule that decides: $name', ({ rules, want }) => {
  expect(decided(rules)?.model).toBe(want);
});

test.each([
  { name: 'without weights, low', targets: [to('x'), to('y')], at: 0.49, want: 'x' },
  { name: 'without weights, high', targets: [to('x'), to('y')], at: 0.5, want: 'y' },
  { name: 'by weight, low', targets: [to('x', 9), to('y', 1)], at: 0.89, want: 'x' },
  { name: 'by weight, high', targets: [to('x', 9), to('y', 1)], at: 0.9, want: 'y' },
  { name: 'by weight where some have none', targets: [to('x'), to('y', 1), to('z', 1)], at: 0, want: 'y' },
  { name: 'weights that are all zero', targets: [to('x', 0), to('y', 0)], at: 0.5, want: 'y' },
  { name: 'the largest sum', targets: [to('x', 1_000_000), to('y', 1)], at: 1 - 2 ** -32, want: 'y' },
])('the target drawn: $name', ({ targets, at, want }) => {
  expect(decided([rule({ name: 'r', targets })], 'm', at)).toEqual({ name: 'r', model: want });
});

test('rules that leave give way to the next', () => {
  const rewrites = new ModelRewrites();
  const next = rule({ createdAtMs: 5, name: 'next', models: ['m'], targets: [to('next')] });
  rewrites.replaceRules([rule({ models: ['m'], targets: [to('first')] }), next]);
  expect(rewrites.decide('m', fixed(0))?.model).toBe('first');
  rewrites.replaceRules([next]);
  expect(rewrites.decide('m', fixed(0))?.model).toBe('next');
  expect([...rewrites.models]).toEqual(['m', 'next']);
  rewrites.replaceRules([]);
  expect(rewrites.decide('m', fixed(0))).toBeUndefined();
  expect(rewrites.models.size).toBe(0);
});

const anyRule = fc.record({
  name: fc.constantFrom('a', 'b', 'c'),
  namespace: fc.constantFrom('n', 'o'),
  createdAtMs: fc.constantFrom(1, 2, Number.POSITIVE_INFINITY),
  index: fc.nat(1_000_000),
  models: fc.array(fc.constantFrom('m', 'x', 'y'), { maxLength: 2 }),
  targets: fc.array(
    fc.constantFrom('s', 't', 'u').map((model) => ({ model, weight: undefined })),
    {
      maxLength: 3,
    },
  ),
});

test('the order in which rules arrive does not matter', () => {
  const rules = fc.uniqueArray(anyRule, { selector: (one) => one.index, maxLength: 6 });
  fc.assert(
    fc.property(rules, fc.double({ min: 0, max: 0.999, noNaN: true }), (all, at) => {
      for (const model of ['m', 'x', 'other']) {
        expect(decided(all.toReversed(), model, at)).toEqual(decided(all, model, at));
      }
    }),
  );
});

test('targets are drawn in proportion to their weights', () => {
  const weights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(weights, fc.integer(), (all, seed) => {
      const rewrites = new ModelRewrites();
      rewrites.replaceRules([rule({ targets: all.map((weight, i) => to(String(i), weight)) })]);
      const rng = new SeededRng(seed);
      const counts = all.map(() => 0);
      const draws = 4000;
      for (let i = 0; i < draws; i += 1) {
        const at = Number(rewrites.decide('m', rng)?.model);
        counts[at] = (counts[at] ?? 0) + 1;
      }
      const sum = all.reduce((total, weight) => total + weight, 0);
      all.forEach((weight, i) => {
        const share = weight / sum;
        const deviation = Math.sqrt((share * (1 - share)) / draws);
        expect(Math.abs((counts[i] ?? 0) / draws - share)).toBeLessThanOrEqual(6 * deviation);
      });
    }),
    { numRuns: 20 },
  );
});
