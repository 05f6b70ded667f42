import { describe, expect, test } from 'vitest';
import { context } from '../../test/support/builders.ts';
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
import { RejectionError } from '../framework/errors.ts';
import type { ProfileHandler, ProfileResult } from '../framework/profile-handler.ts';

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
      message:
        /^failed to find target endpoint: failed to run any scheduler profile for request request-\d+$/,
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
      message: /^internal error$/,
    },
  ])('a handler that $name: $status', ({ handler, status, message }) => {
    const error = refusal(() => scheduler([profile('p')], handler).schedule(pool('a')));
    expect(error.httpStatus).toBe(status);
    expect(error.message).toMatch(message);
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
