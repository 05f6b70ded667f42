import type { Endpoint } from '../../../framework/endpoint.ts';
import type { ProfileResult, ProfileResults } from '../../../framework/profile-handler.ts';

/** Nothing more is to run. */
export const NONE: readonly string[] = [];

/** Where a profile that ran sends the request; undefined when it did not run or found nobody. */
export function targetOf(results: ProfileResults, profile: string): Endpoint | undefined {
  return results.get(profile)?.targets[0];
}

/** The results that there are: profiles that failed or were left out are taken off. Throws when `decode` has no target. */
export function settled(results: ProfileResults, decode: string): ReadonlyMap<string, ProfileResult> {
  if (targetOf(results, decode) === undefined) throw new Error('failed to find available decode workers');
  for (const [name, result] of results) if (result === undefined) results.delete(name);
  return results as ReadonlyMap<string, ProfileResult>; // undefined ones were just taken off
}
