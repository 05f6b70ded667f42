import { z } from 'zod';
import type { AttributeKey } from '../../framework/attribute.ts';
import { latencyObjectiveMs } from '../../framework/control-headers.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { RejectionError } from '../../framework/errors.ts';
import type { Admitter } from '../../framework/hooks.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import {
  DEFAULT_PREDICTION_PRODUCER,
  isPredicted,
  type LatencyPrediction,
  latencyPredictionKey,
} from '../attributes/latency-prediction.ts';

/** KV cache use below which an endpoint counts as cold. */
const COLD_KV_CACHE_USAGE = 0.02;

/**
 * Refuses a request that may be shed when no endpoint would serve it in time. It is let in when its priority is 0 or more,
 * when it has no objective, when nothing is predicted, and when some candidate
 *
 *     is predicted to be in time, or has no request of this picker under way, or uses less than 2 % of its KV cache.
 *
 * llm-d-router: pkg/epp/framework/plugins/requestcontrol/admitter/latencyslo
 */
class LatencySloAdmitter implements Admitter {
  readonly #predictionKey: AttributeKey<LatencyPrediction>;

  constructor(predictionKey: AttributeKey<LatencyPrediction>) {
    this.#predictionKey = predictionKey;
  }

  admit(request: InferenceRequest, candidates: readonly Endpoint[]): RejectionError | undefined {
    if (request.priority >= 0) return undefined;
    const { headers } = request;
    if (latencyObjectiveMs(headers, 'sloTtft') === 0 && latencyObjectiveMs(headers, 'sloTpot') === 0)
      return undefined;
    const prediction = request.attributes.get(this.#predictionKey);
    if (prediction === undefined) return undefined;
    let hasPrediction = false;
    for (const { slot, inFlightRequests, metrics } of candidates) {
      if (inFlightRequests === 0 || metrics.kvCacheUsage < COLD_KV_CACHE_USAGE) return undefined;
      if (!isPredicted(prediction, slot)) continue;
      if (prediction.ttftValid[slot] === 1 && prediction.tpotValid[slot] === 1) return undefined;
      hasPrediction = true;
    }
    if (!hasPrediction) return undefined;
    return new RejectionError('resource-exhausted', 'no valid endpoint available to serve the request', {
      reason: 'rejected-saturated',
    });
  }
}

/** `latency-slo-admitter`. */
export const latencySloAdmitter = definePlugin({
  type: 'latency-slo-admitter',
  kinds: ['admitter'],
  stability: 'beta',
  summary: 'Refuses requests of negative priority whose objectives no endpoint can meet.',
  params: z.strictObject({
    latencyPredictionInfoProducerName: z
      .string()
      .default(DEFAULT_PREDICTION_PRODUCER)
      .describe('Name of the producer whose predictions are read.'),
  }),
  dependencies: (config) => ({ requires: [latencyPredictionKey(config.latencyPredictionInfoProducerName)] }),
  create: (config) => new LatencySloAdmitter(latencyPredictionKey(config.latencyPredictionInfoProducerName)),
});
