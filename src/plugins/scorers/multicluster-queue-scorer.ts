import { z } from 'zod';
import type { Endpoint } from '../../framework/endpoint.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { Scorer } from '../../framework/scorer.ts';
import { MULTICLUSTER_QUEUE_SIZE } from '../attributes/multicluster.ts';

/**
 * Prefers the cluster with the shortest mean queue.
 *
 * score = (max - queue) / (max - min) over the candidates that report one; 1 for these when max = min; 0 for others.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/scorer/multicluster
 */
class MulticlusterQueueScorer implements Scorer {
  readonly category = 'distribution';

  score(_request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void {
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    for (const candidate of candidates) {
      const queue = candidate.attributes.get(MULTICLUSTER_QUEUE_SIZE) ?? Number.NaN;
      if (queue < min) min = queue;
      if (queue > max) max = queue;
    }
    const range = max - min;
    let i = 0;
    for (const candidate of candidates) {
      const queue = candidate.attributes.get(MULTICLUSTER_QUEUE_SIZE) ?? Number.NaN;
      if (!Number.isNaN(queue)) out[i] = range === 0 ? 1 : (max - queue) / range;
      i += 1;
    }
  }
}

/** `multicluster-queue-scorer`. */
export const multiclusterQueueScorer = definePlugin({
  type: 'multicluster-queue-scorer',
  kinds: ['scorer'],
  stability: 'alpha',
  summary: 'Prefers clusters with fewer waiting requests per endpoint.',
  params: z.strictObject({}),
  ignoresParameters: true,
  dependencies: () => ({ requires: [MULTICLUSTER_QUEUE_SIZE] }),
  create: () => new MulticlusterQueueScorer(),
});
