import { z } from 'zod';
import type { AttributeKey } from '../../framework/attribute.ts';
import { latencyObjectiveMs } from '../../framework/control-headers.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { Filter } from '../../framework/filter.ts';
import { definePlugin, type PluginContext } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import {
  DEFAULT_PREDICTION_PRODUCER,
  isPredicted,
  type LatencyPrediction,
  latencyPredictionKey,
} from '../attributes/latency-prediction.ts';

const params = z.strictObject({
  epsilonExploreNeg: z
    .number()
    .min(0)
    .max(1)
    .default(0.01)
    .describe(
      'Share of requests that go to an endpoint that would miss the objective, so that more is learnt of those; only requests that may be shed or have no objective.',
    ),
  latencyPredictionInfoProducerName: z
    .string()
    .default(DEFAULT_PREDICTION_PRODUCER)
    .describe('Name of the producer whose predictions are read.'),
  referenceBehavior: z
    .boolean()
    .default(false)
    .describe('Let epsilonExploreNeg count for every request, as llm-d-router does.'),
});

type Config = z.infer<typeof params>;

/**
 * Keeps the endpoints that are expected to meet the objectives of the request, if there are any.
 *
 *     positive = predicted, with TTFT headroom >= 0 and TPOT headroom >= 0
 *     negative = all others
 *     both     → negative with probability epsilonExploreNeg, if the request may explore; else positive
 *
 * Everybody stays when nothing is predicted.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/filter/sloheadroomtier
 */
class SloHeadroomTierFilter implements Filter {
  readonly #config: Config;
  readonly #rng: PluginContext['rng'];
  readonly #predictionKey: AttributeKey<LatencyPrediction>;

  constructor(config: Config, context: PluginContext) {
    this.#config = config;
    this.#rng = context.rng;
    this.#predictionKey = latencyPredictionKey(config.latencyPredictionInfoProducerName);
  }

  filter(request: InferenceRequest, candidates: readonly Endpoint[]): readonly Endpoint[] {
    const prediction = request.attributes.get(this.#predictionKey);
    if (prediction === undefined || candidates.length <= 1) return candidates;
    let positive = 0;
    let predicted = 0;
    for (const { slot } of candidates) {
      if (isPredicted(prediction, slot)) predicted += 1;
      if (isPositive(prediction, slot)) positive += 1;
    }
    if (predicted === 0 || positive === 0 || positive === candidates.length) return candidates;
    const keepsPositive = !this.#explores(request);
    return candidates.filter(({ slot }) => isPositive(prediction, slot) === keepsPositive);
  }

  /** Draws only where it matters. */
  #explores(request: InferenceRequest): boolean {
    const { epsilonExploreNeg, referenceBehavior } = this.#config;
    if (epsilonExploreNeg === 0) return false;
    if (!referenceBehavior && request.priority >= 0 && hasObjective(request)) return false;
    return this.#rng.next() < epsilonExploreNeg;
  }
}

function isPositive(prediction: LatencyPrediction, slot: number): boolean {
  return (
    isPredicted(prediction, slot) &&
    (prediction.ttftHeadroomMs[slot] ?? 0) >= 0 &&
    (prediction.tpotHeadroomMs[slot] ?? 0) >= 0
  );
}

function hasObjective({ headers }: InferenceRequest): boolean {
  return latencyObjectiveMs(headers, 'sloTtft') > 0 || latencyObjectiveMs(headers, 'sloTpot') > 0;
}

/** `slo-headroom-tier-filter`. */
export const sloHeadroomTierFilter = definePlugin({
  type: 'slo-headroom-tier-filter',
  kinds: ['filter'],
  stability: 'beta',
  summary: 'Keeps endpoints that are predicted to meet the objectives of a request.',
  params,
  dependencies: (config) => ({ requires: [latencyPredictionKey(config.latencyPredictionInfoProducerName)] }),
  create: (config, context) => new SloHeadroomTierFilter(config, context),
});
