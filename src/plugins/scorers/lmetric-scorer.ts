import { z } from 'zod';
import type { AttributeKey } from '../../framework/attribute.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { Scorer } from '../../framework/scorer.ts';
import {
  DEFAULT_IN_FLIGHT_PRODUCER,
  type InFlightLoad,
  inFlightLoadKey,
  uncachedTokensKey,
} from '../attributes/in-flight-load.ts';
import { METRIC_KEYS } from '../attributes/metrics.ts';
import { DEFAULT_PREFIX_PRODUCER, type PrefixMatch, prefixMatchKey } from '../attributes/prefix-match.ts';

/** Tokens of one block where no prefix match says how many. */
const BLOCK_TOKENS = 64;

const params = z.strictObject({
  prefixMatchInfoProducerName: z
    .string()
    .default(DEFAULT_PREFIX_PRODUCER)
    .describe('Name of the producer whose block size is the floor.'),
  inFlightLoadProducerName: z
    .string()
    .default(DEFAULT_IN_FLIGHT_PRODUCER)
    .describe('Name of the producer whose counts of requests and uncached tokens are read.'),
  ownTokensWeight: z
    .number()
    .min(1)
    .default(1.2)
    .describe(
      'What a token that this request adds counts against one that waits already; 1 as published. Above 1, a queue in front of a cached prefix does not by itself make a second copy of it.',
    ),
  batchUnit: z
    .number()
    .gt(0)
    .default(16)
    .describe(
      'Requests under way that weigh as much as the prompt; 1 as published. More where a decoding request costs a step little beside a prompt.',
    ),
});

type Config = z.infer<typeof params>;

/**
 * LMETRIC: what the prompt would cost at an endpoint, times who would share it.
 *
 *     tokens = ownTokensWeight × max(uncached tokens of this request, one block) + those of requests that wait for
 *              their first token
 *     batch  = max(own requests in flight, running + waiting as scraped)
 *     value  = tokens × (batch / batchUnit + 1)
 *     score  = least value / value
 *
 * A factor on either part cancels when endpoints are compared. The floor keeps a whole match from being free at any load.
 * Zhang et al., "LMetric: Simple is Better", arXiv:2603.15202, 2026: new prefill tokens × batch size, which are
 * `ownTokensWeight` 1 and `batchUnit` 1. The defaults are those with which `epp demo --compare` loses nothing against the
 * default configuration at p99: see docs/demo.md.
 */
class LmetricScorer implements Scorer {
  readonly category = 'balance';
  readonly #matchKey: AttributeKey<PrefixMatch>;
  readonly #loadKey: AttributeKey<InFlightLoad>;
  readonly #uncachedKey: AttributeKey<Float64Array>;
  readonly #ownTokensWeight: number;
  readonly #batchUnit: number;

  constructor(config: Config) {
    this.#ownTokensWeight = config.ownTokensWeight;
    this.#batchUnit = config.batchUnit;
    this.#matchKey = prefixMatchKey(config.prefixMatchInfoProducerName);
    this.#loadKey = inFlightLoadKey(config.inFlightLoadProducerName);
    this.#uncachedKey = uncachedTokensKey(config.inFlightLoadProducerName);
  }

  score(request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void {
    const uncached = request.attributes.get(this.#uncachedKey);
    const blockSize = request.attributes.get(this.#matchKey)?.blockSizeTokens ?? 0;
    const floor = blockSize > 0 ? blockSize : BLOCK_TOKENS;
    let least = Number.POSITIVE_INFINITY;
    let i = 0;
    for (const candidate of candidates) {
      const load = candidate.attributes.get(this.#loadKey);
      const { runningRequestsSize, waitingQueueSize } = candidate.metrics;
      const own = Math.max(floor, uncached?.[candidate.slot] ?? 0);
      const tokens = this.#ownTokensWeight * own + (load?.tokens ?? 0);
      const batch = Math.max(load?.requests ?? 0, runningRequestsSize + waitingQueueSize);
      const value = tokens * (batch / this.#batchUnit + 1);
      if (value < least) least = value;
      out[i] = value;
      i += 1;
    }
    for (i = 0; i < candidates.length; i += 1) out[i] = least / (out[i] ?? least);
  }
}

/** `lmetric-scorer`. */
export const lmetricScorer = definePlugin({
  type: 'lmetric-scorer',
  kinds: ['scorer'],
  stability: 'beta',
  summary:
    'Prefers the endpoint with the least product of prompt tokens still to compute and requests under way.',
  params,
  dependencies: (config) => ({
    requires: [
      prefixMatchKey(config.prefixMatchInfoProducerName),
      inFlightLoadKey(config.inFlightLoadProducerName),
      uncachedTokensKey(config.inFlightLoadProducerName),
      METRIC_KEYS.runningRequestsSize,
      METRIC_KEYS.waitingQueueSize,
    ],
  }),
  create: (config) => new LmetricScorer(config),
});
