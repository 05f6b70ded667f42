import { z } from 'zod';
import type { AttributeKey } from '../../framework/attribute.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { Scorer } from '../../framework/scorer.ts';
import {
  DEFAULT_PREDICTION_PRODUCER,
  isPredicted,
  type LatencyPrediction,
  latencyPredictionKey,
} from '../attributes/latency-prediction.ts';
import {
  DEFAULT_PREFIX_PRODUCER,
  matchedShare,
  type PrefixMatch,
  prefixMatchKey,
} from '../attributes/prefix-match.ts';
import { scoreBucket, type Weights } from './latency-scorer/bucket-score.ts';

/** What an endpoint is expected to miss; bits, so that both is the sum. */
const MISSES = { nothing: 0, ttft: 1, tpot: 2, both: 3, unknown: 4 } as const;
/** Where no endpoint is in time and none is idle: the groups in the order in which one is taken. */
const LATE_GROUPS = [MISSES.tpot, MISSES.ttft, MISSES.both] as const;

const params = z.strictObject({
  ttftWeight: z.number().default(0.8).describe('How much the time to the first token counts.'),
  tpotWeight: z
    .number()
    .default(0.2)
    .describe(
      'How much the time of a further token counts; a sum of 0 or less means that only the other does.',
    ),
  headroomSelectionStrategy: z
    .enum(['least', 'most'])
    .default('least')
    .describe(
      'Among endpoints that are in time: `least` prefers those that are just so, `most` those with most time to spare.',
    ),
  compositeKVWeight: z.number().default(1).describe('Weight of a free KV cache where nothing is predicted.'),
  compositeQueueWeight: z.number().default(1).describe('Weight of a short queue where nothing is predicted.'),
  compositePrefixWeight: z
    .number()
    .default(1)
    .describe('Weight of the prefix match where nothing is predicted.'),
  latencyPredictionInfoProducerName: z
    .string()
    .default(DEFAULT_PREDICTION_PRODUCER)
    .describe('Name of the producer whose predictions are read.'),
  prefixMatchInfoProducerName: z
    .string()
    .default(DEFAULT_PREFIX_PRODUCER)
    .describe('Name of the producer whose prefix match is read.'),
  referenceBehavior: z
    .boolean()
    .default(false)
    .describe(
      'Take an endpoint without prediction for one that is just in time, which `least` prefers, as llm-d-router does; with false it scores 0 beside endpoints with one.',
    ),
});

type Config = z.infer<typeof params>;

/**
 * Prefers endpoints by the time they would leave of what the client allows.
 *
 *     nothing predicted → composite = round(100 × (kv × (1 - kvUsage) + queue × (maxQueue - queue) / maxQueue + prefix × match)) / 100
 *     some in time      → these by headroom, the others 0
 *     none in time      → these without a request under way, if there are any; else those that miss the time of a token
 *                         only; else those that miss the first token only; else all; always the least missing first
 *
 * Weights of the composite sum up to 1; a queue of 0 everywhere counts 1. See `bucket-score.ts` for what a group gets.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/scorer/latency
 */
class LatencyScorer implements Scorer {
  readonly category = 'balance';
  readonly #config: Config;
  readonly #weights: Weights;
  readonly #composite: { readonly kv: number; readonly queue: number; readonly prefix: number };
  readonly #predictionKey: AttributeKey<LatencyPrediction>;
  readonly #matchKey: AttributeKey<PrefixMatch>;
  /** By position among the candidates; scoring is synchronous, so all requests share them. */
  #ttftMs = new Float64Array(64);
  #tpotMs = new Float64Array(64);
  #misses = new Uint8Array(64);
  #isMember = new Uint8Array(64);

  constructor(config: Config) {
    this.#config = config;
    const sum = config.ttftWeight + config.tpotWeight;
    this.#weights =
      sum > 0 ? { ttft: config.ttftWeight / sum, tpot: config.tpotWeight / sum } : { ttft: 1, tpot: 0 };
    const { compositeKVWeight: kv, compositeQueueWeight: queue, compositePrefixWeight: prefix } = config;
    const whole = kv + queue + prefix;
    this.#composite =
      whole > 0
        ? { kv: kv / whole, queue: queue / whole, prefix: prefix / whole }
        : { kv: 1, queue: 0, prefix: 0 };
    this.#predictionKey = latencyPredictionKey(config.latencyPredictionInfoProducerName);
    this.#matchKey = prefixMatchKey(config.prefixMatchInfoProducerName);
  }

