import { expect } from 'vitest';
import type { Endpoint } from '../../src/framework/endpoint.ts';
import type {
  DataProducer,
  PreRequestHook,
  ResponseBodyHook,
  StateDumper,
} from '../../src/framework/hooks.ts';
import type { SchedulingResult } from '../../src/framework/profile-handler.ts';
import type { InferenceRequest } from '../../src/framework/request.ts';
import { InferenceResponse, type TerminationCause } from '../../src/framework/response.ts';
import {
  type LatencyPrediction,
  latencyPredictionKey,
} from '../../src/plugins/attributes/latency-prediction.ts';
import { predictedLatencyProducer } from '../../src/plugins/producers/predicted-latency-producer.ts';
import { context, endpoint, request, type TestContext } from './builders.ts';
import { type LatencyPredictor, startLatencyPredictor } from './latency-predictor.ts';

type Producer = DataProducer & PreRequestHook & ResponseBodyHook & StateDumper;

/** One producer, one predictor, a clock that stands still: predictions leave at once, samples when time is moved. */
export class PredictionBench implements AsyncDisposable {
  readonly ctx: TestContext;
  readonly predictor: LatencyPredictor;
  readonly producer: Producer;
  readonly #lifetime = new AbortController();

  private constructor(predictor: LatencyPredictor, raw: object) {
    this.predictor = predictor;
    const environment = { PREDICTION_SERVER_URL: predictor.url, TRAINING_SERVER_URL: predictor.url };
    this.ctx = {
      ...context('predicted-latency-producer'),
      environment,
      signal: this.#lifetime.signal,
    };
    this.producer = predictedLatencyProducer.create(
      predictedLatencyProducer.params.parse({ coalesceWindow: '0s', ...raw }),
      this.ctx,
    ) as Producer; // its kinds
  }

  static async start(raw: object = {}): Promise<PredictionBench> {
    const predictor = await startLatencyPredictor();
    predictor.predict = ({ num_request_waiting: waiting }) => ({ ttft: 100 + waiting, tpot: 20 + waiting });
    return new PredictionBench(predictor, raw);
  }

  /** Undefined when nothing is predicted; rejects when that failed. */
  async predict(
    one: InferenceRequest,
    candidates: readonly Endpoint[],
  ): Promise<LatencyPrediction | undefined> {
    await this.producer.produce(one, candidates, { signal: new AbortController().signal });
    return one.attributes.get(latencyPredictionKey(''));
  }

  place(one: InferenceRequest, target: Endpoint, prefill?: Endpoint): void {
    one.endpoint = target;
    this.producer.preRequest(one, resultOf(target, prefill));
  }

  /** Samples that reach the predictor as seconds pass. */
  async flushed(count: number) {
    await expect
      .poll(() => {
        this.ctx.clock.advance(1000);
        return this.predictor.samples.length;
      })
      .toBe(count);
    return this.predictor.samples;
  }

  stop(): void {
    this.#lifetime.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.predictor[Symbol.asyncDispose]();
  }
}

function resultOf(target: Endpoint, prefill?: Endpoint): SchedulingResult {
  const profile = (one: Endpoint) => ({ targets: [one], candidates: [one], totals: new Float64Array(1) });
  return {
    profiles: new Map([
      ['decode', profile(target)],
      ...(prefill === undefined ? [] : [['prefill', profile(prefill)] as const]),
    ]),
    primary: 'decode',
    prefill: prefill === undefined ? undefined : 'prefill',
  };
}

/** An objective for each latency. */
export const SLOS = { 'x-llm-d-slo-ttft-ms': '200', 'x-llm-d-slo-tpot-ms': '50' };

/** A request for a stream, whose model is rewritten. */
export function streamed(headers: Record<string, string> = {}): InferenceRequest {
  return request({ model: 'client', targetModel: 'served', headers, body: { isStreaming: true } });
}

/** Two endpoints; 5 requests wait at the second. */
export function pair(): [Endpoint, Endpoint] {
  return [endpoint({ slot: 0 }), endpoint({ slot: 3, waitingQueueSize: 5 })];
}

/** Predictions, headrooms and validities of some slots. */
export function picture(prediction: LatencyPrediction | undefined, slots: readonly number[]) {
  if (prediction === undefined) return undefined;
  const { ttftMs, tpotMs, ttftHeadroomMs, tpotHeadroomMs, ttftValid, tpotValid } = prediction;
  const columns = [ttftMs, tpotMs, ttftHeadroomMs, tpotHeadroomMs, ttftValid, tpotValid];
  return slots.map((slot) => columns.map((column) => column[slot]));
}

/** An answer whose first and last byte come so long after the request was sent. */
export function finish(
  { producer, ctx }: PredictionBench,
  one: InferenceRequest,
  answer: {
    firstMs: number;
    lastMs: number;
    cause?: TerminationCause;
    status?: number;
    isStreaming?: boolean;
    tokens?: number;
    events?: number;
  },
): void {
  const response = new InferenceResponse();
  response.status = answer.status ?? 200;
  response.isStreaming = answer.isStreaming ?? true;
  ctx.clock.advance(answer.firstMs);
  response.firstByteAtMs = ctx.clock.nowMs();
  response.lastByteAtMs = ctx.clock.nowMs();
  producer.responseStarted?.(one, response);
  ctx.clock.advance(answer.lastMs - answer.firstMs);
  response.lastByteAtMs = ctx.clock.nowMs();
  response.usage.completionTokens = answer.tokens ?? Number.NaN;
  response.events = answer.events ?? 0;
  response.cause = answer.cause ?? 'natural';
  producer.responseComplete(one, response);
}
