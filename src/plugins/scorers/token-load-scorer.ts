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

/** 128 requests of 32,768 tokens. */
const DEFAULT_THRESHOLD_TOKENS = 4_194_304;

/**
 * Prefers endpoints with fewer tokens under way.
 *
 * tokens = what the endpoint has under way + what this request would add to it; score = 1 - min(tokens, threshold) /
 * threshold. What is not known counts as 0.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/scorer/tokenload
 */
class TokenLoadScorer implements Scorer {
  readonly category = 'distribution';
  readonly #loadKey: AttributeKey<InFlightLoad>;
  readonly #uncachedKey: AttributeKey<Float64Array>;
  readonly #threshold: number;

  /** `threshold`: tokens, above 0. */
  constructor(producer: string, threshold: number) {
    this.#loadKey = inFlightLoadKey(producer);
    this.#uncachedKey = uncachedTokensKey(producer);
    this.#threshold = threshold;
  }

  score(request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void {
    const uncached = request.attributes.get(this.#uncachedKey);
    let i = 0;
    for (const candidate of candidates) {
      const underWay = candidate.attributes.get(this.#loadKey)?.tokens ?? 0;
      const tokens = underWay + (uncached?.[candidate.slot] ?? 0);
      out[i] = 1 - Math.min(Math.max(tokens, 0), this.#threshold) / this.#threshold;
      i += 1;
    }
  }
}

/** `token-load-scorer`. */
export const tokenLoadScorer = definePlugin({
  type: 'token-load-scorer',
  kinds: ['scorer'],
  stability: 'beta',
  summary: 'Prefers endpoints to which this picker has fewer tokens under way.',
  params: z.strictObject({
    queueThresholdTokens: z
      .int()
      .default(DEFAULT_THRESHOLD_TOKENS)
      .describe(
        `Tokens under way at which an endpoint scores 0; 0 or less means ${DEFAULT_THRESHOLD_TOKENS}.`,
      ),
    inFlightLoadProducerName: z
      .string()
      .default(DEFAULT_IN_FLIGHT_PRODUCER)
      .describe('Name of the producer whose in-flight counts are read.'),
  }),
  dependencies: ({ inFlightLoadProducerName: producer }) => ({
    requires: [inFlightLoadKey(producer), uncachedTokensKey(producer)],
  }),
  create: (params) =>
    new TokenLoadScorer(
      params.inFlightLoadProducerName,
      params.queueThresholdTokens > 0 ? params.queueThresholdTokens : DEFAULT_THRESHOLD_TOKENS,
    ),
});
