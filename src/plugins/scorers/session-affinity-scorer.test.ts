import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { Headers } from '../../framework/headers.ts';
import type { SchedulingResult } from '../../framework/profile-handler.ts';
import { InferenceResponse } from '../../framework/response.ts';
import { sessionAffinityScorer } from './session-affinity-scorer.ts';

const [a, b] = ['pod-a', 'pod-b'].map((name, slot) => endpoint({ name, slot })) as [Endpoint, Endpoint];

function create(raw: object, ctx = context()) {
  return sessionAffinityScorer.create(sessionAffinityScorer.params.parse(raw), ctx);
}
type Scorer = ReturnType<typeof create>;

function scores(scorer: Scorer, one = request(), candidates: readonly Endpoint[] = [a, b]): number[] {
  const out = new Float64Array(candidates.length);
  scorer.score(one, candidates, out);
  return [...out];
}

function routed(target: Endpoint): SchedulingResult {
  const profile = { targets: [target], candidates: [target], totals: new Float64Array(1) };
  return { profiles: new Map([['p', profile]]), primary: 'p' };
}

const inSession = (id = 's') => request({ headers: { 'x-session-id': id } });

describe('session-affinity-scorer with tokens', () => {
  test('the token of a response leads the next request back', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z][a-z0-9-]{0,40}$/), (name) => {
        const target = endpoint({ name });
        const scorer = create({});
        const one = request();
        one.result = routed(target);
        const response = new InferenceResponse();
        response.headers = new Headers();
        response.headers.receive('x-session-token', 'upstream');
        scorer.responseHeaders(one, response);
        const token = response.headers.get('x-session-token') ?? '';
        const next = request({ headers: { 'x-session-token': token } });
        expect(scores(scorer, next, [a, target])).toEqual([0, 1]);
      }),
    );
  });

  test('no client text is more than a debug line, and nothing throws', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const ctx = context();
        scores(create({}, ctx), request({ headers: { 'x-session-token': text } }));
        expect(ctx.log.lines.every((line) => line.level === 'debug')).toBe(true);
      }),
    );
  });

  test('a response without headers or result is left alone', () => {
    const response = new InferenceResponse();
    create({}).responseHeaders(request(), response);
    expect(response.headers).toBeUndefined();
  });
});

describe('session-affinity-scorer with session ids', () => {
  const params = { strategy: 'session_id' };

  test('of two first requests at once the first keeps the binding', () => {
    const scorer = create(params);
    const one = inSession();
    const two = inSession();
    scores(scorer, one);
    scores(scorer, two);
    scorer.preRequest(one, routed(a));
    scorer.preRequest(two, routed(b));
    expect(scores(scorer, inSession())).toEqual([1, 0]);
  });

  test('an endpoint present in one profile of the cycle counts as present', () => {
    const scorer = create(params);
    scorer.preRequest(inSession(), routed(a));
    const one = inSession();
    scores(scorer, one, [a]);
    scores(scorer, one, [b]);
    scorer.preRequest(one, routed(b));
    expect(scores(scorer, inSession())).toEqual([1, 0]);
  });

  test('a binding is forgotten its time to live after the last use, not before', () => {
    const ctx = context();
    const scorer = create(params, ctx);
    scorer.preRequest(inSession(), routed(a));
    ctx.clock.advance(200_000);
    scorer.preRequest(inSession(), routed(a));
    ctx.clock.advance(300_000);
    expect(scores(scorer, inSession())).toEqual([1, 0]);
    ctx.clock.advance(10_000);
    expect(scores(scorer, inSession())).toEqual([0, 0]);
  });

  test('being outvoted does not refresh the binding', () => {
    const ctx = context();
    const scorer = create(params, ctx);
    scorer.preRequest(inSession(), routed(a));
    ctx.clock.advance(200_000);
    const one = inSession();
    scores(scorer, one);
    scorer.preRequest(one, routed(b));
    ctx.clock.advance(110_000);
    expect(scores(scorer, inSession())).toEqual([0, 0]);
  });

  test('the sweep ends with the process', () => {
    const stop = new AbortController();
    const ctx = { ...context(), signal: stop.signal };
    create(params, ctx);
    expect(ctx.clock.pendingTimers).toBe(1);
    stop.abort();
    expect(ctx.clock.pendingTimers).toBe(0);
  });

  test('bindings are bounded: the least recently used leaves first', () => {
    const scorer = create(params);
    for (let i = 0; i <= 100_000; i += 1) {
      scorer.preRequest(inSession(`s${i}`), routed(a));
      if (i === 50_000) scorer.preRequest(inSession('s0'), routed(a));
    }
    expect(scores(scorer, inSession('s0'))).toEqual([1, 0]);
    expect(scores(scorer, inSession('s1'))).toEqual([0, 0]);
    expect(scores(scorer, inSession('s2'))).toEqual([1, 0]);
  });

  test('an id beyond 1024 characters is none', () => {
    const scorer = create(params);
    for (const length of [1024, 1025]) scorer.preRequest(inSession('x'.repeat(length)), routed(a));
    expect(scores(scorer, inSession('x'.repeat(1024)))).toEqual([1, 0]);
    expect(scores(scorer, inSession('x'.repeat(1025)))).toEqual([0, 0]);
  });

  test('attributes that ids come from are declared, so that their producers run before', () => {
    const raw = {
      ...params,
      sessionIdConfig: { sources: [{ attribute: 'SessionIDDataKey', producer: 'x' }] },
    };
    const found = sessionAffinityScorer.dependencies?.(sessionAffinityScorer.params.parse(raw), 'n');
    expect(found?.optional?.map((key) => key.name)).toEqual(['SessionIDDataKey/x']);
  });
});
