import type { Endpoint } from '../../framework/endpoint.ts';
import type { PreRequestHook, ResponseHeaderHook } from '../../framework/hooks.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { SchedulingResult } from '../../framework/profile-handler.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { InferenceResponse } from '../../framework/response.ts';
import type { Scorer } from '../../framework/scorer.ts';
import { createStrategy, sessionDependencies, sessionProfiles } from './session-affinity/create.ts';
import { sessionAffinityParams } from './session-affinity/parameters.ts';
import type { SessionStrategy } from './session-affinity/strategy.ts';

/**
 * Prefers the endpoint that the request's session went to before.
 *
 * score = 1 for that endpoint, 0 for the others; 0 for all when the session is unknown or its endpoint is no candidate.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/scorer/sessionaffinity
 */
class SessionAffinityScorer implements Scorer, PreRequestHook, ResponseHeaderHook {
  readonly category = 'affinity';
  readonly #strategy: SessionStrategy;

  constructor(strategy: SessionStrategy) {
    this.#strategy = strategy;
  }

  score(request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void {
    const preferred = this.#strategy.preferred(request, candidates);
    if (preferred === undefined) return;
    let i = 0;
    for (const candidate of candidates) {
      out[i] = candidate === preferred ? 1 : 0;
      i += 1;
    }
  }

  preRequest(request: InferenceRequest, result: SchedulingResult): void {
    this.#strategy.preRequest(request, result);
  }

  responseHeaders(request: InferenceRequest, response: InferenceResponse): void {
    this.#strategy.responseHeaders(request, response);
  }
}

/** `session-affinity-scorer`. */
export const sessionAffinityScorer = definePlugin({
  type: 'session-affinity-scorer',
  kinds: ['scorer', 'pre-request', 'response-header'],
  stability: 'alpha',
  summary: 'Prefers the endpoint that served the session before.',
  params: sessionAffinityParams,
  dependencies: sessionDependencies,
  profiles: sessionProfiles,
  create: (params, context) => new SessionAffinityScorer(createStrategy(params, context)),
});
