import { describe, expect, test } from 'vitest';
import { endpoint, request } from '../../../../test/support/builders.ts';
import { finish, PredictionBench, pair, SLOS, streamed } from '../../../../test/support/prediction-bench.ts';
import { SeededRng } from '../../../util/rng.ts';
import { prefixMatchKey } from '../../attributes/prefix-match.ts';
import { TOKENIZED_PROMPT } from '../../attributes/tokenized-prompt.ts';

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
    await using here = await PredictionBench.start(raw);
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
    await using here = await PredictionBench.start({ streamingMode: true });
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
    await using here = await PredictionBench.start();
    const [target, other] = pair();
    const one = streamed();
    await here.predict(one, [target, other]);
    here.place(one, target);
    one.endpoint = other;
    finish(here, one, { firstMs: 10, lastMs: 20 });
    await here.flushed(0);
  });

  test('what cannot be sent is dropped, and said once in a while', async () => {
    await using here = await PredictionBench.start();
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
    await expect.poll(() => flushes(here, 'failed')).toBe(3);
    const lines = here.ctx.log.lines.filter(({ message }) => message.startsWith('samples'));
    expect(lines.length).toBe(1);
  });

  test('samples are taken when the server says so, with words or without', async () => {
    await using here = await PredictionBench.start();
    const [target] = pair();
    here.predictor.takesSilently = true;
    const one = streamed();
    await here.predict(one, [target]);
    here.place(one, target);
    finish(here, one, { firstMs: 10, lastMs: 20 });
    await here.flushed(1);
    await expect.poll(() => flushes(here, 'ok')).toBe(1);
    expect(flushes(here, 'failed')).toBe(0);
    expect(here.ctx.log.lines.filter(({ level }) => level === 'warn')).toEqual([]);
  });

  test('predictions become better with what is learnt', async () => {
    await using here = await PredictionBench.start({ streamingMode: true, errorMarginQuantile: 0 });
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

function flushes({ ctx }: PredictionBench, outcome: 'ok' | 'failed'): number {
  const found = [...ctx.instruments.counters].find(
    ([name]) => name.includes('call="train"') && name.includes(`outcome="${outcome}"`),
  );
  return found?.[1].value ?? 0;
}

test('metrics name the client’s model and the target model, and count missed objectives', async () => {
  await using here = await PredictionBench.start({ streamingMode: true });
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
  const models = 'model_name="client",target_model_name="served"';
  expect(observations.get(`inference_objective_request_ttft_seconds{${models}}`)).toEqual([0.25, 0.05]);
  expect(observations.get(`inference_objective_request_tpot_seconds{${models}}`)).toEqual([0.1, 0.02]);
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

test('requests of many models are counted as other beyond a bound', async () => {
  await using here = await PredictionBench.start();
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
