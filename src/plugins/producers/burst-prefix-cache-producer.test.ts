import { describe, expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { DataProducer } from '../../framework/hooks.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { prefixMatchKey } from '../attributes/prefix-match.ts';
import { TOKENIZED_PROMPT } from '../attributes/tokenized-prompt.ts';
import { burstPrefixCacheProducer } from './burst-prefix-cache-producer.ts';

const NAME = 'burst-prefix-cache-producer';
const pool = [0, 1, 2].map((slot) => endpoint({ name: `e${slot}`, slot }));
const patience = { signal: new AbortController().signal };

function setup(params: object = {}) {
  const ctx = context(NAME, pool);
  const producer = burstPrefixCacheProducer.create(
    burstPrefixCacheProducer.params.parse({ blockSizeTokens: 2, ...params }),
    ctx,
  ) as DataProducer;
  return { ctx, producer };
}

/** A request whose prompt has these token ids. */
function asking(ids: readonly number[]): InferenceRequest {
  const one = request();
  const bytes = new Uint8Array(Uint32Array.from(ids).buffer);
  if (ids.length > 0) {
    one.attributes.set(TOKENIZED_PROMPT, {
      prompts: [{ bytes, count: ids.length, features: [] }],
      count: ids.length,
      cacheSalt: '',
    });
  }
  return one;
}

/** Blocks matched at each endpoint of the pool. */
function matches(one: InferenceRequest): number[] {
  const match = one.attributes.get(prefixMatchKey(NAME));
  return pool.map(({ slot }: Endpoint) => match?.matchBlocks[slot] ?? 0);
}

describe('one window', () => {
  test('equal prompts go to one endpoint, which matches all of their blocks; others match nothing', async () => {
    const { ctx, producer } = setup();
    const same = [asking([1, 2, 3, 4, 5]), asking([1, 2, 3, 4, 5])];
    const other = asking([9, 9, 9, 9]);
    const waiting = [...same, other].map((one) => producer.produce(one, pool, patience));
    expect(matches(same[0] ?? other)).toEqual([0, 0, 0]);
    ctx.clock.advance(100);
    await Promise.all(waiting);
    for (const one of same) expect(matches(one)).toEqual([2, 0, 0]);
    expect(matches(other)).toEqual([0, 0, 0]);
    expect(other.attributes.get(prefixMatchKey(NAME))).toMatchObject({ totalBlocks: 2, blockSizeTokens: 2 });
  });

  test('nothing is remembered in the next one', async () => {
    const { ctx, producer } = setup();
    const first = [asking([1, 2]), asking([1, 2])].map((one) => producer.produce(one, pool, patience));
    ctx.clock.advance(100);
    await Promise.all(first);
    const late = asking([1, 2]);
    const waiting = producer.produce(late, pool, patience);
    ctx.clock.advance(100);
    await waiting;
    expect(matches(late)).toEqual([0, 0, 0]);
  });

  test('a request without a full block does not wait', () => {
    const { producer } = setup();
    const [empty, short] = [asking([]), asking([1])];
    expect(producer.produce(empty, pool, patience)).toBeUndefined();
    expect(producer.produce(short, pool, patience)).toBeUndefined();
    expect(short.attributes.get(prefixMatchKey(NAME))?.totalBlocks).toBe(0);
  });

  test('a request whose client left is placed but not written to', async () => {
    const { ctx, producer } = setup();
    const leaving = new AbortController();
    const [left, stays] = [asking([1, 2]), asking([1, 2])];
    const waiting = [
      producer.produce(left, pool, { signal: leaving.signal }),
      producer.produce(stays, pool, patience),
    ];
    leaving.abort();
    ctx.clock.advance(100);
    await Promise.all(waiting);
    expect(left.attributes.get(prefixMatchKey(NAME))).toBeUndefined();
    expect(matches(stays)).toEqual([1, 0, 0]);
  });

  test('a full window refuses', async () => {
    const { ctx, producer } = setup({ maxBatchSize: 1 });
    const waiting = producer.produce(asking([1, 2]), pool, patience);
    expect(() => producer.produce(asking([1, 2]), pool, patience)).toThrow('holds 1 requests');
    ctx.clock.advance(100);
    await waiting;
  });

  test('models have caches of their own', async () => {
    const { ctx, producer } = setup();
    const [a, b] = [asking([1, 2]), asking([1, 2])];
    b.targetModel = 'other';
    const waiting = [a, b].map((one) => producer.produce(one, pool, patience));
    ctx.clock.advance(100);
    await Promise.all(waiting);
    expect([matches(a), matches(b)]).toEqual([
      [0, 0, 0],
      [0, 0, 0],
    ]);
  });
});

test('the budget is the window and a grace', () => {
  expect(setup({ windowDurationMs: 250 }).producer.timeoutMs).toBe(550);
});

test.each([
  { windowDurationMs: 0 },
  { windowDurationMs: 10_001 },
  { maxPerReplica: 0 },
  { maxPerReplica: -2 },
  { maxBatchSize: 0 },
  { blockSizeTokens: 0 },
  { maxPrefixTokensToMatch: 63 },
  { minColocateBlocks: -1 },
  { balanceBy: 'endpoints' },
])('refused parameters: %o', (bad) => {
  expect(burstPrefixCacheProducer.params.safeParse(bad).success).toBe(false);
});

test('an empty balanceBy means requests', () => {
  expect(burstPrefixCacheProducer.params.safeParse({ balanceBy: '' }).success).toBe(true);
});
