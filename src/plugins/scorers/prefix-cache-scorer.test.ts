import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import { prefixMatchKey } from '../attributes/prefix-match.ts';
import { prefixCacheScorer } from './prefix-cache-scorer.ts';

interface Match {
  blocks: readonly number[];
  total: number;
  blockSize: number;
}

function scores(raw: object, match: Match | undefined, count = match?.blocks.length ?? 0, ctx = context()) {
  const params = prefixCacheScorer.params.parse(raw);
  const one = request();
  if (match !== undefined) {
    const matchBlocks = Int32Array.from(match.blocks);
    one.attributes.set(prefixMatchKey(params.prefixMatchInfoProducerName), {
      matchBlocks,
      cachedBlocks: matchBlocks,
      totalBlocks: match.total,
      blockSizeTokens: match.blockSize,
    });
  }
  const candidates = Array.from({ length: count }, (_, slot) => endpoint({ slot }));
  const out = new Float64Array(count);
  prefixCacheScorer.create(params, ctx).score(one, candidates, out);
  return [...out];
}

test.each([
  { name: 'the ratio', raw: {}, blocks: [10, 4, 0], total: 10, blockSize: 16, want: [1, 0.4, 0] },
  {
    name: 'length counts with its square',
    raw: { matchLengthWeight: 1, matchLengthScaleTokens: 100 },
    blocks: [5, 10, 20],
    total: 100,
    blockSize: 10,
    want: [0.25, 1, 1],
  },
  {
    name: 'without a block size only the ratio part is left',
    raw: { matchLengthWeight: 0.5 },
    blocks: [5],
    total: 10,
    blockSize: 0,
    want: [0.25],
  },
  { name: 'no tokens', raw: {}, blocks: [0, 0], total: 0, blockSize: 16, want: [0, 0] },
])('prefix-cache-scorer: $name', ({ raw, blocks, total, blockSize, want }) => {
  expect(scores(raw, { blocks, total, blockSize })).toEqual(want);
});

test('prefix-cache-scorer: slots past the end of the match hold nothing', () => {
  expect(scores({}, { blocks: [5], total: 10, blockSize: 16 }, 3)).toEqual([0.5, 0, 0]);
});

test('prefix-cache-scorer: without a match all score 0 and one debug line says how many', () => {
  const ctx = context();
  expect(scores({}, undefined, 3, ctx)).toEqual([0, 0, 0]);
  expect(ctx.log.lines).toMatchObject([{ level: 'debug', fields: { count: 3 } }]);
});

test('prefix-cache-scorer: reads the producer it is told to', () => {
  const params = { prefixMatchInfoProducerName: 'precise' };
  expect(scores(params, { blocks: [10], total: 10, blockSize: 16 })).toEqual([1]);
  const requires = prefixCacheScorer.dependencies?.(prefixCacheScorer.params.parse(params), 'x').requires;
  expect(requires?.map((key) => key.name)).toEqual(['PrefixCacheMatchInfoDataKey/precise']);
});

test('prefix-cache-scorer: a longer match never scores lower, a whole one with full length scores 1', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5000 }),
      fc.nat(),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (total, at, weight) => {
        const blocks = at % total;
        const raw = { matchLengthWeight: weight, matchLengthScaleTokens: 16 };
        const [shorter = 0, longer = 0, whole = 0] = scores(raw, {
          blocks: [blocks, blocks + 1, total],
          total,
          blockSize: 16,
        });
        expect(longer).toBeGreaterThanOrEqual(shorter);
        expect(whole).toBeCloseTo(1, 12);
      },
    ),
  );
});
