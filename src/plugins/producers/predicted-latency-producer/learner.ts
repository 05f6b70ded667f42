import type { PluginContext } from '../../../framework/plugin.ts';
import type { InferenceRequest } from '../../../framework/request.ts';
import type { InferenceResponse } from '../../../framework/response.ts';
import type { ErrorMargin } from './error-margin.ts';
import { type Features, sampleText } from './features.ts';
import { LatencyMetrics } from './latency-metrics.ts';
import type { Config } from './params.ts';
import type { RequestState } from './request-state.ts';
import type { SampleBuffer } from './sample-buffer.ts';

/** Where what is learnt goes. */
interface LearnerParts {
  readonly samples: SampleBuffer;
  readonly margins: { readonly ttft: ErrorMargin; readonly tpot: ErrorMargin };
}

/**
 * Makes samples, metrics and error margins of how answers went.
 *
 *     ttft = first byte - sent                               streams, with streamingMode; other answers teach nothing then
 *     ttft = last byte - sent                                without streamingMode
 *     tpot = (last byte - first byte) / (tokens - 1)         with streamingMode
 *
 * `sent` leaves out the time in queues; an objective is held against the time since the request came in. Tokens are what
 * the server counted, else the events of the stream. Only good answers (2xx) from the endpoint that was chosen teach, and
 * only those that ended by themselves; a first token that came is true however the answer ended.
 */
export class Learner {
  readonly #config: Config;
  readonly #context: PluginContext;
  readonly #parts: LearnerParts;
  readonly #metrics: LatencyMetrics;

  constructor(config: Config, context: PluginContext, parts: LearnerParts) {
    this.#config = config;
    this.#context = context;
    this.#parts = parts;
    this.#metrics = new LatencyMetrics(context);
  }

  /** Predictions for `request` took `durationMs`. */
  predicted(request: InferenceRequest, durationMs: number): void {
    this.#metrics.predictionTook(request, 'ttft', durationMs / 1000);
    if (this.#config.streamingMode) this.#metrics.predictionTook(request, 'tpot', durationMs / 1000);
  }

  /** The first byte of the answer is there. */
  started(request: InferenceRequest, response: InferenceResponse, state: RequestState): void {
    if (!this.#config.streamingMode || !response.isStreaming) return;
    if (isGood(response) && state.isServedAsPlanned(request))
      this.#firstToken(request, response.firstByteAtMs, state);
  }

  /** The answer ended, however it did. */
  completed(request: InferenceRequest, response: InferenceResponse, state: RequestState): void {
    if (response.cause !== 'natural' || !isGood(response) || !state.isServedAsPlanned(request)) return;
    if (!this.#config.streamingMode) this.#firstToken(request, response.lastByteAtMs, state);
    else if (response.isStreaming) this.#furtherTokens(request, response, state);
  }

  #firstToken(request: InferenceRequest, atMs: number, state: RequestState): void {
    const ttftMs = atMs - state.sentAtMs;
    if (!(ttftMs > 0) || ttftMs > this.#config.contextTTL) return;
    this.#learn(state.prefillFeatures, { ttftMs, tpotMs: 0 });
    this.#parts.margins.ttft.observe(state.predictedTtftMs, ttftMs);
    this.#metrics.observed(request, 'ttft', ttftMs / 1000, state.predictedTtftMs / 1000);
    if (state.sloTtftMs > 0)
      this.#metrics.judged(request, 'ttft', atMs - request.receivedAtMs > state.sloTtftMs);
  }

  #furtherTokens(request: InferenceRequest, response: InferenceResponse, state: RequestState): void {
    const { completionTokens } = response.usage;
    const tokens = completionTokens >= 0 ? completionTokens : response.events;
    const tpotMs = (response.lastByteAtMs - response.firstByteAtMs) / (tokens - 1);
    if (tokens <= 1 || !(tpotMs > 0)) return;
    if (response.lastByteAtMs - state.sentAtMs > this.#config.contextTTL) return;
    this.#learn(state.targetFeatures, { ttftMs: 0, tpotMs });
    this.#parts.margins.tpot.observe(state.predictedTpotMs, tpotMs);
    this.#metrics.observed(request, 'tpot', tpotMs / 1000, state.predictedTpotMs / 1000);
    if (state.sloTpotMs > 0) this.#metrics.judged(request, 'tpot', tpotMs > state.sloTpotMs);
  }

  #learn(
    features: Features | undefined,
    observed: { readonly ttftMs: number; readonly tpotMs: number },
  ): void {
    if (features === undefined) return;
    const timestamp = new Date(this.#context.clock.wallMs()).toISOString();
    this.#parts.samples.add(observed.ttftMs > 0 ? 'ttft' : 'tpot', sampleText(features, observed, timestamp));
  }
}

function isGood(response: InferenceResponse): boolean {
  return response.status >= 200 && response.status < 300;
}
