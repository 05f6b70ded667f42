import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { context, endpoint, request, type TestContext } from '../../../test/support/builders.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { ProfileResult, SchedulingResult } from '../../framework/profile-handler.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { InferenceResponse } from '../../framework/response.ts';
import { type PrefixMatch, prefixMatchKey } from '../attributes/prefix-match.ts';
import { TOKENIZED_PROMPT, type TokenizedRequest } from '../attributes/tokenized-prompt.ts';
import { approxPrefixCacheProducer } from './approx-prefix-cache-producer.ts';

const BLOCK = 64;
let pool: Endpoint[] = [];

beforeEach(() => {
  pool = [0, 1, 2].map((slot) => endpoint({ slot, name: `pod${slot + 1}` }));
});

interface Setup {
  readonly ctx: TestContext;
  readonly plugin: ReturnType<typeof approxPrefixCacheProducer.create>;
}

function setup(raw: object = {}, endpoints: readonly Endpoint[] = pool, pools = 1): Setup {
  const ctx = { ...context('approx-prefix-cache-producer', endpoints), pools };
  return { ctx, plugin: approxPrefixCacheProducer.create(approxPrefixCacheProducer.params.parse(raw), ctx) };
}

/** A prompt of `size` tokens per block; each number makes one block, a fraction a shorter one. */
function prompt(blocks: readonly number[], size = BLOCK): Uint32Array {
  const tokens: number[] = [];
  for (const block of blocks) {
    const whole = Math.floor(block);
    for (let i = 0; i < (block === whole ? size : size / 2); i += 1) tokens.push(whole);
  }
  return Uint32Array.from(tokens);
}

function tokenized(prompts: readonly Uint32Array[], salt = ''): TokenizedRequest {
  const packed = prompts.map((ids) => ({
    bytes: new Uint8Array(ids.buffer),
    count: ids.length,
    features: [],
  }));
  return { prompts: packed, count: packed.reduce((sum, { count }) => sum + count, 0), cacheSalt: salt };
}

interface Ask {
  readonly model?: string;
  readonly salt?: string;
}

function ask(
  { plugin }: Setup,
  prompts: readonly Uint32Array[],
  { model = 'm', salt = '' }: Ask = {},
): InferenceRequest {
  const built = request({ model });
  built.attributes.set(TOKENIZED_PROMPT, tokenized(prompts, salt));
  expect(plugin.produce(built)).toBeUndefined();
  return built;
}

function match(built: InferenceRequest): PrefixMatch | undefined {
  return built.attributes.get(prefixMatchKey(''));
}

function counts(built: InferenceRequest): number[] {
  return pool.map(({ slot }) => match(built)?.matchBlocks[slot] ?? 0);
}

function result(profiles: Record<string, Endpoint | undefined>, primary = 'default'): SchedulingResult {
  const entries = Object.entries(profiles).flatMap(([name, target]): [string, ProfileResult][] =>
    target === undefined
      ? []
      : [[name, { targets: [target], candidates: [target], totals: new Float64Array(1) }]],
  );
  return { profiles: new Map(entries), primary };
}

function send(
  given: Setup,
  built: InferenceRequest,
  ...[target, prefill]: (Endpoint | undefined)[]
): InferenceRequest {
  given.plugin.preRequest(built, result({ default: target, prefill }));
  return built;
}

function answer(given: Setup, built: InferenceRequest, fields: Partial<InferenceResponse>): void {
  const response = Object.assign(new InferenceResponse(), fields);
  if (!Number.isNaN(response.firstByteAtMs)) given.plugin.responseStarted?.(built, response);
  given.plugin.responseComplete(built, response);
}

