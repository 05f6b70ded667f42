import { z } from 'zod';
import type { Endpoint } from '../../framework/endpoint.ts';
import { RejectionError } from '../../framework/errors.ts';
import type { Admitter } from '../../framework/hooks.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { Rng } from '../../util/rng.ts';
import { METRIC_KEYS } from '../attributes/metrics.ts';

const params = z.strictObject({
  queueDepthThreshold: z.int().min(1).default(5).describe('Waiting requests at which an endpoint is full.'),
  kvCacheUtilThreshold: z
    .number()
    .gt(0)
    .default(0.8)
    .describe('Share of the KV cache in use at which an endpoint is full.'),
  power: z.number().gt(0).default(5).describe('How late refusing begins: more is later and steeper.'),
  k: z.number().gt(0).default(300).describe('Factor; everything is refused from (1/k)^(1/power) on.'),
});

/**
 * Refuses requests of negative priority with a probability that grows with the pool's load:
 *
 * saturation = mean over candidates of max(waiting / queueDepthThreshold, kvCacheUsage / kvCacheUtilThreshold), 1 for
 * an endpoint never scraped; probability = min(saturation^power × k, 1).
 * llm-d-router: pkg/epp/framework/plugins/requestcontrol/admitter/probabilisticadmitter
 */
class ProbabilisticAdmitter implements Admitter {
  readonly #config: z.infer<typeof params>;
  readonly #rng: Rng;

  constructor(config: z.infer<typeof params>, rng: Rng) {
    this.#config = config;
    this.#rng = rng;
  }

  admit(request: InferenceRequest, candidates: readonly Endpoint[]): RejectionError | undefined {
    if (request.priority >= 0 || candidates.length === 0) return undefined;
    const { power, k } = this.#config;
    const saturation = this.#saturation(candidates);
    const probability = Math.min(saturation ** power * k, 1);
    if (this.#rng.next() >= probability) return undefined;
    return new RejectionError(
      'resource-exhausted',
      `request cannot be admitted: probabilistic-admitter: rejected, saturation=${saturation.toFixed(3)} prob=${probability.toFixed(2)}`,
      { reason: 'rejected-saturated' },
    );
  }

  /** Old metrics count as they are: the last known load is the best guess of the present one. */
  #saturation(candidates: readonly Endpoint[]): number {
    const { queueDepthThreshold, kvCacheUtilThreshold } = this.#config;
    let sum = 0;
    for (const { scraped } of candidates) {
      const { waitingQueueSize, kvCacheUsage, updatedAtMs } = scraped;
      if (updatedAtMs === Number.NEGATIVE_INFINITY) sum += 1;
      else sum += Math.max(waitingQueueSize / queueDepthThreshold, kvCacheUsage / kvCacheUtilThreshold);
    }
    return sum / candidates.length;
  }
}

/** `probabilistic-admitter`. */
export const probabilisticAdmitter = definePlugin({
  type: 'probabilistic-admitter',
  kinds: ['admitter'],
  stability: 'beta',
  summary: 'Refuses more and more requests of negative priority as the pool fills up.',
  params,
  dependencies: () => ({ optional: [METRIC_KEYS.waitingQueueSize, METRIC_KEYS.kvCacheUsage] }),
  create: (config, context) => new ProbabilisticAdmitter(config, context.rng),
});
