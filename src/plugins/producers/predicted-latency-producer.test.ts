import { afterEach, describe, expect, test } from 'vitest';
import { context, endpoint, request, type TestContext } from '../../../test/support/builders.ts';
import {
  type LatencyPredictor,
  type PredictorMode,
  startLatencyPredictor,
} from '../../../test/support/latency-predictor.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { DataProducer, PreRequestHook, ResponseBodyHook, StateDumper } from '../../framework/hooks.ts';
import type { SchedulingResult } from '../../framework/profile-handler.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { InferenceResponse, type TerminationCause } from '../../framework/response.ts';
import { SeededRng } from '../../util/rng.ts';
import { encoderCacheMatchKey } from '../attributes/encoder-cache-match.ts';
import { inFlightLoadKey } from '../attributes/in-flight-load.ts';
import { type LatencyPrediction, latencyPredictionKey } from '../attributes/latency-prediction.ts';
import { prefixMatchKey } from '../attributes/prefix-match.ts';
import { TOKENIZED_PROMPT } from '../attributes/tokenized-prompt.ts';
import { predictedLatencyProducer as d } from './predicted-latency-producer.ts';

type Producer = DataProducer & PreRequestHook & ResponseBodyHook & StateDumper;

/** One producer, one predictor, a clock that stands still: predictions leave at once, samples when time is moved. */
class Bench implements AsyncDisposable {
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
    this.producer = d.create(d.params.parse({ coalesceWindow: '0s', ...raw }), this.ctx) as Producer;
  }

  static async start(raw: object = {}): Promise<Bench> {
    const predictor = await startLatencyPredictor();
    predictor.predict = ({ num_request_waiting: waiting }) => ({ ttft: 100 + waiting, tpot: 20 + waiting });
    return new Bench(predictor, raw);
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

let bench: Bench | undefined;

async function start(raw: object = {}): Promise<Bench> {
  bench = await Bench.start(raw);
  return bench;
}

afterEach(async () => {
  await bench?.[Symbol.asyncDispose]();
  bench = undefined;
});

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

const SLOS = { 'x-llm-d-slo-ttft-ms': '200', 'x-llm-d-slo-tpot-ms': '50' };

function streamed(headers: Record<string, string> = {}): InferenceRequest {
  return request({ model: 'client', targetModel: 'served', headers, body: { isStreaming: true } });
}

/** Two endpoints; 5 requests wait at the second. */
function pair(): [Endpoint, Endpoint] {
  return [endpoint({ slot: 0 }), endpoint({ slot: 3, waitingQueueSize: 5 })];
}

function picture(prediction: LatencyPrediction | undefined, slots: readonly number[]) {
  if (prediction === undefined) return undefined;
  const { ttftMs, tpotMs, ttftHeadroomMs, tpotHeadroomMs, ttftValid, tpotValid } = prediction;
  const columns = [ttftMs, tpotMs, ttftHeadroomMs, tpotHeadroomMs, ttftValid, tpotValid];
  return slots.map((slot) => columns.map((column) => column[slot]));
}

describe('predictions', () => {
  test.each([
    {
      name: 'a stream with both objectives',
      raw: { streamingMode: true },
      one: () => streamed(SLOS),
      want: [
        [100, 20, 100, 30, 1, 1],
        [105, 25, 95, 25, 1, 1],
      ],
    },
    {
      name: 'deprecated headers',
      raw: { streamingMode: true },
      one: () => streamed({ 'x-slo-ttft-ms': '102', 'x-slo-tpot-ms': '22.5' }),
      want: [
        [100, 20, 2, 2.5, 1, 1],
        [105, 25, -3, -2.5, 0, 0],
      ],
    },
    {
      name: 'current headers before deprecated ones',
      raw: {},
      one: () => streamed({ 'x-slo-ttft-ms': '1', 'x-llm-d-slo-ttft-ms': '110' }),
      want: [
        [100, 20, 10, 0, 1, 1],
        [105, 25, 5, 0, 1, 1],
      ],
    },
    ...['NaN', 'Infinity', '-5', '0', 'soon', ''].map((value) => ({
      name: `an objective of "${value}" is none`,
      raw: {},
      one: () => streamed({ 'x-llm-d-slo-ttft-ms': value }),
      want: [
        [100, 20, -100, 0, 1, 1],
        [105, 25, -105, 0, 1, 1],
      ],
    })),
    {
      name: 'no stream is asked for: the time of a token has no part',
      raw: { streamingMode: true },
      one: () => request({ headers: SLOS }),
      want: [
        [100, 20, 100, 0, 1, 1],
        [105, 25, 95, 0, 1, 1],
      ],
    },
  ])('$name', async ({ raw, one, want }) => {
    const { producer, predictor } = await start(raw);
    const asked = one();
    const pool = pair();
    await producer.produce(asked, pool, { signal: new AbortController().signal });
    expect(picture(asked.attributes.get(latencyPredictionKey('')), [0, 3])).toEqual(want);
    expect(predictor.asked.length).toBe(1);
  });

  test('time that passed before counts against the first token', async () => {
    const here = await start();
    const one = streamed({ 'x-llm-d-slo-ttft-ms': '200' });
    here.ctx.clock.advance(130);
    expect(picture(await here.predict(one, pair()), [0])).toEqual([[100, 20, -30, 0, 0, 1]]);
  });

  test('what is asked: features of each endpoint, in their ranges', async () => {
    const here = await start({ endpointRoleLabel: 'role', useEncoderCacheFeatures: true });
    const one = streamed();
    one.attributes.set(TOKENIZED_PROMPT, { prompts: [], count: 777, cacheSalt: '' });
    const blocks = Int32Array.of(5, 20);
    one.attributes.set(prefixMatchKey(''), {
      matchBlocks: blocks,
      cachedBlocks: blocks,
      totalBlocks: 10,
      blockSizeTokens: 16,
    });
    one.attributes.set(encoderCacheMatchKey(''), { requestSize: 6, matchedSize: Float64Array.of(2, 9) });
    const loaded = endpoint({ slot: 0, kvCacheUsage: 0.25, waitingQueueSize: 3, labels: { role: 'decode' } });
    loaded.attributes.set(inFlightLoadKey(''), { requests: 4, tokens: 1234.4 });
    const odd = endpoint({
      slot: 1,
      kvCacheUsage: 1.5,
      waitingQueueSize: Number.NaN,
      runningRequestsSize: 7,
      labels: { role: 'both' },
    });
    await here.predict(one, [loaded, odd]);
    expect(here.predictor.rows).toEqual([
      {
        kv_cache_percentage: 0.25,
        input_token_length: 777,
        num_request_waiting: 3,
        num_request_running: 4,
        num_tokens_generated: 1,
        prefix_cache_score: 0.5,
        encoder_input_size: 6,
        encoder_matched_size: 2,
        prefill_tokens_in_flight: 1234,
        decode_tokens_in_flight: 0,
        pod_type: 'decode',
      },
      {
        kv_cache_percentage: 1,
        input_token_length: 777,
        num_request_waiting: 0,
        num_request_running: 7,
        num_tokens_generated: 1,
        prefix_cache_score: 1,
        encoder_input_size: 6,
        encoder_matched_size: 6,
        prefill_tokens_in_flight: 0,
        decode_tokens_in_flight: 0,
      },
    ]);
  });

  test('requests under way are those of this picker; an endpoint for prompts has no time of a token', async () => {
    const here = await start({ streamingMode: true, endpointRoleLabel: 'role' });
    const busy = endpoint({ slot: 1, inFlightRequests: 3, labels: { role: 'prefill' } });
    const prediction = await here.predict(streamed({ ...SLOS, 'x-llm-d-slo-tpot-ms': '1' }), [busy]);
    expect(prediction?.dispatchedRequests[1]).toBe(3);
    expect(picture(prediction, [1])).toEqual([[100, 20, 100, 0, 1, 1]]);
  });

  test('more than a hundred candidates all get one', async () => {
    const here = await start();
    const pool = Array.from({ length: 230 }, (_, slot) => endpoint({ slot, waitingQueueSize: slot }));
    const prediction = await here.predict(streamed(), pool);
    expect([...(prediction?.ttftMs ?? [])]).toEqual(pool.map((_, slot) => 100 + slot));
    expect(here.predictor.asked.length).toBe(3);
  });

  test.each<{ mode: PredictorMode }>([
    { mode: 'error' },
    { mode: 'malformed' },
    { mode: 'few' },
    { mode: 'not-ready' },
  ])('a predictor that is $mode: none, and after three times it is not asked', async ({ mode }) => {
    const here = await start();
    here.predictor.mode = mode;
    const one = streamed(SLOS);
    for (let i = 0; i < 3; i += 1) await expect(here.predict(one, pair())).rejects.toThrow(/predict\/bulk/);
    expect(await here.predict(one, pair())).toBeUndefined();
    expect(here.predictor.asked.length).toBe(3);
    const calls = [...here.ctx.instruments.counters].filter(([name]) => name.startsWith('latency_predictor'));
    expect(
      Object.fromEntries(calls.map(([name, { value }]) => [/outcome="(\w+)/.exec(name)?.[1], value])),
    ).toEqual(expect.objectContaining({ failed: 0, skipped: 1 }));
    here.predictor.mode = 'serve';
    here.ctx.clock.advance(1000);
    expect(await here.predict(one, pair())).toBeDefined();
  });

  test('a server that says that it has no models is not asked until it says otherwise', async () => {
    const here = await start();
    here.predictor.mode = 'not-ready';
    await here.ctx.clock.advanceAsync(100);
    await expect.poll(() => JSON.stringify(here.producer.dumpState())).toContain('"isUntrained":true');
    expect(await here.predict(streamed(), pair())).toBeUndefined();
    expect(here.predictor.asked.length).toBe(0);
    here.predictor.mode = 'serve';
    await here.ctx.clock.advanceAsync(5000);
    await expect.poll(() => JSON.stringify(here.producer.dumpState())).toContain('"isUntrained":false');
    expect(await here.predict(streamed(), pair())).toBeDefined();
  });

  test('nothing is written after the time is up, and the call is given up', async () => {
    const here = await start();
    here.predictor.mode = 'stall';
    const patience = new AbortController();
    const one = streamed(SLOS);
    const waiting = here.producer.produce(one, pair(), patience);
    await expect.poll(() => here.predictor.open).toBe(1);
    patience.abort(new Error('late'));
    await expect(waiting).rejects.toThrow('late');
    await expect.poll(() => here.predictor.open).toBe(0);
    expect(one.attributes.get(latencyPredictionKey(''))).toBeUndefined();
    expect(here.producer.timeoutMs).toBe(400);
  });

  test('predictInProduce false asks nobody and still learns', async () => {
    const here = await start({ predictInProduce: false });
    const [target] = pair();
    const one = streamed(SLOS);
    expect(await here.predict(one, [target])).toBeUndefined();
    here.place(one, target);
    finish(here, one, { firstMs: 30, lastMs: 80 });
    expect((await here.flushed(1)).map(({ actual_ttft_ms: ms }) => ms)).toEqual([80]);
    expect(here.predictor.asked.length).toBe(0);
    expect(here.predictor.statusCalls).toBe(0);
  });
});

/** An answer whose first and last byte come so long after the request was sent. */
function finish(
  { producer, ctx }: Bench,
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

describe('learning', () => {
  test.each([
    {
      name: 'a stream, tokens as the server counts them',
      raw: { streamingMode: true },
      answer: { tokens: 11, events: 99 },
      want: [
        [30, 0],
        [0, 10],
      ],
    },
    {
      name: 'a stream, tokens by its events',
      raw: { streamingMode: true },
      answer: { events: 6 },
      want: [
        [30, 0],
        [0, 20],
      ],
    },
    { name: 'a stream of one token', raw: { streamingMode: true }, answer: { tokens: 1 }, want: [[30, 0]] },
    {
      name: 'a client that left after the first token',
      raw: { streamingMode: true },
      answer: { tokens: 11, cause: 'client-disconnect' as const },
      want: [[30, 0]],
    },
    {
      name: 'not a stream, where streams are learnt',
      raw: { streamingMode: true },
      answer: { tokens: 11, isStreaming: false },
      want: [],
    },
    { name: 'whole answers', raw: {}, answer: { tokens: 11, isStreaming: false }, want: [[130, 0]] },
    { name: 'streams as whole answers', raw: {}, answer: { tokens: 11 }, want: [[130, 0]] },
    { name: 'an answer that broke off', raw: {}, answer: { cause: 'error' as const }, want: [] },
    { name: 'an evicted one', raw: {}, answer: { cause: 'evicted' as const }, want: [] },
    { name: 'an error of the server', raw: {}, answer: { status: 500 }, want: [] },
    { name: 'an error instead of a stream', raw: { streamingMode: true }, answer: { status: 400 }, want: [] },
    { name: 'longer than contextTTL', raw: { contextTTL: '100ms' }, answer: {}, want: [] },
  ])('$name', async ({ raw, answer, want }) => {
    const here = await start(raw);
    const [target] = pair();
    const one = streamed();
    await here.predict(one, [target]);
    here.ctx.clock.advance(40); // in a queue: no part of what is learnt
    here.place(one, target);
    finish(here, one, { firstMs: 30, lastMs: 130, ...answer });
    const samples = await here.flushed(want.length);
    expect(samples.map((sample) => [sample.actual_ttft_ms, sample.actual_tpot_ms])).toEqual(want);
  });

  test('features are those of the decision, of the endpoint that did the work', async () => {
    const here = await start({ streamingMode: true });
    const [decode, prefill] = pair();
    decode.scraped.kvCacheUsage = 0.5;
    prefill.scraped.kvCacheUsage = 0.75;
    const one = streamed();
    const matchBlocks = Int32Array.of(4, 0, 0, 8);
    one.attributes.set(prefixMatchKey(''), {
      matchBlocks,
      cachedBlocks: matchBlocks,
      totalBlocks: 10,
      blockSizeTokens: 16,
    });
    await here.predict(one, [decode, prefill]);
    here.place(one, decode, prefill);
    decode.scraped.kvCacheUsage = 0.9;
    prefill.scraped.kvCacheUsage = 0.9;
    finish(here, one, { firstMs: 10, lastMs: 20, tokens: 3 });
    const samples = await here.flushed(2);
    expect(
      samples.map((sample) => [
        sample.kv_cache_percentage,
        sample.prefix_cache_score,
        sample.num_tokens_generated,
      ]),
    ).toEqual([
      [0.75, 0.8, 0],
      [0.5, 0, 0],
    ]);
  });

  test('an answer of another endpoint than the chosen one teaches nothing', async () => {
    const here = await start();
    const [target, other] = pair();
    const one = streamed();
    await here.predict(one, [target, other]);
    here.place(one, target);
    one.endpoint = other;
    finish(here, one, { firstMs: 10, lastMs: 20 });
    await here.flushed(0);
  });

  test('what cannot be sent is dropped, and said once in a while', async () => {
    const here = await start();
    const [target] = pair();
    here.predictor.mode = 'error';
    for (let i = 0; i < 3; i += 1) {
      const one = streamed();
      await here.producer.produce(one, [target], { signal: new AbortController().signal })?.catch(() => {});
      here.place(one, target);
      finish(here, one, { firstMs: 10, lastMs: 20 });
      here.ctx.clock.advance(1000);
      await expect.poll(() => JSON.stringify(here.producer.dumpState())).toContain('"samples":0');
    }
    await expect.poll(() => failedFlushes(here)).toBe(3);
    const lines = here.ctx.log.lines.filter(({ message }) => message.startsWith('samples'));
    expect(lines.length).toBe(1);
  });

  test('predictions become better with what is learnt', async () => {
    const here = await start({ streamingMode: true, errorMarginQuantile: 0 });
    here.predictor.predict = undefined;
    const rng = new SeededRng(3);
    const truth = (waiting: number, tokens: number, prefix: number) =>
      40 + 12 * waiting + 0.08 * tokens * (1 - prefix);
    const errors: number[] = [];
    let unpredicted = 0;
    for (let round = 0; round < 120; round += 1) {
      const waiting = Math.floor(rng.next() * 20);
      const tokens = Math.floor(rng.next() * 4000);
      const matchBlocks = Int32Array.of(Math.floor(rng.next() * 11));
      const target = endpoint({ slot: 0, waitingQueueSize: waiting, kvCacheUsage: rng.next() });
      const one = streamed();
      one.attributes.set(TOKENIZED_PROMPT, { prompts: [], count: tokens, cacheSalt: '' });
      one.attributes.set(prefixMatchKey(''), {
        matchBlocks,
        cachedBlocks: matchBlocks,
        totalBlocks: 10,
        blockSizeTokens: 16,
      });
      const actual = truth(waiting, tokens, (matchBlocks[0] ?? 0) / 10);
      const predicted = (await here.predict(one, [target]))?.ttftMs[0];
      if (predicted === undefined) unpredicted += 1;
      else errors.push(Math.abs(predicted - actual) / actual);
      here.place(one, target);
      finish(here, one, { firstMs: actual, lastMs: actual + 100, tokens: 11 });
      if (round % 10 === 9) await here.flushed(2 * (round + 1));
    }
    expect(unpredicted).toBe(20);
    const late = errors.slice(-40);
    expect(late.reduce((sum, one) => sum + one, 0) / late.length).toBeLessThan(0.05);
  });
});

function failedFlushes({ ctx }: Bench): number {
  const found = [...ctx.instruments.counters].find(
    ([name]) => name.includes('call="train"') && name.includes('outcome="failed"'),
  );
  return found?.[1].value ?? 0;
}

describe('requests under way', () => {
  test('their objectives hold for those that follow, until they end', async () => {
    const here = await start({ streamingMode: true });
    const [target, other] = pair();
    const strict = streamed({ 'x-llm-d-slo-tpot-ms': '22' });
    await here.predict(strict, [target]);
    here.place(strict, target);
    const without = streamed();
    await here.predict(without, [target]);
    here.place(without, target);
    const headrooms = async () => picture(await here.predict(streamed(SLOS), [target, other]), [0, 3]);
    expect(await headrooms()).toEqual([
      [100, 20, 100, 2, 1, 1],
      [105, 25, 95, 25, 1, 1],
    ]);
    finish(here, strict, { firstMs: 1, lastMs: 2, cause: 'client-disconnect' });
    expect(await headrooms()).toEqual([
      [100, 20, 98, 30, 1, 1], // 2 ms later
      [105, 25, 93, 25, 1, 1],
    ]);
  });

  test('one that never ends is forgotten after contextTTL', async () => {
    const here = await start({ streamingMode: true, contextTTL: '30s' });
    const [target] = pair();
    const stuck = streamed(SLOS);
    await here.predict(stuck, [target]);
    here.place(stuck, target);
    expect(here.producer.dumpState()).toMatchObject({ runningWithTokenObjective: 1 });
    here.ctx.clock.advance(60_000);
    expect(here.producer.dumpState()).toMatchObject({ runningWithTokenObjective: 0 });
  });
});

test('metrics name the client’s model and the target model, and count missed objectives', async () => {
  const here = await start({ streamingMode: true });
  const [target] = pair();
  const labels =
    'model_name="client",plugin_name="predicted-latency-producer",plugin_type="predicted-latency-producer",target_model_name="served"';
  for (const [firstMs, lastMs] of [
    [250, 1250],
    [50, 250],
  ] as const) {
    const one = streamed(SLOS);
    Object.defineProperty(one, 'receivedAtMs', { value: here.ctx.clock.nowMs() });
    await here.predict(one, [target]);
    here.place(one, target);
    finish(here, one, { firstMs, lastMs, tokens: 11 });
  }
  const { observations, counters, gauges } = here.ctx.instruments;
  expect(observations.get(`request_predicted_ttft_seconds{${labels}}`)).toEqual([0.1, 0.1]);
  expect(observations.get(`request_predicted_tpot_seconds{${labels}}`)).toEqual([0.02, 0.02]);
  expect(observations.get(`request_ttft_prediction_duration_seconds{${labels}}`)).toEqual([0, 0]);
  expect(observations.get(`request_tpot_prediction_duration_seconds{${labels}}`)).toEqual([0, 0]);
  expect(counters.get(`request_slo_violation_total{${labels},type="ttft"}`)?.value).toBe(1);
  expect(counters.get(`request_slo_violation_total{${labels},type="tpot"}`)?.value).toBe(1);
  const shown = Object.fromEntries(
    [...gauges].map(([name, read]) => [/type="(\w+)"}$/.exec(name)?.[1] ?? name, read()]),
  );
  expect(shown).toEqual({
    ttft: 0.05,
    predicted_ttft: 0.1,
    ttft_prediction_duration: 0,
    ttft_slo_violation: 0,
    tpot: 0.02,
    predicted_tpot: 0.02,
    tpot_prediction_duration: 0,
    tpot_slo_violation: 0,
  });
});

test('the state shows no address, and with the end of the process nothing is left running', async () => {
  const here = await start();
  await here.ctx.clock.advanceAsync(100);
  await expect.poll(() => here.predictor.statusCalls).toBe(1);
  expect(JSON.stringify(here.producer.dumpState())).not.toContain('127.0.0.1');
  await expect.poll(() => here.ctx.clock.pendingTimers).toBe(3);
  here.stop();
  await here.ctx.clock.advanceAsync(600_000, 60_000);
  expect(here.ctx.clock.pendingTimers).toBe(0);
  expect(here.predictor.statusCalls).toBe(1);
});

test('requests of many models are counted as other beyond a bound', async () => {
  const here = await start();
  const [target] = pair();
  for (let i = 0; i < 1003; i += 1) {
    const one = request({ model: `m${i}` });
    here.producer.produce(one, [target], { signal: AbortSignal.abort() })?.catch(() => {});
    here.place(one, target);
    finish(here, one, { firstMs: 1, lastMs: 2 });
  }
  const models = [...here.ctx.instruments.counters.keys()].filter((name) => name.includes('type="ttft"'));
  expect(models.length).toBe(1001);
  expect(models.at(-1)).toContain('model_name="other"');
});

test('what it needs: encoder matches only where they are used', () => {
  const names = (raw: object) => d.dependencies?.(d.params.parse(raw), 'p').requires?.map((key) => key.name);
  expect(names({})).toEqual([
    'TokenizedPrompt/token-producer',
    'PrefixCacheMatchInfoDataKey/approx-prefix-cache-producer',
    'InFlightLoadDataKey/inflight-load-producer',
  ]);
  expect(names({ useEncoderCacheFeatures: true, prefixMatchInfoProducerName: 'x' })).toEqual([
    'TokenizedPrompt/token-producer',
    'PrefixCacheMatchInfoDataKey/x',
    'InFlightLoadDataKey/inflight-load-producer',
    'MultiModalEncoderCacheMatchInfoKey/mm-embeddings-cache-producer',
  ]);
});