describe('approx-prefix-cache-producer: what it matches', () => {
  test('primary and prefill targets are remembered, others are not', () => {
    const given = setup();
    send(given, ask(given, [prompt([1, 2])]), pool[0], pool[2]);
    const second = ask(given, [prompt([1, 3])]);
    expect(counts(second)).toEqual([1, 0, 1]);
    expect(match(second)?.totalBlocks).toBe(2);
    expect(match(second)?.blockSizeTokens).toBe(BLOCK);
    expect(match(second)?.cachedBlocks).toBe(match(second)?.matchBlocks);
  });

  test.each([
    { name: 'the prefill profile that the handler names', stages: { prefill: 'p' }, want: [2, 2, 0] },
    { name: 'only that one', stages: { prefill: 'absent' }, want: [2, 0, 0] },
    { name: 'the one of that name where it names none', stages: {}, want: [2, 0, 2] },
  ])('remembered is the target of $name', ({ stages, want }) => {
    const given = setup();
    const [target, named, usual] = pool;
    const built = ask(given, [prompt([1, 2])]);
    const profiles = { default: target, p: named, prefill: usual };
    given.plugin.preRequest(built, { ...result(profiles), ...stages });
    expect(counts(ask(given, [prompt([1, 2])]))).toEqual(want);
  });

  test('a repeated prompt matches whole, though its last block is not full', () => {
    const given = setup();
    send(given, ask(given, [prompt([1, 2, 3.5])]), pool[1]);
    const again = ask(given, [prompt([1, 2, 3.5])]);
    expect(counts(again)).toEqual([0, 2, 0]);
    expect(match(again)?.totalBlocks).toBe(2);
    expect(counts(ask(given, [prompt([1, 2, 3, 4])]))).toEqual([0, 2, 0]);
  });

  test('a prompt shorter than a block never matches and counts as one', () => {
    const given = setup();
    send(given, ask(given, [prompt([1.5])]), pool[0]);
    const again = ask(given, [prompt([1.5])]);
    expect(counts(again)).toEqual([0, 0, 0]);
    expect(match(again)?.totalBlocks).toBe(1);
  });

  test('no tokens, no attribute', () => {
    const { plugin } = setup();
    const built = request();
    plugin.produce(built);
    expect(match(built)).toBeUndefined();
  });

  test('several prompts are chains of their own and sum up', () => {
    const given = setup();
    send(given, ask(given, [prompt([1, 2]), prompt([3, 4])]), pool[0]);
    const second = ask(given, [prompt([1, 2]), prompt([5, 6])]);
    expect(counts(second)).toEqual([2, 0, 0]);
    expect(match(second)?.totalBlocks).toBe(4);
    expect(counts(ask(given, [prompt([3, 4])]))).toEqual([2, 0, 0]);
    expect(counts(ask(given, [prompt([2])]))).toEqual([0, 0, 0]);
  });

  test('models and salts do not share', () => {
    const given = setup();
    send(given, ask(given, [prompt([1])]), pool[0]);
    expect(counts(ask(given, [prompt([1])], { model: 'other' }))).toEqual([0, 0, 0]);
    expect(counts(ask(given, [prompt([1])], { salt: 's' }))).toEqual([0, 0, 0]);
    expect(counts(ask(given, [prompt([1])]))).toEqual([1, 0, 0]);
  });

  test('images behind equal placeholders are told apart', () => {
    const given = setup();
    const withImage = (hash: string) => {
      const built = request();
      const one = tokenized([prompt([1, 2, 3])]).prompts[0];
      const features = [{ modality: 'image' as const, hash, offset: BLOCK, length: BLOCK }];
      const prompts = one === undefined ? [] : [{ ...one, features }];
      built.attributes.set(TOKENIZED_PROMPT, { prompts, count: 3 * BLOCK, cacheSalt: '' });
      given.plugin.produce(built);
      return built;
    };
    send(given, withImage('a'), pool[0]);
    expect(counts(withImage('a'))).toEqual([3, 0, 0]);
    expect(counts(withImage('b'))).toEqual([1, 0, 0]);
  });

  test('longer prompts match on their beginning', () => {
    const given = setup({ maxPrefixTokensToMatch: 2 * BLOCK + 1 });
    send(given, ask(given, [prompt([1, 2, 3, 4])]), pool[0]);
    const again = ask(given, [prompt([1, 2, 9, 9, 9])]);
    expect(counts(again)).toEqual([2, 0, 0]);
    expect(match(again)?.totalBlocks).toBe(2);
  });

  test.each([
    { raw: {}, want: 2048 },
    { raw: { maxPrefixTokensToMatch: 0, maxPrefixBlocksToMatch: 3 }, want: 3 },
    { raw: { maxPrefixTokensToMatch: 0, maxPrefixBlocksToMatch: 0 }, want: 2100 },
  ])('the limit of $raw is $want blocks', ({ raw, want }) => {
    const given = setup(raw);
    const long = prompt(Array.from({ length: 2100 }, (_, i) => i));
    expect(match(ask(given, [long]))?.totalBlocks).toBe(want);
  });

  test('the key carries the name of the instance', () => {
    const ctx = context('mine', pool);
    const plugin = approxPrefixCacheProducer.create(approxPrefixCacheProducer.params.parse({}), ctx);
    const built = request();
    built.attributes.set(TOKENIZED_PROMPT, tokenized([prompt([1])]));
    plugin.produce(built);
    expect(built.attributes.get(prefixMatchKey('mine'))?.totalBlocks).toBe(1);
    expect(match(built)).toBeUndefined();
  });
});

