import { Endpoint } from '../framework/endpoint.ts';
import type { SchedulingResult } from '../framework/profile-handler.ts';

/** Told of what was left out of a result. */
interface Faults {
  report(error: unknown): void;
}

/**
 * What a filter returned, as its contract has it: candidates only, each once, in their order; the input itself when all
 * stay. Throws when it is no list; what is no candidate is left out and reported.
 */
export function keptOf(
  result: unknown,
  candidates: readonly Endpoint[],
  faults: Faults,
): readonly Endpoint[] {
  const chosen = new Set<unknown>(listOf(result));
  const kept = candidates.filter((candidate) => chosen.has(candidate));
  reportForeign(chosen.size - kept.length, faults);
  return kept.length === candidates.length ? candidates : kept;
}

/** What a picker returned: candidates only, each once, in the picker's order. Throws and reports like `keptOf`. */
export function endpointsOf(
  result: unknown,
  candidates: readonly Endpoint[],
  faults: Faults,
): readonly Endpoint[] {
  const known = new Map<unknown, Endpoint>(candidates.map((candidate) => [candidate, candidate]));
  const chosen = new Set<unknown>(listOf(result));
  const targets = Array.from(chosen, (one) => known.get(one)).filter((one) => one !== undefined);
  reportForeign(chosen.size - targets.length, faults);
  return targets;
}

/** What `process` of a profile handler returned. Throws when a request cannot be routed by it. */
export function resultOf(result: unknown): SchedulingResult {
  const { profiles, primary, prefill, encode, destination } = Object(result) as { [member: string]: unknown };
  if (!(profiles instanceof Map) || typeof primary !== 'string')
    throw new TypeError('process returned no result with profiles and primary');
  if (profiles.get(primary) === undefined)
    throw new TypeError(`process has no result of primary profile '${primary}'`);
  for (const profile of profiles.values() as Iterable<unknown>) {
    if (profile === undefined) continue; // one that failed, passed on
    const targets: unknown = Reflect.get(Object(profile), 'targets');
    const isList = Array.isArray(targets) && targets.length > 0;
    if (!isList || !targets.every((one) => one instanceof Endpoint))
      throw new TypeError('process returned a profile whose targets are no list of endpoints');
  }
  for (const stage of [prefill, encode]) {
    if (stage !== undefined && profiles.get(stage) === undefined)
      throw new TypeError('process named a stage without result');
  }
  const isText = typeof destination === 'string' && /^[\x21-\x7e]+$/.test(destination);
  if (destination !== undefined && !isText)
    throw new TypeError('process returned a destination that is no list of host:port');
  return result as SchedulingResult; // looked at; what targets were scored by is nobody's business here
}

/** The first candidate with the highest total; none when there is no candidate. */
export function bestOf(candidates: readonly Endpoint[], totals: Float64Array): readonly Endpoint[] {
  let best = 0;
  for (let i = 1; i < candidates.length; i += 1) {
    if ((totals[i] ?? 0) > (totals[best] ?? 0)) best = i;
  }
  return candidates.slice(best, best + 1);
}

function listOf(result: unknown): readonly unknown[] {
  if (Array.isArray(result)) return result as readonly unknown[];
  const got = result === undefined ? 'nothing' : typeof result;
  throw new TypeError(`it returned ${got}, want a list of its candidates`);
}

function reportForeign(count: number, faults: Faults): void {
  if (count > 0)
    faults.report(new Error(`it returned ${count} that are none of its candidates; they are ignored`));
}
