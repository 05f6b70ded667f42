import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import { inFlightLoadKey, uncachedTokensKey } from '../attributes/in-flight-load.ts';
import { prefixMatchKey } from '../attributes/prefix-match.ts';
import { lmetricScorer } from './lmetric-scorer.ts';

interface Server {
  /** Of this request. */
  uncached?: number;
  /** Of requests that wait for their first token. */
  queued?: number;
  inFlight?: number;
  running?: number;
  waiting?: number;
}

/** The product as published: what follows is easy to reckon with it. */
const PUBLISHED = { ownTokensWeight: 1, batchUnit: 1 };

function scores(servers: readonly Server[], { blockSize = 64, parameters = {} } = {}): number[] {
  const params = lmetricScorer.params.parse({ ...PUBLISHED, ...parameters });
  const one = request();
  const none = new Int32Array(0);
  if (blockSize > 0) {
    one.attributes.set(prefixMatchKey(params.prefixMatchInfoProducerName), {
      matchBlocks: none,
      cachedBlocks: none,
      totalBlocks: 1,
      blockSizeTokens: blockSize,
    });
  }
  const uncached = Float64Array.from(servers, (server) => server.uncached ?? 0);
  one.attributes.set(uncachedTokensKey(params.inFlightLoadProducerName), uncached);
  const candidates = servers.map(({ queued = 0, inFlight = 0, running = 0, waiting = 0 }, slot) => {
    const built = endpoint({ slot, runningRequestsSize: running, waitingQueueSize: waiting });
    built.attributes.set(inFlightLoadKey(params.inFlightLoadProducerName), {
      requests: inFlight,
      tokens: queued,
    });
    return built;
  });
  const out = new Float64Array(servers.length);
  lmetricScorer.create(params, context()).score(one, candidates, out);
  return [...out];
}

test.each([
  { name: 'idle and cold alike', servers: [{ uncached: 2000 }, { uncached: 2000 }], want: [1, 1] },
  { name: 'fewer tokens', servers: [{ uncached: 200 }, { uncached: 2000 }], want: [1, 0.1] },
  {
    name: 'fewer requests',
    servers: [
      { uncached: 200, inFlight: 1 },
      { uncached: 200, inFlight: 4 },
    ],
    want: [1, 0.4],
  },
  {
    name: 'a cached prompt is worth a tenfold batch, and no more',
    servers: [{ uncached: 200, inFlight: 10 }, { uncached: 2000 }, { uncached: 200, inFlight: 9 }],
    want: [2000 / 2200, 1, 1],
  },
  {
    name: 'tokens that others wait for',
    servers: [
      { uncached: 200, queued: 2000, inFlight: 1 },
      { uncached: 2200, inFlight: 1 },
      { uncached: 4400 },
    ],
    want: [1, 1, 1],
  },
  {
    name: 'a whole match costs one block',
    servers: [
      { uncached: 0, inFlight: 3 },
      { uncached: 64, inFlight: 3 },
      { uncached: 64, inFlight: 1 },
    ],
    want: [0.5, 0.5, 1],
  },
  {
    name: 'the greater of own and scraped requests',
    servers: [
      { uncached: 64, inFlight: 3, running: 1, waiting: 1 },
      { uncached: 64, inFlight: 1, running: 2, waiting: 1 },
      { uncached: 64, inFlight: 1 },
    ],
    want: [0.5, 0.5, 1],
  },
  { name: 'no candidate', servers: [], want: [] },
])('lmetric-scorer: $name', ({ servers, want }) => {
  const found = scores(servers);
  expect(found).toHaveLength(want.length);
  found.forEach((score, i) => {
    expect(score).toBeCloseTo(want[i] ?? Number.NaN, 12);
  });
});

test('lmetric-scorer: without a prefix match the floor is 64 tokens, with one its block', () => {
  const servers = [{ uncached: 0, inFlight: 1 }, { uncached: 128 }];
  expect(scores(servers, { blockSize: 0 })).toEqual([1, 1]);
  expect(scores(servers, { blockSize: 128 })).toEqual([0.5, 1]);
});