describe('approx-prefix-cache-producer: referenceBehavior', () => {
  /** The first endpoint holds the whole prompt, the second has lost its beginning or its end. */
  function lossy(raw: object): Setup {
    const given = setup({ lruCapacityPerServer: 4, ...raw });
    const [first, second] = pool;
    send(given, ask(given, [prompt([1, 2, 3])]), first, second);
    send(given, ask(given, [prompt([8, 9])]), second);
    return given;
  }

  test.each([
    { raw: {}, whole: [3, 2, 0], longer: [3, 2, 0] },
    { raw: { referenceBehavior: true }, whole: [3, 2, 0], longer: [3, 2, 0] },
  ])('a full endpoint loses one block of three: $raw', ({ raw, whole, longer }) => {
    const given = lossy(raw);
    expect(counts(ask(given, [prompt([1, 2, 3])]))).toEqual(whole);
    expect(counts(ask(given, [prompt([1, 2, 3, 4])]))).toEqual(longer);
  });

  test.each([
    { raw: {}, want: [1, 1, 0] },
    { raw: { referenceBehavior: true }, want: [1, 0, 0] },
  ])('which one it is: $raw', ({ raw, want }) => {
    expect(counts(ask(lossy(raw), [prompt([1, 5])]))).toEqual(want);
  });

  test('without anybody who holds the beginning nothing counts', () => {
    const given = lossy({ referenceBehavior: true });
    given.plugin.endpointRemoved(pool[0] as Endpoint);
    expect(counts(ask(given, [prompt([1, 2, 3])]))).toEqual([0, 0, 0]);
  });

  test('what failed is taken back', () => {
    const given = setup({ referenceBehavior: true });
    const failed = send(given, ask(given, [prompt([1, 2]), prompt([3, 4])]), pool[0]);
    answer(given, failed, { status: 503 });
    expect(counts(ask(given, [prompt([1, 2]), prompt([3, 4])]))).toEqual([0, 0, 0]);
    expect(given.plugin.dumpState()).toMatchObject({ blocks: 0, entries: 0 });
  });
});

describe('approx-prefix-cache-producer: capacity', () => {
  test('what does not fit is forgotten, the oldest first', () => {
    const given = setup({ lruCapacityPerServer: 2 });
    for (const block of [1, 2, 3]) send(given, ask(given, [prompt([block])]), pool[0]);
    expect([1, 2, 3].map((block) => counts(ask(given, [prompt([block])]))[0])).toEqual([0, 1, 1]);
  });

  test("follows the model server, in the index's blocks, also when it changes", () => {
    const [one = endpoint()] = pool;
    one.scraped.cacheBlockSize = 16;
    one.scraped.cacheNumBlocks = 11; // 176 tokens are 2 blocks of 64
    const given = setup();
    for (const block of [1, 2, 3]) send(given, ask(given, [prompt([block])]), one);
    expect([1, 2, 3].map((block) => counts(ask(given, [prompt([block])]))[0])).toEqual([0, 1, 1]);
    one.scraped.cacheNumBlocks = 16;
    for (const block of [4, 5]) send(given, ask(given, [prompt([block])]), one);
    expect([2, 3, 4, 5].map((block) => counts(ask(given, [prompt([block])]))[0])).toEqual([1, 1, 1, 1]);
    one.scraped.cacheNumBlocks = 4;
    send(given, ask(given, [prompt([6])]), one);
    expect([5, 6].map((block) => counts(ask(given, [prompt([block])]))[0])).toEqual([0, 1]);
  });

  test('an explicit capacity overrides what the model server says', () => {
    const [one = endpoint()] = pool;
    one.scraped.cacheBlockSize = 64;
    one.scraped.cacheNumBlocks = 1;
    const given = setup({ lruCapacityPerServer: 3 });
    send(given, ask(given, [prompt([1, 2, 3])]), one);
    expect(counts(ask(given, [prompt([1, 2, 3])]))[0]).toBe(3);
  });
});

