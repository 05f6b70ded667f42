import type { Endpoint } from '../../framework/endpoint.ts';
import type { Filter } from '../../framework/filter.ts';
import type { PreRequestHook, ResponseHeaderHook } from '../../framework/hooks.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { SchedulingResult } from '../../framework/profile-handler.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { InferenceResponse } from '../../framework/response.ts';
import { createStrategy, sessionDependencies } from '../scorers/session-affinity/create.ts';
import { sessionAffinityParams } from '../scorers/session-affinity/parameters.ts';
import type { SessionStrategy } from '../scorers/session-affinity/strategy.ts';

/**
 * Pins a session: keeps only its endpoint when that is a candidate, else everyone, so it never empties the set.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/filter/sessionaffinity
 */
class SessionAffinityFilter implements Filter, PreRequestHook, ResponseHeaderHook {
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

/** `session-affinity-filter`. */
export const sessionAffinityFilter = definePlugin({
  type: 'session-affinity-filter',
  kinds: ['filter', 'pre-request', 'response-header'],
  stability: 'alpha',
  summary: 'Keeps only the endpoint that served the session before, if it is a candidate.',
  params: sessionAffinityParams,
  dependencies: sessionDependencies,
  create: (params, context) => new SessionAffinityFilter(createStrategy(params, context)),
});