  score(request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void {
    const prediction = request.attributes.get(this.#predictionKey);
    if (prediction === undefined || !this.#read(prediction, candidates)) {
      this.#scoreComposite(request, candidates, out);
      return;
    }
    const count = candidates.length;
    const isInTime = this.#choose(count, (i) => this.#misses[i] === MISSES.nothing);
    if (!isInTime) this.#chooseLate(prediction, candidates);
    scoreBucket({ ttftMs: this.#ttftMs, tpotMs: this.#tpotMs }, this.#isMember, {
      count,
      weights: this.#weights,
      prefersMost: isInTime && this.#config.headroomSelectionStrategy === 'most',
      out,
    });
  }

  /** Fills the buffers. False when nothing is predicted for any candidate. */
  #read(prediction: LatencyPrediction, candidates: readonly Endpoint[]): boolean {
    if (candidates.length > this.#misses.length) this.#grow(candidates.length * 2);
    const unknown = this.#config.referenceBehavior ? MISSES.nothing : MISSES.unknown;
    let predicted = 0;
    let i = 0;
    for (const { slot } of candidates) {
      const isKnown = isPredicted(prediction, slot);
      const ttftMs = isKnown ? (prediction.ttftHeadroomMs[slot] ?? 0) : 0;
      const tpotMs = isKnown ? (prediction.tpotHeadroomMs[slot] ?? 0) : 0;
      if (isKnown) predicted += 1;
      this.#ttftMs[i] = ttftMs;
      this.#tpotMs[i] = tpotMs;
      const missed = (ttftMs < 0 ? MISSES.ttft : 0) + (tpotMs < 0 ? MISSES.tpot : 0);
      this.#misses[i] = isKnown ? missed : unknown;
      i += 1;
    }
    return predicted > 0;
  }

  /** Makes those of the first `count` for which `belongs` holds the members; false when there are none. */
  #choose(count: number, belongs: (i: number) => boolean): boolean {
    let members = 0;
    for (let i = 0; i < count; i += 1) {
      const isMember = belongs(i);
      this.#isMember[i] = isMember ? 1 : 0;
      if (isMember) members += 1;
    }
    return members > 0;
  }

  #chooseLate(prediction: LatencyPrediction, candidates: readonly Endpoint[]): void {
    const { length } = candidates;
    const hasIdle = this.#choose(
      length,
      (i) =>
        this.#misses[i] !== MISSES.unknown && prediction.dispatchedRequests[candidates[i]?.slot ?? -1] === 0,
    );
    if (hasIdle) return;
    for (const group of LATE_GROUPS) if (this.#choose(length, (i) => this.#misses[i] === group)) return;
  }

  #scoreComposite(request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void {
    const { kv, queue, prefix } = this.#composite;
    const match = request.attributes.get(this.#matchKey);
    let longest = 0;
    for (const { metrics } of candidates) longest = Math.max(longest, metrics.waitingQueueSize);
    let i = 0;
    for (const { slot, metrics } of candidates) {
      const queueShare = longest > 0 ? (longest - metrics.waitingQueueSize) / longest : 1;
      const composite =
        kv * (1 - metrics.kvCacheUsage) + queue * queueShare + prefix * matchedShare(match, slot);
      out[i] = Math.min(1, Math.max(0, Math.round(100 * composite) / 100));
      i += 1;
    }
  }

  #grow(length: number): void {
    this.#ttftMs = new Float64Array(length);
    this.#tpotMs = new Float64Array(length);
    this.#misses = new Uint8Array(length);
    this.#isMember = new Uint8Array(length);
  }
}

/** `latency-scorer`. */
export const latencyScorer = definePlugin({
  type: 'latency-scorer',
  kinds: ['scorer'],
  stability: 'beta',
  summary: 'Prefers endpoints by how their predicted latency compares with what the client allows.',
  params,
  dependencies: (config) => ({
    requires: [
      latencyPredictionKey(config.latencyPredictionInfoProducerName),
      prefixMatchKey(config.prefixMatchInfoProducerName),
    ],
  }),
  create: (config) => new LatencyScorer(config),
});