describe('approx-prefix-cache-producer: block size', () => {
  const size = (given: Setup) => match(ask(given, [prompt([1, 2, 3])]))?.blockSizeTokens;

  test('of the model server before the configured one, and never below 64', () => {
    for (const one of pool) one.scraped.cacheBlockSize = 128;
    const given = setup({ blockSizeTokens: 256 });
    const built = ask(given, [prompt([1, 2], 128)]);
    expect(match(built)).toMatchObject({ blockSizeTokens: 128, totalBlocks: 2 });
    // The reference counts the shorter second block of these 192 tokens; here only full blocks count.
    expect(match(ask(given, [prompt([1, 2.5], 128)]))?.totalBlocks).toBe(1);
    for (const one of pool) one.scraped.cacheBlockSize = 16;
    expect(size(setup({ blockSizeTokens: 256 }))).toBe(64);
  });

  test('configured without autoTune or reports', () => {
    for (const one of pool) one.scraped.cacheBlockSize = 128;
    expect(size(setup({ autoTune: false, blockSizeTokens: 256 }))).toBe(256);
    for (const one of pool) one.scraped.cacheBlockSize = 0;
    expect(size(setup({ blockSizeTokens: 256 }))).toBe(256);
    expect(size(setup())).toBe(64);
    expect(size(setup({ blockSize: 96 }))).toBe(96);
  });

  test('what most report, and a change only when it lasts', () => {
    const [a, b, c] = pool;
    if (a === undefined || b === undefined || c === undefined) throw new Error('three endpoints');
    a.scraped.cacheBlockSize = 256;
    b.scraped.cacheBlockSize = 128;
    c.scraped.cacheBlockSize = 128;
    const given = setup();
    expect(size(given)).toBe(128);
    b.scraped.cacheBlockSize = 256;
    given.ctx.clock.advance(30_000);
    expect(size(given)).toBe(128);
    b.scraped.cacheBlockSize = 128;
    given.ctx.clock.advance(10_000);
    expect(size(given)).toBe(128);
    b.scraped.cacheBlockSize = 256;
    given.ctx.clock.advance(59_000);
    expect(size(given)).toBe(128);
    given.ctx.clock.advance(61_000);
    expect(size(given)).toBe(256);
    for (const one of pool) one.scraped.cacheBlockSize = 0;
    given.ctx.clock.advance(600_000);
    expect(size(given)).toBe(256);
  });

  test('the first report counts at once', () => {
    const given = setup();
    expect(size(given)).toBe(64);
    for (const one of pool) one.scraped.cacheBlockSize = 128;
    given.ctx.clock.advance(1000);
    expect(size(given)).toBe(128);
  });
});

