import { z } from 'zod';
import type { AttributeKey } from '../../../framework/attribute.ts';
import type { Endpoint } from '../../../framework/endpoint.ts';
import type { Log } from '../../../framework/log.ts';
import type { InferenceRequest } from '../../../framework/request.ts';
import { fraction } from '../../../framework/schema.ts';
import type { Scorer } from '../../../framework/scorer.ts';
import { DEFAULT_PREFIX_PRODUCER, type PrefixMatch, prefixMatchKey } from '../../attributes/prefix-match.ts';

/** Parameters of `prefix-cache-scorer`. */
export const params = z
  .strictObject({
    prefixMatchInfoProducerName: z
      .string()
      .default(DEFAULT_PREFIX_PRODUCER)
      .describe('Name of the producer whose prefix match is read.'),
    matchLengthWeight: fraction()
      .default(0)
      .describe('Share of the score that rates the absolute length of the match instead of its ratio.'),
    matchLengthScaleTokens: z
      .int()
      .default(8192)
      .describe('Matched tokens at which the length part is full; above 0 when matchLengthWeight is.'),
  })
  .refine((value) => value.matchLengthWeight === 0 || value.matchLengthScaleTokens > 0, {
    path: ['matchLengthScaleTokens'],
    message: 'must be above 0 when matchLengthWeight is above 0',
  });

/**
 * Prefers endpoints that already hold the request's prefix.
 *
 * ratio  = matchBlocks / totalBlocks
 * length = min(1, matchBlocks × blockSizeTokens / matchLengthScaleTokens)²
 * score  = matchLengthWeight × length + (1 - matchLengthWeight) × ratio; 0 for all without a match or tokens.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/scorer/prefix
 */
export class PrefixCacheScorer implements Scorer {
  readonly category = 'affinity';
  readonly #key: AttributeKey<PrefixMatch>;
  readonly #lengthWeight: number;
  readonly #scaleTokens: number;
  readonly #log: Log;

  constructor(config: z.infer<typeof params>, log: Log) {
    this.#key = prefixMatchKey(config.prefixMatchInfoProducerName);
    this.#lengthWeight = config.matchLengthWeight;
    this.#scaleTokens = config.matchLengthScaleTokens;
    this.#log = log;
  }

  score(request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void {
    const match = request.attributes.get(this.#key);
    if (match === undefined || match.totalBlocks <= 0) {
      if (this.#log.isLevelEnabled('debug')) this.#logMissing(request, candidates.length);
      return;
    }
    const { matchBlocks, totalBlocks } = match;
    const lengthWeight = match.blockSizeTokens > 0 ? this.#lengthWeight : 0;
    const ratioWeight = 1 - this.#lengthWeight;
    const blocksPerScale = match.blockSizeTokens / this.#scaleTokens;
    let i = 0;
    for (const candidate of candidates) {
      const blocks = matchBlocks[candidate.slot] ?? 0;
      const length = lengthWeight > 0 ? Math.min(1, blocks * blocksPerScale) : 0;
      out[i] = Math.min(1, lengthWeight * length * length + ratioWeight * (blocks / totalBlocks));
      i += 1;
    }
  }

  #logMissing(request: InferenceRequest, count: number): void {
    this.#log.debug({ requestId: request.requestId, count, key: this.#key.name }, 'no prefix match to score');
  }
}
