import { describe, expect, test } from 'vitest';
import type { Endpoint } from '../../src/framework/endpoint.ts';
import type { Filter } from '../../src/framework/filter.ts';
import { Headers } from '../../src/framework/headers.ts';
import type { EndpointObserver, PreRequestHook, ResponseHeaderHook } from '../../src/framework/hooks.ts';
import type { Picker } from '../../src/framework/picker.ts';
import type { ProfileHandler, SchedulingResult } from '../../src/framework/profile-handler.ts';
import type { InferenceRequest } from '../../src/framework/request.ts';
import { InferenceResponse } from '../../src/framework/response.ts';
import type { SaturationDetector } from '../../src/framework/saturation.ts';
import type { Scorer } from '../../src/framework/scorer.ts';
import { AGENT_IDENTITY } from '../../src/plugins/attributes/identity.ts';
import { prefixMatchKey } from '../../src/plugins/attributes/prefix-match.ts';
import { Scheduler } from '../../src/scheduling/scheduler.ts';
import { context, endpoint, request } from '../support/builders.ts';
import { create, endpoints, requestFor, vectors } from './scheduling-vectors.ts';

const TOLERANCE_DIGITS = 4;

describe('scorers', () => {
  test.each(vectors('scorers'))('$id $plugin', (vector) => {
    const scorer = create(vector.plugin, vector.parameters).plugin as Scorer;
    const candidates = endpoints(vector.endpoints);
    const out = new Float64Array(candidates.length);
    scorer.score(requestFor(vector.request, vector.endpoints), candidates, out);
    expect(out.length).toBe(vector.want.length);
    vector.want.forEach((score, i) => {
      expect(out[i], `endpoint ${i}`).toBeCloseTo(score, TOLERANCE_DIGITS);
    });
  });
});

test.each(vectors('parameters'))('parameters: $id', ({ plugin, parameters, isAccepted }) => {
  const build = () => create(plugin, parameters);
  if (isAccepted) expect(build).not.toThrow();
  else expect(build).toThrow();
});

test.each(vectors('filters'))('filter: $id $plugin', (vector) => {
  const filter = create(vector.plugin, vector.parameters).plugin as Filter;
  const kept = filter.filter(
    requestFor(vector.request, vector.endpoints, vector.headers),
    endpoints(vector.endpoints),
  );
  expect(kept.map((one) => one.name)).toEqual(vector.keep);
});

test.each(vectors('saturation'))('saturation: $id $plugin', (vector) => {
  const { plugin, ctx } = create(vector.plugin, vector.parameters);
  const detector = plugin as SaturationDetector;
  const got = detector.saturation(endpoints(vector.endpoints), ctx.clock.nowMs());
  expect(got).toBeCloseTo(vector.want, TOLERANCE_DIGITS);
});

describe('pickers', () => {
  const cases = vectors('pickers');

  test.each(cases.filter((vector) => vector.anyOf !== undefined))('$id $plugin', (vector) => {
    const picker = create(vector.plugin, vector.parameters).plugin as Picker;
    const candidates = vector.totals.map(() => endpoint());
    for (let round = 0; round < 50; round += 1) {
      const picked = picker.pick(candidates, Float64Array.from(vector.totals));
      expect(vector.anyOf).toContainEqual(picked.map((target) => candidates.indexOf(target)));
    }
  });

  test.each(cases.filter((vector) => vector.shares !== undefined))('$id $plugin: shares', (vector) => {
    const picker = create(vector.plugin, vector.parameters).plugin as Picker;
    const candidates = vector.totals.map(() => endpoint());
    const totals = Float64Array.from(vector.totals);
    const draws = 20_000;
    const counts = candidates.map(() => 0);
    for (let i = 0; i < draws; i += 1) {
      const picked = candidates.indexOf(picker.pick(candidates, totals)[0] ?? endpoint());
      counts[picked] = (counts[picked] ?? 0) + 1;
    }
    vector.shares?.forEach((share, i) => {
      expect(Math.abs((counts[i] ?? 0) / draws - share), `candidate ${i}`).toBeLessThan(0.02);
    });
  });
});

