import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { SchedulingResult } from '../../framework/profile-handler.ts';
import { prefixMatchKey } from '../attributes/prefix-match.ts';
import { noHitLruScorer } from './no-hit-lru-scorer.ts';

const create = (raw: object = {}) => noHitLruScorer.create(noHitLruScorer.params.parse(raw), context());
type Scorer = ReturnType<typeof create>;

function pool(size: number): Endpoint[] {
  return Array.from({ length: size }, (_, slot) =>
    endpoint({ slot, name: `pod-${String(slot).padStart(3, '0')}` }),
  );
}

function scores(scorer: Scorer, candidates: readonly Endpoint[], one = request()): number[] {
  const out = new Float64Array(candidates.length);
  scorer.score(one, candidates, out);
  return [...out];
}

function result(...targets: readonly Endpoint[]): SchedulingResult {
  const profiles = new Map(
    targets.map((target, i) => [
      `p${i}`,
      { targets: [target], candidates: [target], totals: new Float64Array(1) },
    ]),
  );
  return { profiles, primary: 'p0' };
}

/** Routes one cold request. */
function route(scorer: Scorer, candidates: readonly Endpoint[], ...targets: readonly Endpoint[]): void {
  const one = request();
  scores(scorer, candidates, one);
  scorer.preRequest(one, result(...targets));
}

function hit(one: ReturnType<typeof request>, slot: number): void {
  const matchBlocks = new Int32Array(slot + 1);
  matchBlocks[slot] = 3;
  const match = { matchBlocks, cachedBlocks: matchBlocks, totalBlocks: 10, blockSizeTokens: 16 };
  one.attributes.set(prefixMatchKey(''), match);
}

