import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import { inFlightLoadKey, uncachedTokensKey } from '../attributes/in-flight-load.ts';
import { tokenLoadScorer } from './token-load-scorer.ts';

interface Load {
  readonly underWay?: number;
  readonly uncached?: number;
}

function scores(raw: object, loads: readonly Load[], producer = ''): number[] {
  const one = request();
  const candidates = loads.map(({ underWay }, slot) => {
    const built = endpoint({ slot });
    if (underWay !== undefined) {
      built.attributes.set(inFlightLoadKey(producer), { requests: 1, tokens: underWay });
    }
    return built;
  });
  if (loads.some(({ uncached }) => uncached !== undefined)) {
    const tokens = Float64Array.from(loads, ({ uncached }) => uncached ?? 0);
    one.attributes.set(uncachedTokensKey(producer), tokens);
  }
  const out = new Float64Array(loads.length);
  tokenLoadScorer.create(tokenLoadScorer.params.parse(raw), context()).score(one, candidates, out);
  return [...out];
}

const underWay = (...tokens: readonly (number | undefined)[]) =>
  tokens.map((count): Load => (count === undefined ? {} : { underWay: count }));

test.each([
  {
    id: 'W13',
    raw: {},
    loads: underWay(65_536, 1_048_576, 5_000_000, undefined),
    want: [0.984375, 0.75, 0, 1],
  },
  {
    id: 'S33',
    raw: { queueThresholdTokens: 1000 },
    loads: underWay(undefined, 500, 1000),
    want: [1, 0.5, 0],
  },
  {
    id: 'S34',
    raw: { queueThresholdTokens: 1000 },
    loads: [
      { underWay: 0, uncached: 250 },
      { underWay: 250, uncached: 250 },
      { underWay: 750, uncached: 250 },
    ],
    want: [0.75, 0.5, 0],
  },
  { id: 'S35', raw: {}, loads: [{}], want: [1] },
  {
    id: 'a threshold of 0 is the default',
    raw: { queueThresholdTokens: 0 },
    loads: underWay(1_048_576),
    want: [0.75],
  },
  { id: 'never above 1', raw: { queueThresholdTokens: 10 }, loads: underWay(-5), want: [1] },
  { id: 'no candidate', raw: {}, loads: [], want: [] },
])('token-load-scorer: $id', ({ raw, loads, want }) => {
  expect(scores(raw, loads)).toEqual(want);
});

test('token-load-scorer: both numbers come from the producer that it names', () => {
  const raw = { queueThresholdTokens: 100, inFlightLoadProducerName: 'mine' };
  expect(scores(raw, [{ underWay: 25, uncached: 25 }], 'mine')).toEqual([0.5]);
  expect(scores(raw, [{ underWay: 25, uncached: 25 }])).toEqual([1]);
  const { requires } = tokenLoadScorer.dependencies?.(tokenLoadScorer.params.parse(raw), 's') ?? {};
  expect(requires?.map((key) => key.name)).toEqual([
    'InFlightLoadDataKey/mine',
    'UncachedRequestTokensDataKey/mine',
  ]);
});

test('token-load-scorer: the same request added to all never reorders them', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(2000), { minLength: 2 }), fc.nat(500), (tokens, added) => {
      const raw = { queueThresholdTokens: 1000 };
      const before = scores(raw, underWay(...tokens));
      const after = scores(
        raw,
        tokens.map((count) => ({ underWay: count, uncached: added })),
      );
      for (let i = 1; i < tokens.length; i += 1) {
        const [a, b] = [before[i - 1] ?? 0, before[i] ?? 0];
        if (a <= b) expect(after[i - 1]).toBeLessThanOrEqual(after[i] ?? 0);
      }
    }),
  );
});
