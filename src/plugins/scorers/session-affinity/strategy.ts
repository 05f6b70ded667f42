import type { Endpoint } from '../../../framework/endpoint.ts';
import type { PreRequestHook, ResponseHeaderHook } from '../../../framework/hooks.ts';
import type { SchedulingResult } from '../../../framework/profile-handler.ts';
import type { InferenceRequest } from '../../../framework/request.ts';

/** How a session finds its way back; the filter and the scorer differ only in what they make of the answer. */
export interface SessionStrategy extends PreRequestHook, ResponseHeaderHook {
  /** The candidate that the request's session belongs to; undefined when there is no preference. */
  preferred(request: InferenceRequest, candidates: readonly Endpoint[]): Endpoint | undefined;
}

/** First target of profile `profileName`, of the primary one when it is ''; undefined when it has none. */
export function sessionTarget(
  result: SchedulingResult | undefined,
  profileName: string,
): Endpoint | undefined {
  return result?.profiles.get(profileName === '' ? result.primary : profileName)?.targets[0];
}
