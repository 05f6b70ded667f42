import { expect, test } from 'vitest';
import { RecordingLog } from '../../../../test/support/builders.ts';
import {
  type PredictionRow,
  type PredictorMode,
  startLatencyPredictor,
} from '../../../../test/support/latency-predictor.ts';
import { systemClock } from '../../../util/clock.ts';
import { SeededRng } from '../../../util/rng.ts';
import { type Features, questionText } from './features.ts';
import { JsonClient } from './json-client.ts';
import { PredictionClient, type PredictionLimits } from './prediction-client.ts';
import { PredictionServers } from './prediction-servers.ts';

const LIMITS: PredictionLimits = {
  maxBulkSize: 100,
  coalesceWindowMs: 5,
  maxCoalescedRows: Number.POSITIVE_INFINITY,
  maxConcurrentDispatches: 36,
  httpTimeoutMs: 5000,
  slowMs: 200,
};

/** `count` questions that differ in their input length, from `first` on. */
function questions(count: number, first = 0): string[] {
  return Array.from({ length: count }, (_, i) => {
    const features: Features = {
      kvCacheUsage: 0.5,
      inputTokens: first + i,
      waiting: 0,
      running: 1,
      prefixScore: 0,
      encoderInputSize: 0,
      encoderMatchedSize: 0,
      podType: '',
      prefillTokensInFlight: 0,
    };
    return questionText(features);
  });
}

function byLength({ input_token_length: tokens }: PredictionRow) {
  return { ttft: tokens + 1000, tpot: tokens };
}

/** What is predicted for `questions(count, first)` when length decides. */
function lengths(count: number, first = 0): number[] {
  return Array.from({ length: count }, (_, i) => first + i + 1000);
}

function clientOf(urls: readonly string[], limits: Partial<PredictionLimits> = {}) {
  const log = new RecordingLog();
  const http = new JsonClient(36, systemClock);
  const servers = new PredictionServers(urls, { clock: systemClock, rng: new SeededRng(1), log });
  const counters = { ok: { value: 0 }, failed: { value: 0 }, abandoned: { value: 0 } };
  const client = new PredictionClient(
    { ...LIMITS, ...limits },
    { http, servers, counters, clock: systemClock },
  );
  return { client, servers, counters, log, [Symbol.dispose]: () => http.close() };
}

const FOREVER = new AbortController().signal;

test('callers within the window share a call, and each gets its own part', async () => {
  await using predictor = await startLatencyPredictor();
  predictor.predict = byLength;
  using parts = clientOf([predictor.url], { coalesceWindowMs: 30 });
  const answers = await Promise.all(
    [3, 1, 5].map((count, i) => parts.client.predict(questions(count, i * 10), FOREVER)),
  );
  expect(predictor.asked.map((rows) => rows.length)).toEqual([9]);
  expect(answers.map(({ ttftMs }) => [...ttftMs])).toEqual([lengths(3), lengths(1, 10), lengths(5, 20)]);
  expect(parts.counters).toEqual({ ok: { value: 1 }, failed: { value: 0 }, abandoned: { value: 0 } });
});

test.each([
  { name: 'no window', limits: { coalesceWindowMs: 0 }, want: [2, 2, 2] },
  {
    name: 'a limit of rows',
    limits: { coalesceWindowMs: 2000, maxCoalescedRows: 2 },
    want: [2, 2, 2],
  },
])('three callers, $name', async ({ limits, want }) => {
  await using predictor = await startLatencyPredictor();
  predictor.predict = byLength;
  using parts = clientOf([predictor.url], limits);
  const answers = await Promise.all(
    [0, 10, 20].map((first) => parts.client.predict(questions(2, first), FOREVER)),
  );
  expect(predictor.asked.map((rows) => rows.length)).toEqual(want);
  expect(answers.map(({ ttftMs }) => [...ttftMs])).toEqual([lengths(2), lengths(2, 10), lengths(2, 20)]);
});

test.each([
  { rows: 1, want: [1] },
  { rows: 100, want: [100] },
  { rows: 101, want: [1, 100] },
  { rows: 250, want: [50, 100, 100] },
])('$rows endpoints are asked for in calls of $want', async ({ rows, want }) => {
  await using predictor = await startLatencyPredictor();
  predictor.predict = byLength;
  using parts = clientOf([predictor.url]);
  const { ttftMs } = await parts.client.predict(questions(rows), FOREVER);
  expect([...ttftMs]).toEqual(lengths(rows));
  expect(predictor.asked.map((asked) => asked.length).sort((a, b) => a - b)).toEqual(want);
});