describe('approx-prefix-cache-producer: answers', () => {
  test.each([
    { name: 'a good answer', fields: { status: 200, firstByteAtMs: 1, cause: 'natural' }, want: 2 },
    { name: 'an answer without body', fields: { status: 204, cause: 'natural' }, want: 2 },
    { name: 'a refusal of the server', fields: { status: 400, firstByteAtMs: 1, cause: 'natural' }, want: 1 },
    { name: 'a failure of the server', fields: { status: 503, cause: 'natural' }, want: 1 },
    { name: 'no answer at all', fields: { cause: 'error' }, want: 1 },
    {
      name: 'an error after the first byte',
      fields: { status: 200, firstByteAtMs: 1, cause: 'error' },
      want: 2,
    },
    { name: 'a client that left', fields: { cause: 'client-disconnect' }, want: 2 },
  ] as const)('$name leaves $want of 2 blocks', ({ fields, want }) => {
    const given = setup();
    send(given, ask(given, [prompt([1])]), pool[0], pool[1]);
    const second = send(given, ask(given, [prompt([1, 2])]), pool[0], pool[1]);
    answer(given, second, fields);
    expect(counts(ask(given, [prompt([1, 2])]))).toEqual([want, want, 0]);
  });

  test('what another request has used since stays', () => {
    const given = setup();
    const failed = send(given, ask(given, [prompt([1, 2, 3])]), pool[0]);
    send(given, ask(given, [prompt([1, 2])]), pool[0]);
    answer(given, failed, { status: 500 });
    expect(counts(ask(given, [prompt([1, 2, 3])]))[0]).toBe(2);
  });

  test('several prompts are taken back', () => {
    const given = setup();
    const failed = send(given, ask(given, [prompt([1, 2]), prompt([3, 4])]), pool[0]);
    answer(given, failed, { status: 500 });
    expect(counts(ask(given, [prompt([1, 2]), prompt([3, 4])]))[0]).toBe(0);
  });
});

describe('approx-prefix-cache-producer: membership', () => {
  test('an endpoint that leaves is forgotten, its slot is free at once', () => {
    const given = setup();
    const [first = endpoint()] = pool;
    send(given, ask(given, [prompt([1, 2])]), first);
    given.plugin.endpointRemoved(first);
    const next = endpoint({ slot: first.slot, name: 'next' });
    given.plugin.endpointAdded?.(next);
    expect(counts(ask(given, [prompt([1, 2])]))[0]).toBe(0);
    given.ctx.clock.advance(1000);
    expect(given.ctx.clock.pendingTimers).toBe(0);
  });

  test('neither a late request nor a late failure touches the successor', () => {
    const given = setup();
    const [first = endpoint()] = pool;
    const early = send(given, ask(given, [prompt([1])]), first);
    const late = ask(given, [prompt([7])]);
    given.plugin.endpointRemoved(first);
    const next = endpoint({ slot: first.slot, name: 'next' });
    given.plugin.endpointAdded?.(next);
    send(given, ask(given, [prompt([1])]), next);
    answer(given, early, { status: 500 });
    send(given, late, first);
    expect(counts(ask(given, [prompt([1])]))[0]).toBe(1);
    expect(counts(ask(given, [prompt([7])]))[0]).toBe(0);
  });

  test('an endpoint nobody announced enters with its first request', () => {
    const given = setup({}, []);
    const [first = endpoint()] = pool;
    send(given, ask(given, [prompt([1])]), first);
    expect(counts(ask(given, [prompt([1])]))[0]).toBe(1);
    given.plugin.endpointRemoved(first);
    send(given, ask(given, [prompt([1])]), first);
    expect(counts(ask(given, [prompt([1])]))[0]).toBe(0);
  });

  test('too many endpoints are said once', () => {
    const many = Array.from({ length: 1030 }, (_, slot) => endpoint({ slot, name: `e${slot}` }));
    const given = setup({ indexMemory: 4 * 1024 * 1024 }, many);
    expect(given.ctx.log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
    const first = ask(given, [prompt([1])]);
    send(given, first, many[1025]);
    expect(match(ask(given, [prompt([1])]))?.matchBlocks[1025]).toBe(0);
  });
});

test('approx-prefix-cache-producer: metrics of the picked endpoint', () => {
  const given = setup();
  const { instruments } = given.ctx;
  const labels = '{plugin_name="approx-prefix-cache-producer",plugin_type="approx-prefix-cache-producer"}';
  send(given, ask(given, [prompt([1, 2])]), pool[0]);
  send(given, ask(given, [prompt([1, 2, 3, 4])]), pool[0]);
  given.plugin.preRequest(request(), result({ default: pool[0] }));
  expect(instruments.observations.get(`prefix_indexer_hit_ratio${labels}`)).toEqual([0, 0.5]);
  expect(instruments.observations.get(`prefix_indexer_hit_bytes${labels}`)).toEqual([0, 2 * BLOCK * 4, 0]);
  expect(instruments.gauges.get(`prefix_indexer_size${labels}`)?.()).toBe(4);
});

test('approx-prefix-cache-producer: state for people, the fullest 100 endpoints', () => {
  const many = Array.from({ length: 130 }, (_, slot) => endpoint({ slot, name: `e${slot}` }));
  const given = setup({}, many);
  send(given, ask(given, [prompt([1, 2])]), many[120]);
  send(given, ask(given, [prompt([1])]), many[7]);
  const state = given.plugin.dumpState() as { pods: unknown[] };
  expect(state).toMatchObject({ totalPods: 130, maxPods: 100, blockSizeTokens: 64, blocks: 2, entries: 3 });
  expect(state.pods).toHaveLength(100);
  expect(state.pods.slice(0, 2)).toEqual([
    { pod: 'default/e120', blocks: 2 },
    { pod: 'default/e7', blocks: 1 },
  ]);
});

test.each([
  { raw: { autoTune: false, blockSizeTokens: 0 }, message: /blockSizeTokens/ },
  { raw: { maxPrefixTokensToMatch: -1 }, message: /maxPrefixTokensToMatch/ },
  { raw: { maxPrefixTokensToMatch: 63 }, message: /less than one block/ },
  {
    raw: { autoTune: false, blockSizeTokens: 256, maxPrefixTokensToMatch: 255 },
    message: /less than one block/,
  },
  { raw: { indexMemory: '1Mi' }, message: /4Mi/ },
  { raw: { lruCapacity: 1 }, message: /lruCapacity/ },
])('approx-prefix-cache-producer: $raw does not parse', ({ raw, message }) => {
  expect(String(approxPrefixCacheProducer.params.safeParse(raw).error)).toMatch(message);
});

test('approx-prefix-cache-producer: what is adjusted is said', () => {
  const warned = (raw: object) => setup(raw).ctx.log.lines.map(({ message }) => message);
  expect(warned({})).toEqual([]);
  expect(warned({ blockSizeTokens: 32 })).toEqual(['blockSizeTokens is below the smallest block']);
  expect(warned({ blockSize: 128 })).toEqual(['blockSize is deprecated, use blockSizeTokens']);
});

test('approx-prefix-cache-producer: a longer prompt never matches less of what was sent', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(3), { minLength: 1, maxLength: 12 }),
      fc.array(fc.nat(3), { maxLength: 6 }),
      (sent, more) => {
        const given = setup({ indexMemory: '4Mi' });
        send(given, ask(given, [prompt(sent)]), pool[0]);
        expect(counts(ask(given, [prompt([...sent, ...more])]))).toEqual([sent.length, 0, 0]);
      },
    ),
    { numRuns: 30 },
  );
});