test.each([
  { name: 'a unit of the batch costs as much as the prompt', parameters: { batchUnit: 8 }, want: [0.5, 1] },
  { name: 'half a unit costs half as much', parameters: { batchUnit: 16 }, want: [2 / 3, 1] },
])('lmetric-scorer: $name', ({ parameters, want }) => {
  const found = scores([{ uncached: 100, inFlight: 8 }, { uncached: 100 }], { parameters });
  found.forEach((score, i) => {
    expect(score).toBeCloseTo(want[i] ?? Number.NaN, 12);
  });
});

test('lmetric-scorer: while a miss is computed, the prefix beside it stays worth waiting for', () => {
  const servers = [
    { uncached: 200, queued: 2000, inFlight: 4 },
    { uncached: 2200, inFlight: 4 },
  ];
  expect(scores(servers)).toEqual([1, 1]);
  const [cached = 0, cold = 0] = scores(servers, { parameters: { ownTokensWeight: 1.2 } });
  expect(cached).toBe(1);
  expect(cold).toBeCloseTo((1.2 * 200 + 2000) / (1.2 * 2200), 12);
});

test.each([{ ownTokensWeight: 0.9 }, { batchUnit: 0 }, { batchUnit: -1 }])(
  'lmetric-scorer: refused parameters %o',
  (parameters) => {
    expect(lmetricScorer.params.safeParse(parameters).success).toBe(false);
  },
);

test('lmetric-scorer: a request without tokens goes where the fewest requests are', () => {
  expect(scores([{ inFlight: 3 }, { inFlight: 1 }])).toEqual([0.5, 1]);
});

test('lmetric-scorer: reads the producers it is told to', () => {
  const parameters = { prefixMatchInfoProducerName: 'precise', inFlightLoadProducerName: 'own' };
  expect(scores([{ uncached: 10, inFlight: 1 }, { uncached: 40 }], { blockSize: 32, parameters })).toEqual([
    40 / 64,
    1,
  ]);
  const requires = lmetricScorer.dependencies?.(lmetricScorer.params.parse(parameters), 'x').requires;
  expect(requires?.map((key) => key.name)).toEqual([
    'PrefixCacheMatchInfoDataKey/precise',
    'InFlightLoadDataKey/own',
    'UncachedRequestTokensDataKey/own',
    'RunningRequestsSize/core-metrics-extractor',
    'WaitingQueueSize/core-metrics-extractor',
  ]);
});

const server = fc.record({
  uncached: fc.nat(100_000),
  queued: fc.nat(100_000),
  inFlight: fc.nat(500),
  running: fc.nat(500),
  waiting: fc.nat(500),
});

test('lmetric-scorer: the best scores 1, and more of anything never scores higher', () => {
  fc.assert(
    fc.property(
      fc.array(server, { minLength: 1, maxLength: 10 }),
      fc.nat(),
      fc.constantFrom('uncached', 'queued', 'inFlight', 'running', 'waiting'),
      (servers, at, field) => {
        const i = at % servers.length;
        const before = scores(servers);
        expect(Math.max(...before)).toBe(1);
        const one = servers[i];
        if (one === undefined) return;
        const after = scores(servers.with(i, { ...one, [field]: one[field] + 100 }));
        expect(after[i]).toBeLessThanOrEqual((before[i] ?? Number.NaN) + 1e-12);
      },
    ),
  );
});

test('lmetric-scorer: a factor on all tokens changes nothing', () => {
  fc.assert(
    fc.property(
      fc.array(server, { minLength: 1, maxLength: 10 }),
      fc.integer({ min: 2, max: 9 }),
      (servers, k) => {
        const big = servers.map((one) => ({ ...one, uncached: one.uncached + 64 }));
        const scaled = big.map((one) => ({ ...one, uncached: one.uncached * k, queued: one.queued * k }));
        const [a, b] = [scores(big), scores(scaled)];
        a.forEach((score, i) => {
          expect(b[i]).toBeCloseTo(score, 9);
        });
      },
    ),
  );
});