test.each(vectors('pipeline'))('pipeline: $id', (vector) => {
  const handler = create('single-profile-handler');
  const ctx = context();
  const scheduler = new Scheduler({
    profiles: [
      {
        name: 'default',
        filters: vector.filters.map((one) => named<Filter>(one)),
        scorers: vector.scorers.map((one) => ({ ...named<Scorer>(one), weight: one.weight })),
        picker: named<Picker>(vector.picker),
      },
    ],
    handler: { name: 'h', type: 'h', plugin: handler.plugin as ProfileHandler },
    instruments: ctx.instruments,
    clock: ctx.clock,
    log: ctx.log,
  });
  const built = requestFor(vector.request, vector.endpoints);
  built.candidates = endpoints(vector.endpoints);

  const result = scheduler.schedule(built).profiles.get('default');

  const totals = Object.fromEntries(
    result?.candidates.map((one, i) => [one.name, Number(result.totals[i]?.toFixed(6))]) ?? [],
  );
  expect(totals).toEqual(vector.totals);
  const picks = result?.targets.map((one) => one.name) ?? [];
  const isTie = new Set(Object.values(vector.totals)).size === 1;
  expect(isTie ? picks.toSorted() : picks).toEqual(vector.picks);
});

function named<T>(one: { plugin: string; parameters: Record<string, unknown> }) {
  const { name, type, plugin } = create(one.plugin, one.parameters);
  return { name, type, plugin: plugin as T };
}

test.each(vectors('no-hit-lru'))('no-hit-lru: $id', ({ parameters, pool, steps }) => {
  const { plugin } = create('no-hit-lru-scorer', parameters);
  const scorer = plugin as Scorer & PreRequestHook & EndpointObserver;
  const byName = new Map(pool.map((name, slot) => [name, endpoint({ name, slot })]));
  const all = [...byName.values()];
  const find = (name: string): Endpoint => byName.get(name) ?? endpoint({ name });
  const score = (one: InferenceRequest, candidates: readonly Endpoint[]) => {
    const out = new Float64Array(candidates.length);
    scorer.score(one, candidates, out);
    return Array.from(out);
  };

  for (const step of steps) {
    if ('remove' in step) {
      scorer.endpointRemoved(find(step.remove));
      continue;
    }
    const one = request();
    if (step.match !== undefined) {
      const matchBlocks = new Int32Array(pool.length);
      for (const [name, blocks] of Object.entries(step.match)) matchBlocks[find(name).slot] = blocks;
      const match = { matchBlocks, cachedBlocks: matchBlocks, totalBlocks: 10, blockSizeTokens: 16 };
      one.attributes.set(prefixMatchKey(''), match);
    }
    if ('score' in step) {
      expect(score(one, step.score.map(find))).toEqual(step.want);
    } else {
      score(one, all);
      scorer.preRequest(one, resultFor(find(step.route), step.prefill && find(step.prefill)));
    }
  }
});

describe.each(['session-affinity-scorer', 'session-affinity-filter', 'multicluster-session-affinity-filter'])(
  '%s',
  (type) => {
    test.each(vectors('session-affinity'))('$id', ({ parameters, steps }) => {
      const { plugin } = create(type, parameters);
      const hooks = plugin as PreRequestHook & ResponseHeaderHook;
      const pool = ['pod-a', 'pod-b', 'pod-c'].map((name, slot) => endpoint({ name, slot }));
      const find = (name: string) => pool.find((one) => one.name === name) ?? endpoint({ name });

      for (const step of steps) {
        const one = request({ headers: step.headers });
        // An attribute of the wrong type is what some of the vectors are about.
        if (step.attribute !== undefined) one.attributes.set(AGENT_IDENTITY, step.attribute as string);
        const preferred = choose(plugin, one, step.choose.map(find));
        if (step.prefers !== undefined) expect(preferred).toBe(step.prefers);
        if (step.target === undefined) continue;
        one.result = resultFor(find(step.target), step.prefill && find(step.prefill));
        hooks.preRequest(one, one.result);
        const response = new InferenceResponse();
        response.headers = new Headers();
        hooks.responseHeaders(one, response);
        const token = response.headers.get('x-session-token') ?? '';
        if (step.responseToken !== undefined) expect(token).toBe(step.responseToken);
      }
    });
  },
);

/** Name of the endpoint that the plugin singles out; null when it has no preference. */
function choose(plugin: object, one: InferenceRequest, candidates: readonly Endpoint[]): string | null {
  if ('filter' in plugin) {
    const kept = (plugin as Filter).filter(one, candidates);
    if (kept !== candidates) return kept[0]?.name ?? null;
    return null;
  }
  const out = new Float64Array(candidates.length);
  (plugin as Scorer).score(one, candidates, out);
  return candidates[out.indexOf(1)]?.name ?? null;
}

function resultFor(target: Endpoint, prefill: Endpoint | '' | undefined): SchedulingResult {
  const profile = (one: Endpoint) => ({ targets: [one], candidates: [one], totals: new Float64Array(1) });
  const profiles = new Map([['decode', profile(target)]]);
  if (prefill) profiles.set('prefill', profile(prefill));
  return { profiles, primary: 'decode' };
}
