import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { scalarKey } from '../attributes/scalar.ts';
import { endpointAttributeFilter } from './endpoint-attribute-filter.ts';

const EXTRACTOR = 'core-metrics-extractor';

function pool(values: readonly unknown[], attribute = 'load', producer = EXTRACTOR): Endpoint[] {
  return values.map((value) => {
    const one = endpoint();
    if (value !== undefined) one.attributes.set(scalarKey(attribute, producer), value);
    return one;
  });
}

function parameters(operator: string, value: number, rest: object = {}) {
  return { attribute: 'load', algorithm: { type: 'threshold', threshold: { operator, value } }, ...rest };
}

function keep(raw: object, endpoints: readonly Endpoint[]): number[] {
  const filter = endpointAttributeFilter.create(endpointAttributeFilter.params.parse(raw), context());
  const kept = filter.filter(request(), endpoints);
  if (kept.length === endpoints.length) expect(kept).toBe(endpoints);
  return kept.map((one) => endpoints.indexOf(one));
}

test.each([
  { id: 'F9', raw: parameters('LessThan', 10), values: [5, 10, 15], want: [0] },
  { id: 'F10 LessThanOrEqual', raw: parameters('LessThanOrEqual', 10), values: [5, 10, 15], want: [0, 1] },
  { id: 'F10 GreaterThan', raw: parameters('GreaterThan', 10), values: [5, 10, 15], want: [2] },
  {
    id: 'F10 GreaterThanOrEqual',
    raw: parameters('GreaterThanOrEqual', 10),
    values: [5, 10, 15],
    want: [1, 2],
  },
  { id: 'F11 Equal', raw: parameters('Equal', 10), values: [5, 10], want: [1] },
  { id: 'F11 NotEqual', raw: parameters('NotEqual', 10), values: [5, 10], want: [0] },
  { id: 'F12', raw: parameters('LessThan', 10, { onMissing: 'Pass' }), values: [15, undefined], want: [1] },
  { id: 'F13', raw: parameters('LessThan', 10, { onMissing: 'Fail' }), values: [5, undefined], want: [0] },
  { id: 'F14', raw: parameters('LessThan', 10), values: [15, 20], want: [] },
  {
    id: 'F14 with fallback',
    raw: parameters('LessThan', 10, { fallbackOnEmpty: true }),
    values: [15, 20],
    want: [0, 1],
  },
  {
    id: 'F15',
    raw: parameters('LessThan', 10, { fallbackOnEmpty: true }),
    values: [5, 20],
    want: [0],
  },
  {
    id: 'what is no number is missing',
    raw: parameters('NotEqual', 10, { onMissing: 'Fail' }),
    values: ['5', Number.NaN, {}, 5],
    want: [3],
  },
  {
    id: 'a threshold without value is 0',
    raw: { attribute: 'load', algorithm: { type: 'threshold', threshold: { operator: 'GreaterThan' } } },
    values: [0, 1],
    want: [1],
  },
])('endpoint-attribute-filter: $id', ({ raw, values, want }) => {
  expect(keep(raw, pool(values))).toEqual(want);
});

test.each([
  {
    name: 'another producer',
    raw: { producer: 'dcgm-extractor' },
    attribute: 'load',
    producer: 'dcgm-extractor',
  },
  { name: 'no producer', raw: { producer: '' }, attribute: 'load', producer: '' },
  {
    name: 'a name with a slash and no producer',
    raw: { attribute: 'llm-d.ai/multicluster-queue-size', producer: '' },
    attribute: 'llm-d.ai/multicluster-queue-size',
    producer: '',
  },
  {
    name: 'the scorer’s name of the parameter',
    raw: { attribute: undefined, attributeKey: 'other' },
    attribute: 'other',
    producer: EXTRACTOR,
  },
  {
    name: 'both names alike',
    raw: { attributeKey: 'load' },
    attribute: 'load',
    producer: EXTRACTOR,
  },
])('endpoint-attribute-filter reads $name', ({ raw, attribute, producer }) => {
  const params = parameters('LessThan', 10, { onMissing: 'Fail', ...raw });
  expect(keep(params, pool([5, 15], attribute, producer))).toEqual([0]);
  const parsed = endpointAttributeFilter.params.parse(params);
  expect(endpointAttributeFilter.dependencies?.(parsed, 'f').optional).toEqual([
    scalarKey(attribute, producer),
  ]);
});

test.each([
  { id: 'F16a no attribute', raw: { ...parameters('LessThan', 1), attribute: undefined } },
  { id: 'F16b onMissing', raw: parameters('LessThan', 1, { onMissing: 'Maybe' }) },
  {
    id: 'F16c no type',
    raw: { attribute: 'load', algorithm: { threshold: { operator: 'LessThan', value: 1 } } },
  },
  {
    id: 'F16d unknown type',
    raw: { attribute: 'load', algorithm: { type: 'percentile', threshold: { operator: 'LessThan' } } },
  },
  { id: 'F16e no threshold', raw: { attribute: 'load', algorithm: { type: 'threshold' } } },
  { id: 'F16f operator', raw: parameters('Around', 1) },
  { id: 'F16g slash without producer', raw: parameters('LessThan', 1, { attribute: 'GPU/dcgm-extractor' }) },
  { id: 'no algorithm', raw: { attribute: 'load' } },
  { id: 'two different names', raw: parameters('LessThan', 1, { attributeKey: 'other' }) },
])('endpoint-attribute-filter refuses $id', ({ raw }) => {
  expect(endpointAttributeFilter.params.safeParse(raw).success).toBe(false);
});

test('endpoint-attribute-filter: a slash is explained where it stands', () => {
  const result = endpointAttributeFilter.params.safeParse(
    parameters('LessThan', 1, { attribute: undefined, attributeKey: 'a/GPU/dcgm-extractor' }),
  );
  const [issue] = result.error?.issues ?? [];
  expect(issue?.path).toEqual(['attributeKey']);
  expect(issue?.message).toContain("attributeKey: 'a/GPU' and producer: 'dcgm-extractor'");
});

test('endpoint-attribute-filter: an operator and its opposite part the endpoints that have the attribute', () => {
  const opposites = fc.constantFrom(
    ['LessThan', 'GreaterThanOrEqual'] as const,
    ['GreaterThan', 'LessThanOrEqual'] as const,
    ['Equal', 'NotEqual'] as const,
  );
  const value = fc.option(fc.integer({ min: -3, max: 3 }), { nil: undefined });
  fc.assert(
    fc.property(fc.array(value), opposites, fc.integer({ min: -3, max: 3 }), (values, [a, b], bound) => {
      const endpoints = pool(values);
      const sides = [a, b].map((operator) =>
        keep(parameters(operator, bound, { onMissing: 'Fail' }), endpoints),
      );
      const present = values.flatMap((one, i) => (one === undefined ? [] : [i]));
      expect(sides.flat().toSorted((x, y) => x - y)).toEqual(present);
    }),
  );
});
