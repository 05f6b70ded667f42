import { describe, expect, test } from 'vitest';
import { endpoint, request } from '../../../test/support/builders.ts';
import type { PredictorMode } from '../../../test/support/latency-predictor.ts';
import {
  finish,
  PredictionBench,
  pair,
  picture,
  SLOS,
  streamed,
} from '../../../test/support/prediction-bench.ts';
import { encoderCacheMatchKey } from '../attributes/encoder-cache-match.ts';
import { inFlightLoadKey } from '../attributes/in-flight-load.ts';
import { latencyPredictionKey } from '../attributes/latency-prediction.ts';
import { prefixMatchKey } from '../attributes/prefix-match.ts';
import { TOKENIZED_PROMPT } from '../attributes/tokenized-prompt.ts';
import { predictedLatencyProducer as d } from './predicted-latency-producer.ts';

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
    await using here = await PredictionBench.start(raw);
    const { producer, predictor } = here;
    const asked = one();
    const pool = pair();
    await producer.produce(asked, pool, { signal: new AbortController().signal });
    expect(picture(asked.attributes.get(latencyPredictionKey('')), [0, 3])).toEqual(want);
    expect(predictor.asked.length).toBe(1);
  });

  test('time that passed before counts against the first token', async () => {
    await using here = await PredictionBench.start();
    const one = streamed({ 'x-llm-d-slo-ttft-ms': '200' });
    here.ctx.clock.advance(130);
    expect(picture(await here.predict(one, pair()), [0])).toEqual([[100, 20, -30, 0, 0, 1]]);
  });

  test('what is asked: features of each endpoint, in their ranges', async () => {
    await using here = await PredictionBench.start({
      endpointRoleLabel: 'role',
      useEncoderCacheFeatures: true,
    });
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
    await using here = await PredictionBench.start({ streamingMode: true, endpointRoleLabel: 'role' });
    const busy = endpoint({ slot: 1, inFlightRequests: 3, labels: { role: 'prefill' } });
    const prediction = await here.predict(streamed({ ...SLOS, 'x-llm-d-slo-tpot-ms': '1' }), [busy]);
    expect(prediction?.dispatchedRequests[1]).toBe(3);
    expect(picture(prediction, [1])).toEqual([[100, 20, 100, 0, 1, 1]]);
  });

  test('more than a hundred candidates all get one', async () => {
    await using here = await PredictionBench.start();
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
    await using here = await PredictionBench.start();
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
    await using here = await PredictionBench.start();
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
    await using here = await PredictionBench.start();
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
    await using here = await PredictionBench.start({ predictInProduce: false });
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

describe('requests under way', () => {
  test('their objectives hold for those that follow, until they end', async () => {
    await using here = await PredictionBench.start({ streamingMode: true });
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
    await using here = await PredictionBench.start({ streamingMode: true, contextTTL: '30s' });
    const [target] = pair();
    const stuck = streamed(SLOS);
    await here.predict(stuck, [target]);
    here.place(stuck, target);
    expect(here.producer.dumpState()).toMatchObject({ runningWithTokenObjective: 1 });
    here.ctx.clock.advance(60_000);
    expect(here.producer.dumpState()).toMatchObject({ runningWithTokenObjective: 0 });
  });
});

test('the state shows no address, and with the end of the process nothing is left running', async () => {
  await using here = await PredictionBench.start();
  await here.ctx.clock.advanceAsync(100);
  await expect.poll(() => here.predictor.statusCalls).toBe(1);
  expect(JSON.stringify(here.producer.dumpState())).not.toContain('127.0.0.1');
  await expect.poll(() => here.ctx.clock.pendingTimers).toBe(3);
  here.stop();
  await here.ctx.clock.advanceAsync(600_000, 60_000);
  expect(here.ctx.clock.pendingTimers).toBe(0);
  expect(here.predictor.statusCalls).toBe(1);
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
