import type { Endpoint } from '../../src/framework/endpoint.ts';
import { RejectionError } from '../../src/framework/errors.ts';
import type { Filter } from '../../src/framework/filter.ts';
import type { Picker } from '../../src/framework/picker.ts';
import type { ProfileSpec } from '../../src/framework/pipeline.ts';
import type { Named } from '../../src/framework/plugin.ts';
import type { ProfileHandler, ProfileResult } from '../../src/framework/profile-handler.ts';
import type { Scorer } from '../../src/framework/scorer.ts';
import { Scheduler } from '../../src/scheduling/scheduler.ts';
import { context, endpoint, request, type TestContext } from './builders.ts';

const named = <T>(name: string, plugin: T): Named<T> => ({ name, type: `${name}-type`, plugin });
/** A filter that keeps the endpoints named. */
export const keep = (...names: string[]): Filter => ({
  filter: (_request, candidates) => candidates.filter((one) => names.includes(one.name)),
});
/** A scorer from a function of endpoint and position. */
export const scoring = (score: (one: Endpoint, i: number) => number): Scorer => ({
  category: 'balance',
  score: (_request, candidates, out) => {
    candidates.forEach((one, i) => {
      out[i] = score(one, i);
    });
  },
});
const first: Picker = { pick: (candidates) => candidates.slice(0, 1) };
/** A function that throws an `Error` with `message`. */
export const throws = (message: string) => () => {
  throw new Error(message);
};

/** Runs every profile once, in order; the first configured one is primary. */
export const runAll: ProfileHandler = {
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

/** A profile of the parts given; without a picker the first candidate is taken. Plugins are named by position. */
export function profile(name: string, parts: Parts = {}): ProfileSpec {
  return {
    name,
    filters: (parts.filters ?? []).map((one, i) => named(`filter-${i}`, one)),
    scorers: (parts.scorers ?? []).map(([one, weight], i) => ({ ...named(`scorer-${i}`, one), weight })),
    picker: named('picker', parts.picker ?? first),
  };
}

/** A scheduler of `profiles`. */
export function scheduler(profiles: readonly ProfileSpec[], handler = runAll, ctx: TestContext = context()) {
  return new Scheduler({ profiles, handler: named('handler', handler), ...ctx });
}

/** A request whose candidates have the names given. */
export function pool(...names: string[]) {
  const built = request({ model: 'm' });
  built.candidates = names.map((name) => endpoint({ name }));
  return built;
}

/** The rejection that `run` throws; throws when it throws nothing or something else. */
export function refusal(run: () => unknown): RejectionError {
  try {
    run();
  } catch (error) {
    if (error instanceof RejectionError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** Totals by endpoint name. */
export function totals(result: ProfileResult | undefined): Record<string, number> {
  return Object.fromEntries(result?.candidates.map((one, i) => [one.name, result.totals[i] ?? 0]) ?? []);
}

/** Contained failures by extension point and plugin name. */
export function failures(ctx: TestContext): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [series, { value }] of ctx.instruments.counters) {
    const match = /^plugin_errors_total\{extension_point="(\w+)",plugin_name="([\w-]+)"/.exec(series);
    if (match !== null && value > 0) found[`${match[1]} ${match[2]}`] = value;
  }
  return found;
}
