import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import { scalarKey } from '../attributes/scalar.ts';
import { endpointAttributeScorer } from './endpoint-attribute-scorer.ts';

type Better = 'lower' | 'higher';

function parameters(better: Better, normalization?: object) {
  return {
    attributeKey: 'load',
    algorithm: {
      type: `linear_${better}_is_better`,
      ...(normalization === undefined ? {} : { normalization }),
    },
  };
}

function scores(raw: object, values: readonly unknown[], producer = 'core-metrics-extractor'): number[] {
  const candidates = values.map((value) => {
    const one = endpoint();
    if (value !== undefined) one.attributes.set(scalarKey('load', producer), value);
    return one;
  });
  const out = new Float64Array(values.length);
  endpointAttributeScorer
    .create(endpointAttributeScorer.params.parse(raw), context())
    .score(request(), candidates, out);
  return [...out].map((score) => Number(score.toFixed(6)));
}

const fixed = { fixedRange: { min: 0, max: 10 } };

test.each([
  { id: 'A1', raw: parameters('lower'), values: [10, 5, 0], want: [0, 0.5, 1] },
  { id: 'A2', raw: parameters('higher'), values: [10, 5, 0], want: [1, 0.5, 0] },
  { id: 'A3', raw: parameters('lower', { adaptiveRange: {} }), values: [7, 7], want: [1, 1] },
  { id: 'A4, W32', raw: parameters('lower'), values: [10, undefined, 0], want: [0, 0, 1] },
  { id: 'A5', raw: parameters('higher'), values: [undefined, undefined], want: [0, 0] },
  { id: 'A6 lower', raw: parameters('lower', fixed), values: [10, 5, 0], want: [0, 0.5, 1] },
  { id: 'A6 higher', raw: parameters('higher', fixed), values: [10, 5, 0], want: [1, 0.5, 0] },
  { id: 'A7', raw: parameters('lower', fixed), values: [7, 7], want: [0.3, 0.3] },
  { id: 'A8', raw: parameters('lower', fixed), values: [15, -5], want: [0, 1] },
  { id: 'A9', raw: parameters('higher', fixed), values: [10, undefined], want: [1, 0] },
  { id: 'W33', raw: parameters('lower', fixed), values: [7, 15, -5], want: [0.3, 0, 1] },
  {
    id: 'a fixed range from 0',
    raw: parameters('higher', { fixedRange: { max: 10 } }),
    values: [5, 20],
    want: [0.5, 1],
  },
  { id: 'one that has it', raw: parameters('lower'), values: [3, undefined], want: [1, 0] },
  { id: 'what is no number', raw: parameters('higher'), values: ['9', Number.NaN, 1, 2], want: [0, 0, 0, 1] },
  { id: 'no candidate', raw: parameters('lower'), values: [], want: [] },
])('endpoint-attribute-scorer: $id', ({ raw, values, want }) => {
  expect(scores(raw, values)).toEqual(want);
});

test('endpoint-attribute-scorer: producer and the filter’s name of the parameter', () => {
  const { attributeKey, algorithm } = parameters('higher');
  const raw = { attribute: attributeKey, algorithm, producer: 'dcgm-extractor' };
  expect(scores(raw, [1, 2], 'dcgm-extractor')).toEqual([0, 1]);
  expect(scores({ ...raw, producer: '' }, [1, 2], '')).toEqual([0, 1]);
});

test.each([
  { id: 'A10a no key', raw: { ...parameters('lower'), attributeKey: '' } },
  { id: 'A10b no type', raw: { attributeKey: 'load', algorithm: {} } },
  { id: 'A10c unknown type', raw: { attributeKey: 'load', algorithm: { type: 'log_lower_is_better' } } },
  { id: 'A10d both ranges', raw: parameters('lower', { ...fixed, adaptiveRange: {} }) },
  { id: 'A10e empty range', raw: parameters('lower', { fixedRange: { min: 1, max: 1 } }) },
  {
    id: 'A10f slash without producer',
    raw: { ...parameters('lower'), attributeKey: 'GPUUtilization/dcgm-extractor' },
  },
  { id: 'two different names', raw: { ...parameters('lower'), attribute: 'other' } },
  { id: 'no algorithm', raw: { attributeKey: 'load' } },
])('endpoint-attribute-scorer refuses $id', ({ raw }) => {
  expect(endpointAttributeScorer.params.safeParse(raw).success).toBe(false);
});

test('endpoint-attribute-scorer: A11', () => {
  const raw = { ...parameters('lower'), attributeKey: 'llm-d.ai/multicluster-queue-size', producer: '' };
  const params = endpointAttributeScorer.params.parse(raw);
  expect(endpointAttributeScorer.dependencies?.(params, 's').optional?.[0]?.name).toBe(
    'llm-d.ai/multicluster-queue-size/',
  );
});

test('endpoint-attribute-scorer: lower and higher mirror each other where the range is not empty', () => {
  const value = fc.option(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { nil: undefined });
  fc.assert(
    fc.property(fc.array(value), fc.constantFrom(undefined, fixed), (values, normalization) => {
      const present = values.filter((one) => one !== undefined);
      fc.pre(normalization !== undefined || new Set(present).size !== 1);
      const lower = scores(parameters('lower', normalization), values);
      const higher = scores(parameters('higher', normalization), values);
      values.forEach((one, i) => {
        expect((lower[i] ?? 0) + (higher[i] ?? 0)).toBeCloseTo(one === undefined ? 0 : 1, 5);
      });
    }),
  );
});
