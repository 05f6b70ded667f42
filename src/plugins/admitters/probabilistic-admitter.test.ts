import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  anyEndpoint,
  context,
  type EndpointOptions,
  endpoint,
  request,
} from '../../../test/support/builders.ts';
import type { Rng } from '../../util/rng.ts';
import { probabilisticAdmitter } from './probabilistic-admitter.ts';

/** The admitter with a die that always shows `draw`. */
function admitter(draw: number, raw: object = {}) {
  const rng: Rng = { next: () => draw };
  return probabilisticAdmitter.create(probabilisticAdmitter.params.parse(raw), { ...context(), rng });
}

const SHED = request({ priority: -1 });

/** Smallest of 10,000 draws at which a request is let in: the probability of a refusal. */
function probability(pool: readonly EndpointOptions[], raw: object = {}): number {
  const candidates = pool.map(endpoint);
  let [low, high] = [0, 10_000];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (admitter(middle / 10_000, raw).admit(SHED, candidates) === undefined) high = middle;
    else low = middle + 1;
  }
  return low / 10_000;
}

test.each([
  { name: 'idle', pool: [{}], want: 0 },
  { name: '0.08', pool: [{ kvCacheUsage: 0.064 }], want: 0.001 },
  { name: '0.15', pool: [{ kvCacheUsage: 0.12 }], want: 0.0228 },
  { name: '0.20', pool: [{ waitingQueueSize: 1 }], want: 0.096 },
  { name: '0.30', pool: [{ kvCacheUsage: 0.24 }], want: 0.729 },
  { name: '0.3196', pool: [{ kvCacheUsage: 0.3197 * 0.8 }], want: 1 },
  { name: 'the larger of both', pool: [{ waitingQueueSize: 1, kvCacheUsage: 0.08 }], want: 0.096 },
  { name: 'the mean over endpoints', pool: [{ waitingQueueSize: 2 }, {}], want: 0.096 },
  { name: 'never scraped is full', pool: [{ updatedAtMs: Number.NEGATIVE_INFINITY }], want: 1 },
  { name: 'old metrics count', pool: [{ waitingQueueSize: 1, updatedAtMs: 0 }], want: 0.096 },
])('probability of a refusal at saturation $name', ({ pool, want }) => {
  expect(probability(pool)).toBeCloseTo(want, 3);
});

test('parameters set the curve', () => {
  const raw = { queueDepthThreshold: 10, kvCacheUtilThreshold: 0.5, power: 1, k: 2 };
  expect(probability([{ waitingQueueSize: 2 }], raw)).toBeCloseTo(0.4);
  expect(probability([{ kvCacheUsage: 0.1 }], raw)).toBeCloseTo(0.4);
});

test('a refusal says why, as a full pool', () => {
  const refusal = admitter(0).admit(SHED, [endpoint({ waitingQueueSize: 1 })]);
  expect(refusal).toMatchObject({
    code: 'resource-exhausted',
    reason: 'rejected-saturated',
    message: 'request cannot be admitted: probabilistic-admitter: rejected, saturation=0.200 prob=0.10',
  });
  expect(refusal?.httpStatus).toBe(429);
});

test('whoever is not to be shed is let in, and so is everybody where nobody can be asked', () => {
  const full = [endpoint({ waitingQueueSize: 1000 })];
  expect(admitter(0).admit(request({ priority: 0 }), full)).toBeUndefined();
  expect(admitter(0).admit(request({ priority: 5 }), full)).toBeUndefined();
  expect(admitter(0).admit(SHED, [])).toBeUndefined();
});

test('one waiting request more never makes a refusal less likely', () => {
  fc.assert(
    fc.property(
      fc.array(anyEndpoint, { minLength: 1, maxLength: 8 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (pool, draw) => {
        const isRefused = () => admitter(draw).admit(SHED, pool) !== undefined;
        const before = isRefused();
        for (const { scraped } of pool) scraped.waitingQueueSize += 1;
        if (before) expect(isRefused()).toBe(true);
      },
    ),
  );
});

test.each(['queueDepthThreshold', 'kvCacheUtilThreshold', 'power', 'k'])('%s must be above 0', (name) => {
  for (const value of [0, -1, '1']) {
    expect(probabilisticAdmitter.params.safeParse({ [name]: value }).success).toBe(false);
  }
});
