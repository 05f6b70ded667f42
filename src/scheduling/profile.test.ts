import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { context, request } from '../../test/support/builders.ts';
import {
  failures,
  keep,
  pool,
  profile,
  refusal,
  runAll,
  scheduler,
  scoring,
  throws,
  totals,
} from '../../test/support/profiles.ts';
import type { Filter } from '../framework/filter.ts';
import type { Picker } from '../framework/picker.ts';
import type { Scorer } from '../framework/scorer.ts';

describe('one profile', () => {
  test.each([
    { weights: [1, 1] as const, total: 1.1 },
    { weights: [60, 40] as const, total: 50 },
  ])('filters narrow, weighted scores add up: $weights', ({ weights, total }) => {
    const seen: string[][] = [];
    const second: Filter = {
      filter: (_request, candidates) => {
        seen.push(candidates.map((one) => one.name));
        return keep('1', '2').filter(request(), candidates);
      },
    };
    const spec = profile('p', {
      filters: [keep('1', '2', '3'), second],
      scorers: [
        [scoring(() => 0.3), weights[0]],
        [scoring(() => 0.8), weights[1]],
      ],
    });
    const result = scheduler([spec])
      .schedule(pool('1', '2', '3', '4'))
      .profiles.get('p');
    expect(seen).toEqual([['1', '2', '3']]);
    expect(Object.keys(totals(result))).toEqual(['1', '2']);
    for (const value of Object.values(totals(result))) expect(value).toBeCloseTo(total, 9);
  });

  test('scores are clamped, NaN counts as 0 and as a failure', () => {
    const ctx = context();
    const raw: Record<string, number> = { a: -0.5, b: 1.5, c: 0, d: 1, e: 0.5, f: Number.NaN };
    const spec = profile('p', { scorers: [[scoring((one) => raw[one.name] ?? 0), 1]] });
    const result = scheduler([spec], runAll, ctx).schedule(pool('a', 'b', 'c', 'd', 'e', 'f'));
    expect(totals(result.profiles.get('p'))).toEqual({ a: 0, b: 1, c: 0, d: 1, e: 0.5, f: 0 });
    expect(failures(ctx)).toEqual({ 'Scorer scorer-0': 1 });
  });

  test('clamping is per scorer: -0.5 and 1.5 make 1', () => {
    const spec = profile('p', {
      scorers: [
        [scoring(() => -0.5), 1],
        [scoring(() => 1.5), 1],
      ],
    });
    expect(totals(scheduler([spec]).schedule(pool('a')).profiles.get('p'))).toEqual({ a: 1 });
  });

  test('a scorer that writes nothing leaves totals 0; the same scorer twice adds its weights', () => {
    const silent: Scorer = { category: 'balance', score: () => undefined };
    const one = scoring(() => 1);
    const spec = profile('p', {
      scorers: [
        [silent, 5],
        [one, 2],
        [one, 3],
      ],
    });
    expect(totals(scheduler([spec]).schedule(pool('a', 'b')).profiles.get('p'))).toEqual({ a: 5, b: 5 });
    expect(
      totals(
        scheduler([profile('p', { scorers: [[silent, 5]] })])
          .schedule(pool('a'))
          .profiles.get('p'),
      ),
    ).toEqual({ a: 0 });
  });

  test('all candidates are reported, the picker decides among them', () => {
    const second: Picker = { pick: (candidates) => candidates.slice(1, 2) };
    const spec = profile('p', { scorers: [[scoring(() => 0.5), 1]], picker: second });
    const result = scheduler([spec])
      .schedule(pool('pod1', 'pod2', 'pod3'))
      .profiles.get('p');
    expect(result?.targets.map((one) => one.name)).toEqual(['pod2']);
    expect(totals(result)).toEqual({ pod1: 0.5, pod2: 0.5, pod3: 0.5 });
  });

  test('drained filters: 429 with reason, later filters, scorers and picker are not called', () => {
    const never = throws('must not be called');
    const spec = profile('p', {
      filters: [keep(), { filter: never }],
      scorers: [[{ category: 'balance', score: never }, 1]],
      picker: { pick: never },
    });
    const ctx = context();
    const error = refusal(() => scheduler([spec], runAll, ctx).schedule(pool('a')));
    expect(error).toMatchObject({
      httpStatus: 429,
      reason: 'rejected-saturated',
      message: 'no endpoints available for the given request',
    });
    expect(failures(ctx)).toEqual({});
  });

  test('no candidates: 429', () => {
    expect(refusal(() => scheduler([profile('p')]).schedule(pool())).httpStatus).toBe(429);
  });

  test('a picker that chooses nobody fails the profile: untyped 429 without reason', () => {
    const error = refusal(() =>
      scheduler([profile('p', { picker: { pick: () => [] } })]).schedule(pool('a')),
    );
    expect(error.httpStatus).toBe(429);
    expect(error.reason).toBeUndefined();
    expect(error.message).toBe(
      "failed to find target endpoint: failed to run scheduler profile 'p'; profile 'p' picked no endpoint",
    );
  });

  test('totals are right for more candidates than the first buffers hold, on reuse too', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 2, maxLength: 5 }), (sizes) => {
        const spec = profile('p', { scorers: [[scoring((_one, i) => (i % 3) / 2), 2]] });
        const engine = scheduler([spec]);
        for (const size of sizes.filter((n) => n > 0)) {
          const result = engine.schedule(pool(...Array.from({ length: size }, (_, i) => `e${i}`)));
          const got = result.profiles.get('p')?.totals.subarray(0, size) ?? [];
          expect([...got]).toEqual(Array.from({ length: size }, (_, i) => i % 3));
        }
      }),
      { numRuns: 20 },
    );
  });
});

describe('plugins that throw are contained', () => {
  test('filter passes its input, scorer scores 0 whatever it wrote, picker yields to the best total', () => {
    const ctx = context();
    const half: Scorer = {
      category: 'balance',
      score: (_request, _candidates, out) => {
        out[0] = 1;
        throw new Error('scorer');
      },
    };
    const spec = profile('p', {
      filters: [{ filter: throws('filter') }, keep('a', 'b')],
      scorers: [
        [half, 10],
        [scoring((one) => (one.name === 'b' ? 1 : 0.5)), 1],
      ],
      picker: { pick: throws('picker') },
    });
    const result = scheduler([spec], runAll, ctx)
      .schedule(pool('a', 'b', 'c'))
      .profiles.get('p');
    expect(totals(result)).toEqual({ a: 0.5, b: 1 });
    expect(result?.targets.map((one) => one.name)).toEqual(['b']);
    expect(failures(ctx)).toEqual({ 'Filter filter-0': 1, 'Scorer scorer-0': 1, 'Picker picker': 1 });
  });

  test('each is logged with its name, once in 30 s, and counted every time', () => {
    const ctx = context();
    const engine = scheduler([profile('p', { filters: [{ filter: throws('boom') }] })], runAll, ctx);
    const errors = () => ctx.log.lines.filter((line) => line.level === 'error');
    for (let i = 0; i < 5; i += 1) engine.schedule(pool('a'));
    expect(errors()).toHaveLength(1);
    expect(errors()[0]?.fields).toMatchObject({ plugin: 'filter-0', pluginType: 'filter-0-type' });
    ctx.clock.advance(29_999);
    engine.schedule(pool('a'));
    expect(errors()).toHaveLength(1);
    ctx.clock.advance(1);
    engine.schedule(pool('a'));
    expect(errors()).toHaveLength(2);
    expect(failures(ctx)).toEqual({ 'Filter filter-0': 7 });
  });
});
