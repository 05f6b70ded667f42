import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { TOKENIZED_PROMPT } from '../attributes/tokenized-prompt.ts';
import { parseLengthRange } from './context-length-aware/length-range.ts';
import { contextLengthAware } from './context-length-aware.ts';

const LABEL = 'llm-d.ai/context-length-range';

function pool(ranges: readonly (string | undefined)[], label = LABEL): Endpoint[] {
  return ranges.map((range) => endpoint({ labels: range === undefined ? {} : { [label]: range } }));
}

/** `count` tokens; undefined for a request that is not tokenized. */
function ofLength(count: number | undefined): InferenceRequest {
  const one = request();
  if (count !== undefined) one.attributes.set(TOKENIZED_PROMPT, { prompts: [], count, cacheSalt: '' });
  return one;
}

function create(raw: object = {}) {
  return contextLengthAware.create(contextLengthAware.params.parse(raw), context());
}

function scores(count: number | undefined, ranges: readonly (string | undefined)[]): number[] {
  const out = new Float64Array(ranges.length);
  create().score(ofLength(count), pool(ranges), out);
  return [...out].map((score) => Number(score.toFixed(6)));
}

function kept(count: number | undefined, ranges: readonly (string | undefined)[], raw: object): number[] {
  const candidates = pool(ranges);
  const stay = create(raw).filter(ofLength(count), candidates);
  if (stay.length === candidates.length) expect(stay).toBe(candidates);
  return stay.map((one) => candidates.indexOf(one));
}

test.each([
  {
    id: 'W28',
    count: 1000,
    ranges: ['0-2048', '0-8192', undefined, '2048-4096'],
    want: [0.814167, 0.753714, 0.5, 0.146484],
  },
  { id: 'W29', count: 9000, ranges: ['0-2048', '0-8192'], want: [0.037726, 0.165929] },
  { id: 'W30', count: 0, ranges: ['0-20', '0-10000', '500-1000'], want: [0.999022, 0.755, 0.2] },
  { id: 'W31 wide', count: 32_000, ranges: ['0-32000'], want: [0.416667] },
  { id: 'W31 exact', count: 100, ranges: ['100-100'], want: [1] },
  {
    id: 'A13',
    count: undefined,
    ranges: ['0-20', '0-10000', '500-1000', undefined],
    want: [0.999022, 0.755, 0.2, 0.5],
  },
  { id: 'A17', count: 9000, ranges: ['0-2048', '0-8192'], want: [0.037726, 0.165929] },
  { id: 'A18', count: 14_999, ranges: ['0-15000', '15001-20000'], want: [0.496014, 0.299401] },
  { id: 'no range', count: 5, ranges: ['', 'short', '10-1'], want: [0, 0, 0] },
])('context-length-aware scores $id', ({ count, ranges, want }) => {
  expect(scores(count, ranges)).toEqual(want);
});

test.each([
  { id: 'A12', count: 0, ranges: ['0-100', '100-500', '0-2000', undefined], want: [0, 2, 3] },
  { id: 'A14', count: 42, ranges: ['0-52', '142-242'], want: [0] },
  { id: 'A15', count: undefined, ranges: ['0-50', '100-200'], want: [0] },
  { id: 'both ends belong to the range', count: 100, ranges: ['0-100', '100-200', '101-200'], want: [0, 1] },
  { id: 'a label that is no range', count: 1, ranges: ['x', undefined], want: [1] },
  { id: 'nobody', count: 5000, ranges: ['0-100'], want: [] },
])('context-length-aware keeps $id', ({ count, ranges, want }) => {
  expect(kept(count, ranges, { enableFiltering: true })).toEqual(want);
  expect(kept(count, ranges, {})).toEqual(ranges.map((_, i) => i));
});

test('context-length-aware: another label', () => {
  const candidates = pool(['0-10', '90-100'], 'lengths');
  const filter = create({ label: 'lengths', enableFiltering: true });
  expect(filter.filter(ofLength(95), candidates)).toEqual([candidates[1]]);
});

test.each([
  { id: 'A16a', text: '0-100', want: { min: 0, max: 100 } },
  { id: 'A16b', text: '', want: undefined },
  { id: 'A16c', text: '0-100-200', want: undefined },
  { id: 'A16d', text: '100-50', want: undefined },
  { id: 'A16e', text: 'abc-100', want: undefined },
  { id: 'spaces', text: ' 1 - 2 ', want: { min: 1, max: 2 } },
  { id: 'one number', text: '5', want: undefined },
  { id: 'no end', text: '5-', want: undefined },
  { id: 'a fraction', text: '0-1.5', want: undefined },
  { id: 'beyond exact integers', text: '0-99999999999999999999', want: undefined },
])('length range $id', ({ text, want }) => {
  expect(parseLengthRange(text)).toEqual(want);
});

test('context-length-aware: A19', () => {
  expect(contextLengthAware.params.parse({})).toEqual({ label: LABEL, enableFiltering: false });
  expect(contextLengthAware.params.safeParse({ label: '' }).success).toBe(false);
  expect(contextLengthAware.params.safeParse({ enableFiltering: 'yes' }).success).toBe(false);
});

test('context-length-aware: more labels than it remembers are read all the same', () => {
  const scorer = create();
  const ranges = Array.from({ length: 3000 }, (_, i) => `${i}-${i}`);
  const out = new Float64Array(ranges.length);
  scorer.score(ofLength(2500), pool(ranges), out);
  expect(out.indexOf(1)).toBe(2500);
});

test('context-length-aware: whoever the filter keeps scores higher than a labelled one it drops', () => {
  const range = fc
    .tuple(fc.nat(50_000), fc.nat(50_000))
    .map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`);
  fc.assert(
    fc.property(fc.nat(60_000), fc.array(range, { minLength: 1 }), (count, ranges) => {
      const stay = kept(count, ranges, { enableFiltering: true });
      const got = scores(count, ranges);
      const inside = got.filter((_, i) => stay.includes(i));
      const outside = got.filter((_, i) => !stay.includes(i));
      for (const score of inside) expect(score).toBeGreaterThanOrEqual(0.3);
      for (const score of outside) expect(score).toBeLessThan(0.3);
    }),
  );
});
