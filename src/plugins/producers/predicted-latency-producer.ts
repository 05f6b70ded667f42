import { type AttributeKey, attributeKey } from '../../framework/attribute.ts';
import { latencyObjectiveMs } from '../../framework/control-headers.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import type {
  DataProducer,
  Patience,
  PreRequestHook,
  ResponseBodyHook,
  StateDumper,
} from '../../framework/hooks.ts';
import type { CounterCell } from '../../framework/instruments.ts';
import { definePlugin, type PluginContext } from '../../framework/plugin.ts';
import type { SchedulingResult } from '../../framework/profile-handler.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { InferenceResponse } from '../../framework/response.ts';
import { encoderCacheMatchKey } from '../attributes/encoder-cache-match.ts';
import { inFlightLoadKey } from '../attributes/in-flight-load.ts';
import {
  type LatencyPrediction,
  latencyPredictionKey,
  noPredictions,
} from '../attributes/latency-prediction.ts';
import { prefixMatchKey } from '../attributes/prefix-match.ts';
import { TOKENIZED_PROMPT } from '../attributes/tokenized-prompt.ts';
import { ErrorMargin } from './predicted-latency-producer/error-margin.ts';
import { FeatureReader, questionText } from './predicted-latency-producer/features.ts';
import { writeHeadroom } from './predicted-latency-producer/headroom.ts';
import { Learner } from './predicted-latency-producer/learner.ts';
import { type Config, params, warnOfIgnored } from './predicted-latency-producer/params.ts';
import type { Estimates } from './predicted-latency-producer/prediction-client.ts';
import { RequestState } from './predicted-latency-producer/request-state.ts';
import { RunningObjectives } from './predicted-latency-producer/running-objectives.ts';
import { Sidecars } from './predicted-latency-producer/sidecars.ts';

/**
 * Has the latency of a request predicted for every candidate, and teaches the predictor with what came of it.
 *
 * The predictor is a pair of servers beside the picker. Whatever goes wrong with it, requests go on without predictions.
 * llm-d-router: pkg/epp/framework/plugins/requestcontrol/dataproducer/predictedlatency
 */
class PredictedLatencyProducer implements DataProducer, PreRequestHook, ResponseBodyHook, StateDumper {
  readonly timeoutMs: number;
  readonly countsEvents: boolean;
  readonly #config: Config;
  readonly #context: PluginContext;
  readonly #predictionKey: AttributeKey<LatencyPrediction>;
  readonly #stateKey: AttributeKey<RequestState>;
  readonly #features: FeatureReader;
  readonly #sidecars: Sidecars;
  readonly #running = new RunningObjectives();
  readonly #margins: { readonly ttft: ErrorMargin; readonly tpot: ErrorMargin };
  readonly #learner: Learner;
  readonly #skipped: CounterCell;

