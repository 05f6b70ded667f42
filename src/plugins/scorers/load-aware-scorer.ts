import { z } from 'zod';
import type { Endpoint } from '../../framework/endpoint.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { Scorer } from '../../framework/scorer.ts';
import { METRIC_KEYS } from '../attributes/metrics.ts';

const DEFAULT_THRESHOLD = 128;

/**
 * Prefers endpoints with fewer waiting requests, on an absolute scale.
 *
 * score = 0.5 × (1 - min(waiting, threshold) / threshold); 0.5 for an empty queue. The upper half is left to
 * affinity scorers on purpose.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/scorer/loadaware
 */
class LoadAwareScorer implements Scorer {
  readonly category = 'distribution';
  readonly #threshold: number;

  constructor(threshold: number) {
    this.#threshold = threshold;
  }

  score(_request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void {
    const threshold = this.#threshold;
    let i = 0;
    for (const candidate of candidates) {
      const waiting = candidate.metrics.waitingQueueSize;
      out[i] = 0.5 * (1 - Math.min(waiting, threshold) / threshold);
      i += 1;
    }
  }
}

/** `load-aware-scorer`. */
export const loadAwareScorer = definePlugin({
  type: 'load-aware-scorer',
  kinds: ['scorer'],
  stability: 'beta',
  summary: 'Prefers endpoints with fewer waiting requests, measured against a fixed threshold.',
  params: z.strictObject({
    threshold: z
      .int()
      .default(DEFAULT_THRESHOLD)
      .describe(`Waiting requests at which the score is 0; 0 or less means ${DEFAULT_THRESHOLD}.`),
  }),
  dependencies: () => ({ optional: [METRIC_KEYS.waitingQueueSize] }),
  create(params, context) {
    if (params.threshold > 0) return new LoadAwareScorer(params.threshold);
    context.log.warn({ got: params.threshold, used: DEFAULT_THRESHOLD }, 'threshold is not positive');
    return new LoadAwareScorer(DEFAULT_THRESHOLD);
  },
});