test.each([
  { raw: {}, pools: 1, want: 128 },
  { raw: {}, pools: 4, want: 32 },
  { raw: {}, pools: 500, want: 4 },
  { raw: { indexMemory: '64Mi' }, pools: 500, want: 64 },
])('the index of each of $pools pools has its share of memory: $want MiB', ({ raw, pools, want }) => {
  const given = setup(raw, pool, pools);
  ask(given, [prompt([1])]);
  const { memoryBytes } = given.plugin.dumpState() as { memoryBytes: number };
  expect(memoryBytes / 2 ** 20).toBeLessThan(1.05 * want);
  expect(memoryBytes / 2 ** 20).toBeGreaterThan(0.7 * want);
});

test('of many pools each takes memory with its first prompt, and knows the endpoints of then', () => {
  const given = setup({}, pool.slice(0, 2), 100);
  const { plugin } = given;
  const [first, second, third] = pool as [Endpoint, Endpoint, Endpoint];
  plugin.endpointRemoved(first);
  plugin.endpointAdded(third);
  expect(plugin.dumpState()).toMatchObject({ memoryBytes: 0, entries: 0, totalPods: 2 });
  send(given, ask(given, [prompt([1, 2])]), first);
  send(given, ask(given, [prompt([1, 2])]), second);
  send(given, ask(given, [prompt([1])]), third);
  expect(counts(ask(given, [prompt([1, 2])]))).toEqual([0, 2, 1]);
  expect(plugin.dumpState()).toMatchObject({ entries: 3 });
});
