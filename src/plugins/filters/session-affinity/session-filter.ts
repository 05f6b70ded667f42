import type { Endpoint } from '../../../framework/endpoint.ts';
import type { Filter } from '../../../framework/filter.ts';
import type { PreRequestHook, ResponseHeaderHook } from '../../../framework/hooks.ts';
import type { SchedulingResult } from '../../../framework/profile-handler.ts';
import type { InferenceRequest } from '../../../framework/request.ts';
import type { InferenceResponse } from '../../../framework/response.ts';
import type { SessionStrategy } from '../../scorers/session-affinity/strategy.ts';

/**
 * Pins a session: keeps only its endpoint when that is a candidate, else everyone, so it never empties the set.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/filter/sessionaffinity
 */
export class SessionAffinityFilter implements Filter, PreRequestHook, ResponseHeaderHook {
  readonly #strategy: SessionStrategy;

  constructor(strategy: SessionStrategy) {
    this.#strategy = strategy;
  }

  filter(request: InferenceRequest, candidates: readonly Endpoint[]): readonly Endpoint[] {
    const pinned = this.#strategy.preferred(request, candidates);
    return pinned === undefined || candidates.length === 1 ? candidates : [pinned];
  }

  preRequest(request: InferenceRequest, result: SchedulingResult): void {
    this.#strategy.preRequest(request, result);
  }

  responseHeaders(request: InferenceRequest, response: InferenceResponse): void {
    this.#strategy.responseHeaders(request, response);
  }
}
