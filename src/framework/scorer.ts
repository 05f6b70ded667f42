import type { Endpoint } from './endpoint.ts';
import type { InferenceRequest } from './request.ts';

/** Informational: what a scorer pulls towards. */
export type ScorerCategory = 'affinity' | 'distribution' | 'balance';

/** Rates candidates; 1 is best. */
export interface Scorer {
  readonly category: ScorerCategory;
  /**
   * Writes the score of `candidates[i]` to `out[i]`; `out` arrives zero-filled and may be longer. Scores outside
   * [0, 1] are clamped and NaN counts as 0. Synchronous; must not keep `candidates` or `out`.
   */
  score(request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void;
}
