import { z } from 'zod';
import type { Endpoint } from '../../framework/endpoint.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { Scorer } from '../../framework/scorer.ts';
import { METRIC_KEYS } from '../attributes/metrics.ts';

/**
 * Prefers the endpoint with the shortest waiting queue.
 *
 * score = (max - waiting) / (max - min) over the candidates; 1 for all when max = min.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/scorer/queuedepth
 */
class QueueScorer implements Scorer {
  readonly category = 'distribution';

  score(_request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void {
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    for (const candidate of candidates) {
      const waiting = candidate.metrics.waitingQueueSize;
      if (waiting < min) min = waiting;
      if (waiting > max) max = waiting;
    }
    const range = max - min;
    let i = 0;
    for (const candidate of candidates) {
      out[i] = range === 0 ? 1 : (max - candidate.metrics.waitingQueueSize) / range;
      i += 1;
    }
  }
}

/** `queue-scorer`. */
export const queueScorer = definePlugin({
  type: 'queue-scorer',
  kinds: ['scorer'],
  stability: 'beta',
  summary: 'Prefers endpoints with fewer waiting requests.',
  params: z.strictObject({}),
  ignoresParameters: true,
  dependencies: () => ({ requires: [METRIC_KEYS.waitingQueueSize] }),
  create: () => new QueueScorer(),
});
