import type { Endpoint } from './endpoint.ts';

/** Chooses targets from scored candidates. */
export interface Picker {
  /**
   * `totals[i]` is the weighted sum for `candidates[i]` (finite, any sign; longer than `candidates` is allowed).
   * Returns the targets, best first, at least one when there is a candidate. Must not keep its arguments.
   */
  pick(candidates: readonly Endpoint[], totals: Float64Array): readonly Endpoint[];
}