describe('no-hit-lru-scorer', () => {
  test('never-used candidates rank by slot, whatever order they come in', () => {
    const [a, b, c] = pool(3) as [Endpoint, Endpoint, Endpoint];
    expect(scores(create(), [c, a, b])).toEqual([0, 1, 0.5]);
  });

  test('a hit outside the candidates leaves the request cold', () => {
    const [a, b] = pool(2) as [Endpoint, Endpoint];
    const one = request();
    hit(one, 7);
    expect(scores(create(), [a, b], one)).toEqual([1, 0]);
  });

  test('a request that is warm in any profile does not count', () => {
    const endpoints = pool(2);
    const [a, b] = endpoints as [Endpoint, Endpoint];
    const scorer = create();
    const one = request();
    hit(one, 0);
    expect(scores(scorer, [a], one)).toEqual([0.5]);
    expect(scores(scorer, [b], one)).toEqual([1]);
    scorer.preRequest(one, result(b));
    expect(scorer.dumpState()).toMatchObject({ totalEndpoints: 0 });
  });

  test.each([
    {
      name: 'the stages that the profile handler names, the primary one first',
      result: { primary: 'p0', prefill: 'p1', encode: 'p2' },
      want: ['default/pod-000', 'default/pod-001', 'default/pod-002'],
    },
    {
      name: 'the primary one once',
      result: { primary: 'p1', prefill: 'p1' },
      want: ['default/pod-001'],
    },
    { name: 'no others', result: { primary: 'p2', prefill: 'p9' }, want: ['default/pod-002'] },
    {
      name: 'the stages of the reference',
      raw: { referenceBehavior: true },
      result: { primary: 'p0', prefill: 'p1', encode: 'p2' },
      want: ['default/pod-000', 'default/pod-001'],
    },
  ])('a cold request remembers $name', ({ raw, result: stages, want }) => {
    const endpoints = pool(3);
    const scorer = create(raw);
    const one = request();
    scores(scorer, endpoints, one);
    scorer.preRequest(one, { ...result(...endpoints), ...stages });
    expect(scorer.dumpState()).toEqual({ endpoints: want, totalEndpoints: want.length, maxEndpoints: 100 });
  });

  test('where the profile handler names no prefill profile it is the one of that name', () => {
    const [decode, prefill] = pool(2) as [Endpoint, Endpoint];
    const scorer = create();
    const one = request();
    scores(scorer, [decode, prefill], one);
    const { profiles, primary } = result(decode);
    const stage = { targets: [prefill], candidates: [prefill], totals: new Float64Array(1) };
    scorer.preRequest(one, { profiles: new Map([['prefill', stage], ...profiles]), primary });
    expect(scorer.dumpState()).toMatchObject({ endpoints: ['default/pod-000', 'default/pod-001'] });
  });

  test('a request that was never scored, or has no target, changes nothing', () => {
    const scorer = create();
    scorer.preRequest(request(), result(...pool(1)));
    const one = request();
    scores(scorer, pool(2), one);
    scorer.preRequest(one, { profiles: new Map(), primary: 'p0' });
    expect(scorer.dumpState()).toMatchObject({ totalEndpoints: 0 });
  });

  test('the oldest leaves when the list is full', () => {
    const endpoints = pool(3);
    const scorer = create({ lruSize: 2 });
    for (const target of endpoints) route(scorer, endpoints, target);
    expect(scorer.dumpState()).toMatchObject({ endpoints: ['default/pod-001', 'default/pod-002'] });
  });

  test('a list longer than the longest is taken, with a warning', () => {
    const here = context();
    const params = noHitLruScorer.params.parse({ lruSize: 2_000_000 });
    const scorer = noHitLruScorer.create(params, here);
    const endpoints = pool(2);
    for (const target of endpoints) route(scorer, endpoints, target);
    expect(scorer.dumpState()).toMatchObject({ totalEndpoints: 2 });
    expect(here.log.lines).toMatchObject([
      { level: 'warn', fields: { lruSize: 2_000_000, used: 1_000_000 } },
    ]);
  });

  test('the dump is bounded', () => {
    const endpoints = pool(105);
    const scorer = create({ lruSize: 0 });
    for (const target of endpoints) route(scorer, endpoints, target);
    const dump = scorer.dumpState() as { endpoints: string[]; totalEndpoints: number };
    expect(dump.endpoints).toHaveLength(100);
    expect([dump.endpoints[0], dump.endpoints[99]]).toEqual(['default/pod-000', 'default/pod-099']);
    expect(dump.totalEndpoints).toBe(105);
  });

  test('a later owner of a slot does not inherit the age of the earlier one', () => {
    const [old, other] = pool(2) as [Endpoint, Endpoint];
    const scorer = create();
    route(scorer, [old, other], old);
    scorer.endpointRemoved(old);
    const successor = endpoint({ slot: 0, name: 'successor' });
    expect(scores(scorer, [successor, other])).toEqual([1, 0]);
  });

  test('ranked as the reference ranks, nobody scores higher than ranked among candidates', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(29)),
        fc.subarray([...Array(30).keys()], { minLength: 1 }),
        (uses, chosen) => {
          const endpoints = pool(30);
          const [ours, reference] = [{}, { referenceBehavior: true }].map((raw) => {
            const scorer = create(raw);
            for (const use of uses) route(scorer, endpoints, endpoints[use] as Endpoint);
            const candidates = chosen.map((slot) => endpoints[slot] as Endpoint);
            return { all: scores(scorer, endpoints), some: scores(scorer, candidates) };
          });
          expect(reference?.all).toEqual(ours?.all);
          reference?.some.forEach((score, i) => {
            expect(score).toBeGreaterThanOrEqual(0);
            expect(score).toBeLessThanOrEqual(ours?.some[i] ?? Number.NaN);
          });
        },
      ),
      { numRuns: 50 },
    );
  });

  test('cold scores are a permutation of 1 … 0, and the last one used scores lowest', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 100 }), fc.array(fc.nat(), { minLength: 1 }), (size, uses) => {
        const endpoints = pool(size);
        const scorer = create();
        let last = endpoints[0] as Endpoint;
        for (const use of uses) {
          last = endpoints[use % size] as Endpoint;
          route(scorer, endpoints, last);
        }
        const got = scores(scorer, endpoints);
        expect(got.toSorted((x, y) => y - x)).toEqual(
          Array.from({ length: size }, (_, rank) => 1 - rank / (size - 1)),
        );
        expect(got[last.slot]).toBe(0);
      }),
      { numRuns: 50 },
    );
  });
});
