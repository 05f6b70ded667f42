import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { DataProducer, PreRequestHook } from '../../framework/hooks.ts';
import type { ProfileResult, SchedulingResult } from '../../framework/profile-handler.ts';
import { prefixMatchKey } from '../attributes/prefix-match.ts';
import { p2pSourceProducer } from './p2p-source-producer.ts';

const HEADER = 'x-kv-cache-source-host-port';
const BLOCK = 16;
const patience = { signal: new AbortController().signal };

function chosen(...targets: Endpoint[]): ProfileResult {
  return { targets, candidates: targets, totals: new Float64Array(targets.length) };
}

/** The header after a request whose candidates hold `blocks` and wait in queues of `queues`. */
function source(options: {
  readonly blocks: readonly number[];
  readonly queues?: readonly number[];
  readonly params?: object;
  readonly id?: string;
  readonly result: (pool: readonly Endpoint[]) => SchedulingResult;
}): string | undefined {
  const pool = options.blocks.map((_, slot) =>
    endpoint({
      slot,
      address: `10.0.0.${slot + 1}`,
      port: 8000,
      waitingQueueSize: options.queues?.[slot] ?? 0,
    }),
  );
  const plugin = p2pSourceProducer.create(
    p2pSourceProducer.params.parse(options.params ?? {}),
    context('p2p-source-producer', pool),
  ) as DataProducer & PreRequestHook;
  const one = request();
  one.requestId = options.id ?? 'r-1';
  const blocks = Int32Array.from(options.blocks);
  one.attributes.set(prefixMatchKey(''), {
    matchBlocks: blocks,
    cachedBlocks: blocks,
    totalBlocks: 10,
    blockSizeTokens: BLOCK,
  });
  void plugin.produce(one, pool, patience);
  plugin.preRequest(one, options.result(pool));
  return one.headers.get(HEADER);
}

/** The endpoint at `at` computes, as the primary profile. */
function primaryAt(at: number) {
  return (pool: readonly Endpoint[]): SchedulingResult => ({
    profiles: new Map([['default', chosen(pool[at] ?? endpoint())]]),
    primary: 'default',
  });
}

describe('the source', () => {
  test('X1: a peer two blocks behind is no choice, however idle', () => {
    for (let i = 0; i < 50; i += 1) {
      const options = { blocks: [5, 3, 0], queues: [20, 0, 0], id: `r-${i}`, result: primaryAt(2) };
      expect(source(options)).toBe('10.0.0.1:8000');
    }
  });

  test('X2: within one block, short queues are more likely: 1/21 to 1', () => {
    const counts = new Map<string | undefined, number>();
    for (let i = 0; i < 2000; i += 1) {
      const id = `request-${i}-${(i * 7919) % 1009}`;
      const found = source({ blocks: [4, 3, 0], queues: [20, 0, 0], id, result: primaryAt(2) });
      counts.set(found, (counts.get(found) ?? 0) + 1);
    }
    const busy = counts.get('10.0.0.1:8000') ?? 0;
    expect(counts.size).toBe(2);
    expect(busy / 2000).toBeGreaterThan(0.02);
    expect(busy / 2000).toBeLessThan(0.08);
  });

  test('X2: the difference is that of the chosen peer', () => {
    const params = { minCachedTokenDelta: 4 * BLOCK };
    const seen = new Set<string | undefined>();
    for (let i = 0; i < 200; i += 1) {
      seen.add(source({ blocks: [4, 3, 0], id: `r-${i}`, params, result: primaryAt(2) }));
    }
    expect(seen).toEqual(new Set(['10.0.0.1:8000', undefined]));
  });

  test.each([
    { name: 'X3: the best peer computes itself', blocks: [5, 0], at: 0, params: {} },
    {
      name: 'X3: the difference is too small',
      blocks: [5, 4],
      at: 1,
      params: { minCachedTokenDelta: 2 * BLOCK },
    },
    { name: 'nobody holds anything', blocks: [0, 0], at: 1, params: {} },
  ])('$name: no header', ({ blocks, at, params }) => {
    expect(source({ blocks, params, id: 'r', result: primaryAt(at) })).toBeUndefined();
  });

  test.each([
    { name: 'the profile of the parameter', prefill: undefined, params: { prefillProfileName: 'first' } },
    { name: 'the profile the handler names', prefill: 'first', params: {} },
  ])('the endpoint that computes is that of $name', ({ prefill, params }) => {
    const result = (pool: readonly Endpoint[]): SchedulingResult => ({
      profiles: new Map([
        ['decode', chosen(pool[1] ?? endpoint())],
        ['first', chosen(pool[0] ?? endpoint())],
      ]),
      primary: 'decode',
      prefill,
    });
    expect(source({ blocks: [5, 0], params, result })).toBeUndefined();
    expect(source({ blocks: [0, 5], params, result })).toBe('10.0.0.2:8000');
  });

  test('it is the same for the same request id, and among those who hold most', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(6), { minLength: 2, maxLength: 8 }), fc.string(), (blocks, id) => {
        const options = { blocks: [0, ...blocks], id, result: primaryAt(0) };
        const found = source(options);
        expect(source(options)).toBe(found);
        const most = Math.max(...blocks);
        if (most === 0) expect(found).toBeUndefined();
        else
          expect(options.blocks[Number(/\.(\d+):/.exec(found ?? '')?.[1]) - 1]).toBeGreaterThanOrEqual(
            Math.max(1, most - 1),
          );
      }),
    );
  });
});

test('requests without a prefix match are left alone', () => {
  const plugin = p2pSourceProducer.create(
    p2pSourceProducer.params.parse({}),
    context('p2p-source-producer'),
  ) as DataProducer & PreRequestHook;
  const one = request();
  const target = endpoint();
  void plugin.produce(one, [target], patience);
  plugin.preRequest(one, { profiles: new Map([['p', chosen(target)]]), primary: 'p' });
  expect(one.headers.has(HEADER)).toBe(false);
});

test.each([{ minCachedTokenDelta: 0 }, { minCachedTokenDelta: -1 }])('refused parameters: %o', (bad) => {
  expect(p2pSourceProducer.params.safeParse(bad).success).toBe(false);
});
