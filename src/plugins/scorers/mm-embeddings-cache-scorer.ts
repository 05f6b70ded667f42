import { z } from 'zod';
import type { AttributeKey } from '../../framework/attribute.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { Scorer } from '../../framework/scorer.ts';
import {
  DEFAULT_ENCODER_CACHE_PRODUCER,
  type EncoderCacheMatch,
  encoderCacheMatchKey,
} from '../attributes/encoder-cache-match.ts';

/**
 * Prefers endpoints whose encoder has seen the request's images, videos or sounds.
 *
 * score = size of the items seen there / size of all items; 0 for all when the request has no media.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/scorer/mmembeddingscache
 */
class MmEmbeddingsCacheScorer implements Scorer {
  readonly category = 'affinity';
  readonly #key: AttributeKey<EncoderCacheMatch>;

  constructor(key: AttributeKey<EncoderCacheMatch>) {
    this.#key = key;
  }

  score(request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void {
    const match = request.attributes.get(this.#key);
    if (match === undefined || !(match.requestSize > 0)) return;
    let i = 0;
    for (const candidate of candidates) {
      out[i] = (match.matchedSize[candidate.slot] ?? 0) / match.requestSize;
      i += 1;
    }
  }
}

/** `mm-embeddings-cache-scorer`. */
export const mmEmbeddingsCacheScorer = definePlugin({
  type: 'mm-embeddings-cache-scorer',
  kinds: ['scorer'],
  stability: 'beta',
  summary: 'Prefers endpoints whose encoder has seen the same images, videos or sounds.',
  params: z.strictObject({
    producerName: z
      .string()
      .default(DEFAULT_ENCODER_CACHE_PRODUCER)
      .describe('Name of the producer that remembers which endpoint saw which media.'),
  }),
  dependencies: (config) => ({ requires: [encoderCacheMatchKey(config.producerName)] }),
  create: (config) => new MmEmbeddingsCacheScorer(encoderCacheMatchKey(config.producerName)),
});
