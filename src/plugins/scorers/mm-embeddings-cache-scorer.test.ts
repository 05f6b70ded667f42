import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import type { Scorer } from '../../framework/scorer.ts';
import { encoderCacheMatchKey } from '../attributes/encoder-cache-match.ts';
import { mmEmbeddingsCacheScorer } from './mm-embeddings-cache-scorer.ts';

/** Scores of endpoints that have seen `matched` of `size`; undefined: the request has no media. */
function scores(size: number | undefined, matched: readonly number[], producerName = ''): number[] {
  const one = request();
  if (size !== undefined) {
    const matchedSize = Float64Array.from(matched);
    one.attributes.set(encoderCacheMatchKey(producerName), { requestSize: size, matchedSize });
  }
  const out = new Float64Array(matched.length);
  const params = producerName === '' ? {} : { producerName };
  const scorer = mmEmbeddingsCacheScorer.create(mmEmbeddingsCacheScorer.params.parse(params), context());
  const candidates = matched.map((_, slot) => endpoint({ slot }));
  (scorer as Scorer).score(one, candidates, out);
  return [...out];
}

test.each([
  { name: 'W26', size: 3, matched: [2, 0], want: [2 / 3, 0] },
  { name: 'S36', size: 100, matched: [80, 20, 0], want: [0.8, 0.2, 0] },
  { name: 'S37: no media', size: undefined, matched: [1, 1], want: [0, 0] },
  { name: 'S37: nothing asked for', size: 0, matched: [0, 0], want: [0, 0] },
])('mm-embeddings-cache-scorer: $name', ({ size, matched, want }) => {
  expect(scores(size, matched)).toEqual(want);
});

test('mm-embeddings-cache-scorer: it reads the named producer', () => {
  expect(scores(2, [1], 'mine')).toEqual([0.5]);
});

test('mm-embeddings-cache-scorer: one item more never scores lower', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.nat(49), (size, seen) => {
      const matched = Math.min(seen, size - 1);
      const [fewer = 0, more = 0] = scores(size, [matched, matched + 1]);
      expect(more).toBeGreaterThan(fewer);
      expect(more).toBeLessThanOrEqual(1);
    }),
  );
});
