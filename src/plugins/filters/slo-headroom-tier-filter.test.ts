import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import type { Filter } from '../../framework/filter.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { latencyPredictionKey, noPredictions } from '../attributes/latency-prediction.ts';
import { sloHeadroomTierFilter as d } from './slo-headroom-tier-filter.ts';

type Headroom = readonly [number, number] | undefined;

const SLO = { 'x-llm-d-slo-ttft-ms': '100' };

function kept(headrooms: readonly Headroom[], raw: object, one: InferenceRequest, draw = 0.5): number[] {
  const prediction = noPredictions(headrooms.length);
  headrooms.forEach((headroom, slot) => {
    if (headroom === undefined) return;
    prediction.ttftMs[slot] = 1;
    prediction.ttftHeadroomMs[slot] = headroom[0];
    prediction.tpotHeadroomMs[slot] = headroom[1];
  });
  one.attributes.set(latencyPredictionKey(''), prediction);
  const filter = d.create(d.params.parse(raw), { ...context(), rng: { next: () => draw } }) as Filter;
  const candidates = headrooms.map((_, slot) => endpoint({ slot }));
  return filter.filter(one, candidates).map(({ slot }) => slot);
}

const MIXED: readonly Headroom[] = [[5, 1], [-1, 5], [5, -1], [0, 0], undefined];

test.each([
  { name: 'those in time', headers: SLO, priority: 0, draw: 0.5, raw: {}, want: [0, 3] },
  { name: 'P7: a draw of epsilon is none', headers: {}, priority: 0, draw: 0.01, raw: {}, want: [0, 3] },
  { name: 'P7: a draw below epsilon', headers: {}, priority: 0, draw: 0.009, raw: {}, want: [1, 2, 4] },
  { name: 'an objective is not risked', headers: SLO, priority: 0, draw: 0, raw: {}, want: [0, 3] },
  { name: 'that of a request to shed is', headers: SLO, priority: -1, draw: 0, raw: {}, want: [1, 2, 4] },
  {
    name: 'all are, as the reference has it',
    headers: SLO,
    priority: 5,
    draw: 0,
    raw: { referenceBehavior: true },
    want: [1, 2, 4],
  },
  {
    name: 'never',
    headers: {},
    priority: -1,
    draw: 0,
    raw: { epsilonExploreNeg: 0 },
    want: [0, 3],
  },
])('slo-headroom-tier-filter: $name', ({ headers, priority, draw, raw, want }) => {
  expect(kept(MIXED, raw, request({ headers, priority }), draw)).toEqual(want);
});

test('without predictions everybody stays', () => {
  const candidates = [endpoint(), endpoint()];
  const filter = d.create(d.params.parse({}), context()) as Filter;
  expect(filter.filter(request({ headers: SLO }), candidates)).toBe(candidates);
});

test('with an objective, no endpoint that is late stays beside one in time', () => {
  const headroom = fc.option(fc.tuple(fc.integer({ min: -9, max: 9 }), fc.integer({ min: -9, max: 9 })), {
    nil: undefined,
  });
  fc.assert(
    fc.property(fc.array(headroom, { minLength: 2, maxLength: 12 }), (headrooms) => {
      const inTime = headrooms.flatMap((one, slot) =>
        one !== undefined && one[0] >= 0 && one[1] >= 0 ? [slot] : [],
      );
      const all = headrooms.map((_, slot) => slot);
      expect(kept(headrooms, {}, request({ headers: SLO }))).toEqual(inTime.length > 0 ? inTime : all);
    }),
  );
});