  constructor(config: Config, context: PluginContext) {
    this.#config = config;
    this.#context = context;
    this.timeoutMs = config.predictionTimeout;
    this.countsEvents = config.streamingMode;
    this.#predictionKey = latencyPredictionKey(context.name);
    this.#stateKey = attributeKey('PredictedLatencyState', context.name);
    this.#features = new FeatureReader(config);
    this.#sidecars = new Sidecars(config, context, () =>
      this.#running.expire(context.clock.nowMs() - config.contextTTL),
    );
    this.#margins = {
      ttft: new ErrorMargin(config.errorMarginQuantile),
      tpot: new ErrorMargin(config.errorMarginQuantile),
    };
    this.#learner = new Learner(config, context, { samples: this.#sidecars.samples, margins: this.#margins });
    this.#skipped = this.#sidecars.counter('predict', 'skipped');
  }

  produce(
    request: InferenceRequest,
    candidates: readonly Endpoint[],
    patience: Patience,
  ): undefined | Promise<void> {
    const objectives = {
      ttftMs: latencyObjectiveMs(request.headers, 'sloTtft'),
      tpotMs: latencyObjectiveMs(request.headers, 'sloTpot'),
    };
    const state = new RequestState(objectives, candidates, this.#features.read(request, candidates));
    request.attributes.set(this.#stateKey, state);
    if (!this.#config.predictInProduce) return undefined;
    if (!this.#sidecars.canPredict) {
      this.#skipped.value += 1;
      return undefined;
    }
    return this.#predict(request, state, patience.signal);
  }

  preRequest(request: InferenceRequest, result: SchedulingResult): void {
    const state = request.attributes.get(this.#stateKey);
    const target = result.profiles.get(result.primary)?.targets[0];
    if (state === undefined || target === undefined) return;
    const prefill =
      result.prefill === undefined ? undefined : result.profiles.get(result.prefill)?.targets[0];
    const nowMs = this.#context.clock.nowMs();
    state.place(target, prefill, nowMs);
    const prediction = request.attributes.get(this.#predictionKey);
    if (prediction !== undefined) {
      const own = prediction.ttftMs[target.slot] ?? Number.NaN;
      const other = prefill === undefined ? Number.NaN : (prediction.ttftMs[prefill.slot] ?? Number.NaN);
      state.predictedTtftMs = Number.isNaN(other) ? own : other;
      state.predictedTpotMs = prediction.tpotMs[target.slot] ?? Number.NaN;
    }
    if (this.#isStream(request) && state.sloTpotMs > 0)
      state.running = this.#running.add(target, state.sloTpotMs, nowMs);
  }

  responseStarted(request: InferenceRequest, response: InferenceResponse): void {
    const state = request.attributes.get(this.#stateKey);
    if (state !== undefined) this.#learner.started(request, response, state);
  }

  responseComplete(request: InferenceRequest, response: InferenceResponse): void {
    const state = request.attributes.get(this.#stateKey);
    if (state === undefined) return;
    if (state.running !== undefined) this.#running.remove(state.running);
    this.#learner.completed(request, response, state);
    request.attributes.set(this.#stateKey, undefined);
  }

  dumpState(): unknown {
    return {
      ...this.#sidecars.dump(),
      runningWithTokenObjective: this.#running.size,
      errorMargins: { ttft: this.#margins.ttft.factor, tpot: this.#margins.tpot.factor },
    };
  }

  async #predict(request: InferenceRequest, state: RequestState, signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    const startMs = clock.nowMs();
    const estimates = await this.#sidecars.predict(state.features.map(questionText), signal);
    if (signal.aborted) return;
    this.#learner.predicted(request, clock.nowMs() - startMs);
    const prediction = this.#compare(request, state, estimates);
    if (prediction !== undefined) request.attributes.set(this.#predictionKey, prediction);
  }

  /** Undefined when nothing was predicted for any candidate. */
  #compare(
    request: InferenceRequest,
    state: RequestState,
    estimates: Estimates,
  ): LatencyPrediction | undefined {
    const { candidates, sloTtftMs, sloTpotMs } = state;
    if (estimates.ttftMs.every(Number.isNaN)) return undefined;
    let slots = 0;
    for (const { slot } of candidates) if (slot >= slots) slots = slot + 1;
    const prediction = noPredictions(slots);
    const spentMs = this.#context.clock.nowMs() - request.receivedAtMs;
    const objectives = { ttftMs: sloTtftMs - spentMs, hasTtft: sloTtftMs > 0, tpotMs: sloTpotMs };
    const isStream = this.#isStream(request);
    for (let i = 0; i < candidates.length; i += 1) {
      const candidate = candidates[i];
      if (candidate === undefined) continue;
      const { slot } = candidate;
      prediction.dispatchedRequests[slot] = candidate.inFlightRequests;
      prediction.ttftMs[slot] = estimates.ttftMs[i] ?? Number.NaN;
      prediction.tpotMs[slot] = estimates.tpotMs[i] ?? Number.NaN;
      if (Number.isNaN(prediction.ttftMs[slot])) continue;
      writeHeadroom(prediction, slot, objectives, {
        countsTpot: isStream && this.#features.podType(candidate) !== 'prefill',
        tightestTpotMs: this.#running.tightestMs(candidate),
        sloBufferFactor: this.#config.sloBufferFactor,
        ttftMargin: this.#margins.ttft.factor,
        tpotMargin: this.#margins.tpot.factor,
      });
    }
    return prediction;
  }

  /** Whether the time of one token matters to this request. */
  #isStream(request: InferenceRequest): boolean {
    return this.#config.streamingMode && request.body.isStreaming;
  }
}

/** `predicted-latency-producer`. */
export const predictedLatencyProducer = definePlugin({
  type: 'predicted-latency-producer',
  kinds: ['producer', 'pre-request', 'response-body', 'state-dumper'],
  stability: 'beta',
  summary: 'Predicts how long each endpoint would take, with a predictor beside the picker that learns.',
  params,
  dependencies: (config, name) => ({
    requires: [
      TOKENIZED_PROMPT,
      prefixMatchKey(config.prefixMatchInfoProducerName),
      inFlightLoadKey(config.inFlightLoadProducerName),
      ...(config.useEncoderCacheFeatures
        ? [encoderCacheMatchKey(config.encoderCacheMatchInfoProducerName)]
        : []),
    ],
    produces: [latencyPredictionKey(name)],
  }),
  create(config, context) {
    warnOfIgnored(config, context.log);
    return new PredictedLatencyProducer(config, context);
  },
});
