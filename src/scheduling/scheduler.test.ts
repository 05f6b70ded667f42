import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { context, endpoint, request, type TestContext } from '../../test/support/builders.ts';
import type { Endpoint } from '../framework/endpoint.ts';
import { RejectionError } from '../framework/errors.ts';
import type { Filter } from '../framework/filter.ts';
import type { Picker } from '../framework/picker.ts';
import type { ProfileSpec } from '../framework/pipeline.ts';
import type { Named } from '../framework/plugin.ts';
import type { ProfileHandler, ProfileResult } from '../framework/profile-handler.ts';
import type { Scorer } from '../framework/scorer.ts';
import { Scheduler } from './scheduler.ts';

const named = <T>(name: string, plugin: T): Named<T> => ({ name, type: `${name}-type`, plugin });
const keep = (...names: string[]): Filter => ({
  filter: (_request, candidates) => candidates.filter((one) => names.includes(one.name)),
});
const scoring = (score: (one: Endpoint, i: number) => number): Scorer => ({
  category: 'balance',
  score: (_request, candidates, out) => {
    candidates.forEach((one, i) => {
      out[i] = score(one, i);
    });
  },
});
const first: Picker = { pick: (candidates) => candidates.slice(0, 1) };
const throws = (message: string) => () => {
  throw new Error(message);
};

/** Runs every profile once, in order; the first configured one is primary. */
const runAll: ProfileHandler = {
  pick: (_request, names, results) => names.filter((name) => !results.has(name)).slice(0, 1),
  process: (_request, results) => {
    const profiles = new Map<string, ProfileResult>();
    for (const [name, result] of results) if (result !== undefined) profiles.set(name, result);
    const primary = [...results.keys()][0] ?? '';
    if (!profiles.has(primary)) throw new Error(`failed to run scheduler profile '${primary}'`);
    return { profiles, primary };
  },
};

interface Parts {
  filters?: readonly Filter[];
  scorers?: readonly (readonly [Scorer, number])[];
  picker?: Picker;
}

function profile(name: string, parts: Parts = {}): ProfileSpec {
  return {
    name,
    filters: (parts.filters ?? []).map((one, i) => named(`filter-${i}`, one)),
    scorers: (parts.scorers ?? []).map(([one, weight], i) => ({ ...named(`scorer-${i}`, one), weight })),
    picker: named('picker', parts.picker ?? first),
  };
}

function scheduler(profiles: readonly ProfileSpec[], handler = runAll, ctx: TestContext = context()) {
  return new Scheduler({ profiles, handler: named('handler', handler), ...ctx });
}

function pool(...names: string[]) {
  const built = request({ model: 'm' });
  built.candidates = names.map((name) => endpoint({ name }));
  return built;
}

function refusal(run: () => unknown): RejectionError {
  try {
    run();
  } catch (error) {
    if (error instanceof RejectionError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** Totals by endpoint name. */
function totals(result: ProfileResult | undefined): Record<string, number> {
  return Object.fromEntries(result?.candidates.map((one, i) => [one.name, result.totals[i] ?? 0]) ?? []);
}

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

/** Contained failures by extension point and plugin name. */
function failures(ctx: TestContext): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [series, { value }] of ctx.instruments.counters) {
    const match = /^plugin_errors_total\{extension_point="(\w+)",plugin_name="([\w-]+)"/.exec(series);
    if (match !== null && value > 0) found[`${match[1]} ${match[2]}`] = value;
  }
  return found;
}

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
    expect(errors()[0]?.fields).toMatchObject({ plugin: 'filter-0', type: 'filter-0-type' });
    ctx.clock.advance(29_999);
    engine.schedule(pool('a'));
    expect(errors()).toHaveLength(1);
    ctx.clock.advance(1);
    engine.schedule(pool('a'));
    expect(errors()).toHaveLength(2);
    expect(failures(ctx)).toEqual({ 'Filter filter-0': 7 });
  });
});