test('no more calls at the same time than allowed; the others wait and are answered', async () => {
  await using predictor = await startLatencyPredictor();
  predictor.predict = byLength;
  predictor.delayMs = 10;
  using parts = clientOf([predictor.url], { coalesceWindowMs: 0, maxConcurrentDispatches: 2 });
  const answers = await Promise.all(
    Array.from({ length: 9 }, (_, i) => parts.client.predict(questions(1, i), FOREVER)),
  );
  expect(predictor.mostOpen).toBe(2);
  expect(answers.map(({ ttftMs }) => ttftMs[0])).toEqual(lengths(9));
  expect(parts.client.load).toEqual({ running: 0, queued: 0 });
});

test.each<{ mode: PredictorMode; message: RegExp }>([
  { mode: 'error', message: /HTTP 500, want 200: .*Internal error/ },
  { mode: 'malformed', message: /no JSON/ },
  { mode: 'few', message: /got 3 predictions, want 4/ },
  { mode: 'not-ready', message: /HTTP 503/ },
])('a server that is $mode fails every caller of the call', async ({ mode, message }) => {
  await using predictor = await startLatencyPredictor();
  predictor.predict = byLength;
  predictor.mode = mode;
  using parts = clientOf([predictor.url]);
  const results = await Promise.allSettled(
    [0, 10].map((at) => parts.client.predict(questions(2, at), FOREVER)),
  );
  for (const result of results) {
    expect(result.status).toBe('rejected');
    expect(String(result.status === 'rejected' && result.reason)).toMatch(message);
  }
  expect(parts.counters.failed.value).toBe(1);
});

test('a server that is down, or answers too late, fails', async () => {
  await using predictor = await startLatencyPredictor();
  using parts = clientOf([predictor.url], { httpTimeoutMs: 50 });
  predictor.mode = 'stall';
  await expect(parts.client.predict(questions(1), FOREVER)).rejects.toThrow('no answer within 50 ms');
  await predictor.close();
  await expect(parts.client.predict(questions(1), FOREVER)).rejects.toThrow(/ECONNREFUSED/);
});

test('one caller that leaves does not end the call of another; the last one does', async () => {
  await using predictor = await startLatencyPredictor();
  predictor.predict = byLength;
  predictor.delayMs = 60;
  using parts = clientOf([predictor.url], { maxConcurrentDispatches: 1 });
  const leaving = new AbortController();
  const first = parts.client.predict(questions(1), leaving.signal);
  const second = parts.client.predict(questions(1, 5), FOREVER);
  await expect.poll(() => predictor.open).toBe(1);
  leaving.abort(new Error('gone'));
  await expect(first).rejects.toThrow('gone');
  expect([...(await second).ttftMs]).toEqual(lengths(1, 5));

  predictor.mode = 'stall';
  const alone = new AbortController();
  const third = parts.client.predict(questions(1), alone.signal);
  await expect.poll(() => predictor.open).toBe(1);
  alone.abort(new Error('gone'));
  await expect(third).rejects.toThrow('gone');
  await expect.poll(() => [predictor.open, parts.client.load.running]).toEqual([0, 0]);
  predictor.mode = 'serve';
  expect([...(await parts.client.predict(questions(1, 7), FOREVER)).ttftMs]).toEqual(lengths(1, 7));
  expect(parts.counters.abandoned.value).toBe(1);
  await expect(parts.client.predict(questions(1), alone.signal)).rejects.toThrow('gone');
});

test('constants of a model that has learnt nothing are no predictions; a bad one is none for its endpoint', async () => {
  await using predictor = await startLatencyPredictor();
  using parts = clientOf([predictor.url]);
  const untrained = await parts.client.predict(questions(3), FOREVER);
  expect([...untrained.ttftMs]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
  predictor.predict = ({ input_token_length: tokens }) =>
    tokens === 1 ? { ttft: -5, tpot: 1 } : { ttft: 10, tpot: 10 + tokens };
  const { ttftMs, tpotMs } = await parts.client.predict(questions(3), FOREVER);
  expect([[...ttftMs], [...tpotMs]]).toEqual([
    [10, Number.NaN, 10],
    [10, Number.NaN, 12],
  ]);
});

test('calls are spread over the servers, and go to those that answer', async () => {
  await using one = await startLatencyPredictor();
  await using other = await startLatencyPredictor();
  for (const predictor of [one, other]) predictor.predict = byLength;
  using parts = clientOf([one.url, other.url], { coalesceWindowMs: 0 });
  await Promise.all(Array.from({ length: 40 }, () => parts.client.predict(questions(1), FOREVER)));
  expect(Math.min(one.asked.length, other.asked.length)).toBeGreaterThan(8);
  await other.close();
  const results = [];
  for (let i = 0; i < 30; i += 1) {
    results.push(...(await Promise.allSettled([parts.client.predict(questions(1), FOREVER)])));
  }
  expect(results.filter(({ status }) => status === 'rejected').length).toBe(3);
  expect(parts.log.lines.map(({ level }) => level)).toEqual(['warn']);
});
