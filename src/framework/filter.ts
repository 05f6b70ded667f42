import type { Endpoint } from './endpoint.ts';
import type { InferenceRequest } from './request.ts';

/** Removes candidates that must not or should not take the request. */
export interface Filter {
  /**
   * Returns those of `candidates` that stay, in input order; the input itself when all do. Never changes the
   * input. An empty result ends the profile with 429 `rejected-saturated`.
   * One filter is excepted from the order: `header-based-testing-filter`, which conformance tests ask for theirs.
   */
  filter(request: InferenceRequest, candidates: readonly Endpoint[]): readonly Endpoint[];
}

/**
 * Those of `candidates` that `keeps` is true of, in their order; `candidates` itself when that is all of them: nothing is
 * copied before the first one drops out.
 */
export function keepWhere(
  candidates: readonly Endpoint[],
  keeps: (candidate: Endpoint) => boolean,
): readonly Endpoint[] {
  let kept: Endpoint[] | undefined;
  let i = 0;
  for (const candidate of candidates) {
    if (keeps(candidate)) kept?.push(candidate);
    else kept ??= candidates.slice(0, i);
    i += 1;
  }
  return kept ?? candidates;
}
