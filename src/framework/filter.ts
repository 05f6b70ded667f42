import type { Endpoint } from './endpoint.ts';
import type { InferenceRequest } from './request.ts';

/** Removes candidates that must not or should not take the request. */
export interface Filter {
  /**
   * Returns those of `candidates` that stay, in input order; the input itself when all do. Never changes the
   * input. An empty result ends the profile with 429 `rejected-saturated`.
   */
  filter(request: InferenceRequest, candidates: readonly Endpoint[]): readonly Endpoint[];
}
