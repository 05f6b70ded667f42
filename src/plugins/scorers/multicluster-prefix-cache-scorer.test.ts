import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import { prefixMatchKey } from '../attributes/prefix-match.ts';
import { multiclusterPrefixCacheScorer } from './multicluster-prefix-cache-scorer.ts';
import { prefixCacheScorer } from './prefix-cache-scorer.ts';

function scores(scorer: typeof prefixCacheScorer, raw: object, matched: readonly number[]): number[] {
  const one = request();
  const matchBlocks = Int32Array.from(matched);
  const match = { matchBlocks, cachedBlocks: matchBlocks, totalBlocks: 100, blockSizeTokens: 64 };
  one.attributes.set(prefixMatchKey('mine'), match);
  const params = scorer.params.parse({ ...raw, prefixMatchInfoProducerName: 'mine' });
  const out = new Float64Array(matched.length);
  scorer.create(params, context()).score(
    one,
    matched.map((_, slot) => endpoint({ slot })),
    out,
  );
  return [...out];
}

test('multicluster-prefix-cache-scorer rates clusters as prefix-cache-scorer rates endpoints', () => {
  expect(scores(multiclusterPrefixCacheScorer, {}, [100, 25, 0])).toEqual([1, 0.25, 0]);
  fc.assert(
    fc.property(
      fc.array(fc.nat(100)),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (matched, matchLengthWeight) => {
        const [clusters, endpoints] = [multiclusterPrefixCacheScorer, prefixCacheScorer].map((scorer) =>
          scores(scorer, { matchLengthWeight }, matched),
        );
        expect(clusters).toEqual(endpoints);
      },
    ),
  );
});
