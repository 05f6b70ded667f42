import { z } from 'zod';
import type { AttributeKey } from '../../framework/attribute.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { Filter } from '../../framework/filter.ts';
import { definePlugin, type PluginContext } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import {
  DEFAULT_IN_FLIGHT_PRODUCER,
  type InFlightLoad,
  inFlightLoadKey,
  uncachedTokensKey,
} from '../attributes/in-flight-load.ts';
import {
  DEFAULT_PREDICTION_PRODUCER,
  type LatencyPrediction,
  latencyPredictionKey,
} from '../attributes/latency-prediction.ts';
import {
  DEFAULT_PREFIX_PRODUCER,
  matchedShare,
  type PrefixMatch,
  prefixMatchKey,
} from '../attributes/prefix-match.ts';

const MS_PER_S = 1000;

const params = z
  .strictObject({
    affinityThreshold: z
      .number()
      .max(1)
      .default(0.8)
      .describe(
        'Share of the prompt that an endpoint must hold to be kept; 0 or less switches the filter off.',
      ),
    explorationProbability: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe('Share of requests for which all candidates are kept.'),
    maxTTFTPenaltyMs: z
      .number()
      .min(0)
      .default(18_000)
      .describe(
        'All are kept when the first token would come later than elsewhere by more than this; 0 never gives way.',
      ),
    ttftSource: z
      .enum(['prefillThroughput', 'latencyPredictor'])
      .default('prefillThroughput')
      .describe('Where the time to the first token comes from.'),
    peakPrefillThroughput: z
      .number()
      .min(0)
      .default(15_928)
      .describe('Prompt tokens that an endpoint computes in a second.'),
    prefixMatchInfoProducerName: z
      .string()
      .default(DEFAULT_PREFIX_PRODUCER)
      .describe('Name of the producer whose prefix match is read.'),
    latencyPredictionInfoProducerName: z
      .string()
      .default(DEFAULT_PREDICTION_PRODUCER)
      .describe('Name of the producer whose predictions are read.'),
    inFlightLoadProducerName: z
      .string()
      .default(DEFAULT_IN_FLIGHT_PRODUCER)
      .describe('Name of the producer whose in-flight tokens are read.'),
    referenceBehavior: z
      .boolean()
      .default(false)
      .describe('Leave the tokens of the request itself out of the time to the first token.'),
  })
  .refine(
    (config) =>
      config.peakPrefillThroughput > 0 ||
      config.ttftSource !== 'prefillThroughput' ||
      config.maxTTFTPenaltyMs === 0,
    {
      path: ['peakPrefillThroughput'],
      message: 'must be more than 0 where the time to the first token is computed from it',
    },
  );

type Config = z.infer<typeof params>;

/**
 * Keeps the endpoints that hold most of the prompt, unless they are too slow.
 *
 *     sticky = candidates with matchBlocks / totalBlocks >= affinityThreshold
 *     all candidates when none or all are sticky, or best ttft(sticky) - best ttft(others) > maxTTFTPenaltyMs
 *     ttft   = (in-flight tokens + uncached tokens of this request) / peakPrefillThroughput, or the prediction
 *
 * An endpoint of unknown load has no tokens in flight; one without prediction is infinitely slow.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/filter/prefixcacheaffinity
 */
class PrefixCacheAffinityFilter implements Filter {
  readonly #config: Config;
  readonly #rng: PluginContext['rng'];
  readonly #matchKey: AttributeKey<PrefixMatch>;
  readonly #loadKey: AttributeKey<InFlightLoad>;
  readonly #uncachedKey: AttributeKey<Float64Array>;
  readonly #predictionKey: AttributeKey<LatencyPrediction>;

  constructor(config: Config, context: PluginContext) {
    this.#config = config;
    this.#rng = context.rng;
    this.#matchKey = prefixMatchKey(config.prefixMatchInfoProducerName);
    this.#loadKey = inFlightLoadKey(config.inFlightLoadProducerName);
    this.#uncachedKey = uncachedTokensKey(config.inFlightLoadProducerName);
    this.#predictionKey = latencyPredictionKey(config.latencyPredictionInfoProducerName);
  }

  filter(request: InferenceRequest, candidates: readonly Endpoint[]): readonly Endpoint[] {
    const { affinityThreshold, explorationProbability, maxTTFTPenaltyMs } = this.#config;
    const match = request.attributes.get(this.#matchKey);
    if (candidates.length <= 1 || affinityThreshold <= 0 || match === undefined) return candidates;
    if (explorationProbability > 0 && this.#rng.next() < explorationProbability) return candidates;
    let sticky = 0;
    let bestStickyMs = Number.POSITIVE_INFINITY;
    let bestOtherMs = Number.POSITIVE_INFINITY;
    for (const candidate of candidates) {
      const isSticky = matchedShare(match, candidate.slot) >= affinityThreshold;
      if (isSticky) sticky += 1;
      if (maxTTFTPenaltyMs === 0) continue;
      const ttftMs = this.#ttftMs(request, candidate);
      if (isSticky) bestStickyMs = Math.min(bestStickyMs, ttftMs);
      else bestOtherMs = Math.min(bestOtherMs, ttftMs);
    }
    if (sticky === 0 || sticky === candidates.length) return candidates;
    if (maxTTFTPenaltyMs > 0 && bestStickyMs - bestOtherMs > maxTTFTPenaltyMs) return candidates;
    return candidates.filter((candidate) => matchedShare(match, candidate.slot) >= affinityThreshold);
  }

  #ttftMs(request: InferenceRequest, candidate: Endpoint): number {
    const { ttftSource, peakPrefillThroughput, referenceBehavior } = this.#config;
    if (ttftSource === 'latencyPredictor') {
      const ttftMs = request.attributes.get(this.#predictionKey)?.ttftMs[candidate.slot] ?? Number.NaN;
      return ttftMs >= 0 ? ttftMs : Number.MAX_VALUE;
    }
    const inFlight = candidate.attributes.get(this.#loadKey)?.tokens ?? 0;
    const own = referenceBehavior ? 0 : (request.attributes.get(this.#uncachedKey)?.[candidate.slot] ?? 0);
    return ((inFlight + own) / peakPrefillThroughput) * MS_PER_S;
  }
}

/** `prefix-cache-affinity-filter`. */
export const prefixCacheAffinityFilter = definePlugin({
  type: 'prefix-cache-affinity-filter',
  kinds: ['filter'],
  stability: 'beta',
  summary: 'Keeps endpoints that hold most of the prompt, unless they are too slow.',
  params,
  dependencies: (config) => {
    const match = prefixMatchKey(config.prefixMatchInfoProducerName);
    if (config.maxTTFTPenaltyMs === 0 || config.affinityThreshold <= 0) return { requires: [match] };
    if (config.ttftSource === 'latencyPredictor')
      return { requires: [match, latencyPredictionKey(config.latencyPredictionInfoProducerName)] };
    const { inFlightLoadProducerName } = config;
    return {
      requires: [match, inFlightLoadKey(inFlightLoadProducerName)],
      optional: [uncachedTokensKey(inFlightLoadProducerName)],
    };
  },
  create: (config, context) => new PrefixCacheAffinityFilter(config, context),
});
