import { z } from 'zod';
import type { Endpoint } from '../../framework/endpoint.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { Scorer } from '../../framework/scorer.ts';
import { METRIC_KEYS } from '../attributes/metrics.ts';

/**
 * Prefers the endpoint with the fewest running requests.
 *
 * score = (max - running) / (max - min) over the candidates; 1 for all when max = min.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/scorer/runningrequests
 */
class RunningRequestsSizeScorer implements Scorer {
  readonly category = 'distribution';

  score(_request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void {
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    for (const candidate of candidates) {
      const running = candidate.metrics.runningRequestsSize;
      if (running < min) min = running;
      if (running > max) max = running;
    }
    const range = max - min;
    let i = 0;
    for (const candidate of candidates) {
      out[i] = range === 0 ? 1 : (max - candidate.metrics.runningRequestsSize) / range;
      i += 1;
    }
  }
}

/** `running-requests-size-scorer`. */
export const runningRequestsSizeScorer = definePlugin({
  type: 'running-requests-size-scorer',
  kinds: ['scorer'],
  stability: 'beta',
  summary: 'Prefers endpoints with fewer running requests.',
  params: z.strictObject({}),
  ignoresParameters: true,
  dependencies: () => ({ requires: [METRIC_KEYS.runningRequestsSize] }),
  create: () => new RunningRequestsSizeScorer(),
});
