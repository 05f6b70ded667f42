import type { Endpoint } from './endpoint.ts';
import type { InferenceRequest } from './request.ts';

/** What one run of one profile gave. */
export interface ProfileResult {
  /** Best first, never empty. */
  readonly targets: readonly Endpoint[];
  /** Candidates the filters left. */
  readonly candidates: readonly Endpoint[];
  /** Weighted sum of `candidates[i]`; a buffer of the profile, valid until its next run. */
  readonly totals: Float64Array;
}

/** What one scheduling cycle gave. */
export interface SchedulingResult {
  readonly profiles: ReadonlyMap<string, ProfileResult>;
  /** Key of `profiles` whose targets become the destination. */
  readonly primary: string;
  /** Key of `profiles` that computes the prompt for the primary one; undefined when the primary one does. */
  readonly prefill?: string | undefined;
  /** Key of `profiles` that encodes media; undefined when there is no such stage. */
  readonly encode?: string | undefined;
  /** What Envoy is told instead of the primary targets' own addresses, `host:port`, comma separated. */
  readonly destination?: string | undefined;
}

/** Results of the profiles that ran in this cycle; undefined for one that failed or was skipped. */
export type ProfileResults = Map<string, ProfileResult | undefined>;

/** When a request that says `Prefer: if-available` is served: only where its prompt is in the cache. */
export interface ConditionalDecodeRule {
  /** Name of the producer of the prefix match that counts; undefined: the default one, else any that there is. */
  readonly producer: string | undefined;
  /** Least share of the prompt's blocks that the target holds, 0..1; at 0 one block is enough. */
  readonly minMatchRatio: number;
}

/** Decides which profiles run, in which order, and what their results mean together. */
export interface ProfileHandler {
  /** Undefined: one block in the cache is enough, of any producer. */
  readonly conditionalDecode?: ConditionalDecodeRule | undefined;
  /** Names of the profiles to run next; none ends the cycle. `names` is the configuration's order. */
  pick(request: InferenceRequest, names: readonly string[], results: ProfileResults): readonly string[];
  /** Throws when the results hold no primary target; the profiles' own errors are joined by the caller. */
  process(request: InferenceRequest, results: ProfileResults): SchedulingResult;
}
