import type { ProfileResult, ProfileResults, SchedulingResult } from '../../../framework/profile-handler.ts';

/** The result of the only profile that ran, as the primary one. Throws `severalMessage` unless exactly one did. */
export function onlyResult(results: ProfileResults, severalMessage: string): SchedulingResult {
  const [name] = results.keys();
  if (name === undefined || results.size !== 1) throw new Error(severalMessage);
  if (results.get(name) === undefined) throw new Error(`failed to run scheduler profile '${name}'`);
  // Its only value was just seen to be defined.
  return { profiles: results as ReadonlyMap<string, ProfileResult>, primary: name };
}
