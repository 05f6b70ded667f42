import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { Filter } from '../../framework/filter.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { inFlightLoadKey, uncachedTokensKey } from '../attributes/in-flight-load.ts';
import { latencyPredictionKey, noPredictions } from '../attributes/latency-prediction.ts';
import { prefixMatchKey } from '../attributes/prefix-match.ts';
import { prefixCacheAffinityFilter as d } from './prefix-cache-affinity-filter.ts';

/** One endpoint of a case: how many of 100 blocks it holds, and how busy or fast it is. */
interface Row {
  readonly match: number;
  readonly tokens?: number;
  readonly uncached?: number;
  readonly ttft?: number;
}

function pool(rows: readonly Row[]): { one: InferenceRequest; candidates: Endpoint[] } {
  const one = request();
  const matchBlocks = Int32Array.from(rows, ({ match }) => match);
  one.attributes.set(prefixMatchKey(''), {
    matchBlocks,
    cachedBlocks: matchBlocks,
    totalBlocks: 100,
    blockSizeTokens: 16,
  });
  one.attributes.set(
    uncachedTokensKey(''),
    Float64Array.from(rows, ({ uncached = 0 }) => uncached),
  );
  const prediction = noPredictions(rows.length);
  rows.forEach(({ ttft }, slot) => {
    if (ttft !== undefined) prediction.ttftMs[slot] = ttft;
  });
  one.attributes.set(latencyPredictionKey(''), prediction);
  const candidates = rows.map(({ tokens }, slot) => {
    const built = endpoint({ slot });
    if (tokens !== undefined) built.attributes.set(inFlightLoadKey(''), { requests: 1, tokens });
    return built;
  });
  return { one, candidates };
}

function kept(rows: readonly Row[], raw: object): number[] {
  const { one, candidates } = pool(rows);
  const filter = d.create(d.params.parse(raw), context()) as Filter;
  return filter.filter(one, candidates).map(({ slot }) => slot);
}

const GATE_100 = { peakPrefillThroughput: 1000, maxTTFTPenaltyMs: 100 };

test.each([
  { name: 'the only candidate stays', rows: [{ match: 0 }], raw: {}, want: [0] },
  { name: 'nobody holds enough', rows: [{ match: 79 }, { match: 10 }], raw: {}, want: [0, 1] },
  { name: 'exactly the threshold', rows: [{ match: 80 }, { match: 79 }], raw: {}, want: [0] },
  {
    name: 'a load that is not known is none',
    rows: [{ match: 90 }, { match: 0, tokens: 900 }],
    raw: GATE_100,
    want: [0],
  },
  {
    name: 'the best of each side counts',
    rows: [
      { match: 90, tokens: 900 },
      { match: 95, tokens: 90 },
      { match: 0, tokens: 0 },
    ],
    raw: GATE_100,
    want: [0, 1],
  },
  {
    name: 'the tokens of the request itself count',
    rows: [
      { match: 90, tokens: 150, uncached: 10 },
      { match: 0, tokens: 0, uncached: 100 },
    ],
    raw: GATE_100,
    want: [0],
  },
  {
    name: 'unless the reference is followed',
    rows: [
      { match: 90, tokens: 150, uncached: 10 },
      { match: 0, tokens: 0, uncached: 100 },
    ],
    raw: { ...GATE_100, referenceBehavior: true },
    want: [0, 1],
  },
  {
    name: 'an endpoint without prediction is slow: nobody leaves for it',
    rows: [{ match: 90, ttft: 1e6 }, { match: 0 }],
    raw: { ttftSource: 'latencyPredictor', maxTTFTPenaltyMs: 10 },
    want: [0],
  },
  {
    name: 'one that holds the prompt and has no prediction gives way',
    rows: [{ match: 90 }, { match: 0, ttft: 5 }],
    raw: { ttftSource: 'latencyPredictor', maxTTFTPenaltyMs: 10 },
    want: [0, 1],
  },
  {
    name: 'nothing predicted at all',
    rows: [{ match: 90 }, { match: 0 }],
    raw: { ttftSource: 'latencyPredictor', maxTTFTPenaltyMs: 10 },
    want: [0],
  },
])('prefix-cache-affinity-filter: $name', ({ rows, raw, want }) => {
  expect(kept(rows, raw)).toEqual(want);
});

test('without any match everybody stays', () => {
  const candidates = [endpoint(), endpoint()];
  const filter = d.create(d.params.parse({}), context()) as Filter;
  expect(filter.filter(request(), candidates)).toBe(candidates);
});

test('exploration is drawn with its probability', () => {
  const rng = { next: () => 0.29 };
  const { one, candidates } = pool([{ match: 90 }, { match: 0 }]);
  const keeps = (explorationProbability: number) => {
    const filter = d.create(d.params.parse({ explorationProbability }), { ...context(), rng }) as Filter;
    return filter.filter(one, candidates).length;
  };
  expect([keeps(0), keeps(0.29), keeps(0.3)]).toEqual([1, 1, 2]);
});

test('what stays is everybody, or exactly those that hold enough', () => {
  const row = fc.record({ match: fc.nat(100), tokens: fc.nat(500_000), uncached: fc.nat(100_000) });
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 12 }), fc.nat(100), (rows, percent) => {
      const threshold = percent / 100;
      const slots = kept(rows, { affinityThreshold: threshold });
      const sticky = rows.flatMap(({ match }, slot) => (match / 100 >= threshold ? [slot] : []));
      if (slots.length < rows.length) expect(slots).toEqual(sticky);
      else expect(slots).toEqual(rows.map((_, slot) => slot));
    }),
  );
});

test('what it needs depends on where the time comes from', () => {
  const names = (raw: object) => {
    const { requires = [], optional = [] } = d.dependencies?.(d.params.parse(raw), 'f') ?? {};
    return [requires.map((key) => key.dataType), optional.map((key) => key.dataType)];
  };
  const match = 'PrefixCacheMatchInfoDataKey';
  expect(names({})).toEqual([[match, 'InFlightLoadDataKey'], ['UncachedRequestTokensDataKey']]);
  expect(names({ ttftSource: 'latencyPredictor' })).toEqual([[match, 'LatencyPredictionInfoDataKey'], []]);
  expect(names({ maxTTFTPenaltyMs: 0 })).toEqual([[match], []]);
});