describe('the cycle', () => {
  test('every profile starts from all candidates and has its own totals', () => {
    const decode = profile('decode', { filters: [keep('d')], scorers: [[scoring(() => 1), 1]] });
    const prefill = profile('prefill', { filters: [keep('p')], scorers: [[scoring(() => 0.25), 1]] });
    const result = scheduler([decode, prefill]).schedule(pool('d', 'p'));
    expect(result.primary).toBe('decode');
    expect(totals(result.profiles.get('decode'))).toEqual({ d: 1 });
    expect(totals(result.profiles.get('prefill'))).toEqual({ p: 0.25 });
  });

  test('a failed secondary profile does not fail the cycle', () => {
    const result = scheduler([profile('decode'), profile('prefill', { filters: [keep()] })]).schedule(
      pool('d'),
    );
    expect([...result.profiles.keys()]).toEqual(['decode']);
  });

  test('the error of the handler comes first, then those of the profiles by name', () => {
    const drained = (name: string) => profile(name, { filters: [keep()] });
    const refusing: ProfileHandler = {
      pick: runAll.pick,
      process: () => {
        throw new RejectionError('precondition-failed', 'not here');
      },
    };
    const profiles = [drained('z'), profile('a', { picker: { pick: () => [] } })];
    expect(refusal(() => scheduler(profiles, refusing).schedule(pool('x'))).httpStatus).toBe(412);
    expect(refusal(() => scheduler(profiles).schedule(pool('x'))).reason).toBe('rejected-saturated');
  });

  test('a handler that never stops asking is stopped after two rounds a profile', () => {
    const ctx = context();
    let rounds = 0;
    const endless: ProfileHandler = {
      pick: (_request, names) => {
        rounds += 1;
        return names;
      },
      process: runAll.process,
    };
    const result = scheduler([profile('p')], endless, ctx).schedule(pool('a'));
    expect(result.primary).toBe('p');
    expect(rounds).toBe(3);
    expect(failures(ctx)).toEqual({ 'ProfilePicker handler': 1 });
  });

  test.each([
    {
      name: 'asks for nothing',
      handler: { ...runAll, pick: () => [] },
      status: 429,
      message: 'failed to find target endpoint: failed to run any scheduler profile for request ',
    },
    {
      name: 'asks for an unknown profile',
      handler: {
        ...runAll,
        pick: (_r: unknown, _n: unknown, results: ReadonlyMap<string, unknown>) =>
          results.size > 0 ? [] : ['nope'],
      },
      status: 429,
      message:
        "failed to find target endpoint: failed to run scheduler profile 'nope'; profile 'nope' is not configured",
    },
    {
      name: 'names a primary that has no result',
      handler: { ...runAll, process: () => ({ profiles: new Map<string, ProfileResult>(), primary: 'p' }) },
      status: 429,
      message: "failed to find target endpoint: primary profile 'p' has no target",
    },
    {
      name: 'throws while picking profiles',
      handler: { ...runAll, pick: throws('boom') },
      status: 500,
      message: 'internal error',
    },
  ])('a handler that $name: $status', ({ handler, status, message }) => {
    const error = refusal(() => scheduler([profile('p')], handler).schedule(pool('a')));
    expect(error.httpStatus).toBe(status);
    expect(error.message).toBe(message);
  });
});

describe('what is reported', () => {
  test('attempts by model and target, duration of the cycle and of each plugin', () => {
    const ctx = context();
    const spec = profile('p', { filters: [keep('a')], scorers: [[scoring(() => 1), 1]] });
    const engine = scheduler([spec], runAll, ctx);
    engine.schedule(pool('a', 'b'));
    engine.schedule(pool('a'));
    expect(() => engine.schedule(pool('b'))).toThrow();
    const attempts = (labels: string) => ctx.instruments.counters.get(`scheduler_attempts_total{${labels}}`);
    expect(
      attempts('endpoint_name="a",namespace="default",port="8000",status="success",target_model_name="m"'),
    ).toEqual({ value: 2 });
    expect(attempts('endpoint_name="",namespace="",port="",status="failure",target_model_name="m"')).toEqual({
      value: 1,
    });
    expect(ctx.instruments.observations.get('scheduler_e2e_duration_seconds{}')).toHaveLength(3);
    const calls = (point: string, plugin: string) =>
      ctx.instruments.observations.get(
        `plugin_duration_seconds{extension_point="${point}",plugin_name="${plugin}",plugin_type="${plugin}-type"}`,
      )?.length;
    expect(calls('Filter', 'filter-0')).toBe(3);
    expect(calls('Scorer', 'scorer-0')).toBe(2);
    expect(calls('Picker', 'picker')).toBe(2);
    expect(calls('ProcessProfilesResults', 'handler')).toBe(3);
  });

  test('one debug line a decision, with every score, nothing when the level is off', () => {
    const ctx = context();
    const spec = profile('p', {
      filters: [keep('a', 'b')],
      scorers: [[scoring((one) => (one.name === 'a' ? 0.5 : 2)), 3]],
    });
    scheduler([spec], runAll, ctx).schedule(pool('a', 'b', 'c'));
    expect(ctx.log.lines).toHaveLength(1);
    expect(ctx.log.lines[0]).toMatchObject({
      level: 'debug',
      message: 'scheduled',
      fields: {
        model: 'm',
        endpoint: 'default/a',
        profiles: [
          {
            profile: 'p',
            filters: [{ filter: 'filter-0', kept: 2 }],
            candidates: [
              {
                endpoint: 'default/a',
                total: 1.5,
                scores: [{ scorer: 'scorer-0', raw: 0.5, weighted: 1.5 }],
              },
              { endpoint: 'default/b', total: 3, scores: [{ scorer: 'scorer-0', raw: 2, weighted: 3 }] },
            ],
            targets: ['default/a'],
          },
        ],
      },
    });

    const quiet = context();
    quiet.log.isLevelEnabled = () => false;
    scheduler([spec], runAll, quiet).schedule(pool('a'));
    expect(quiet.log.lines).toEqual([]);
  });

  test('a refused request gets its line too', () => {
    const ctx = context();
    expect(() => scheduler([profile('p', { filters: [keep()] })], runAll, ctx).schedule(pool('a'))).toThrow();
    expect(ctx.log.lines).toMatchObject([
      { level: 'debug', message: 'not scheduled', fields: { code: 'resource-exhausted' } },
    ]);
  });
});
