import { expect, test } from 'vitest';
import { RecordingLog } from '../../../../test/support/builders.ts';
import { connectionSettings, params, warnOfIgnored } from './params.ts';

const DEFAULTS = {
  trainingUrl: 'http://localhost:8000',
  predictionUrls: ['http://localhost:8001'],
  maxSampleSize: 1000,
  flushIntervalMs: 1000,
  httpTimeoutMs: 10_000,
  statusIntervalMs: 60_000,
  maxBulkSize: 100,
  coalesceWindowMs: 1,
  maxCoalescedRows: Number.POSITIVE_INFINITY,
  maxConcurrentDispatches: 36,
};

test.each([
  { name: 'nothing is said', raw: {}, environment: {}, want: DEFAULTS, warnings: 0 },
  {
    name: 'the environment says all',
    raw: {},
    environment: {
      TRAINING_SERVER_URL: 'http://trainer:9000/',
      PREDICTION_SERVER_URL: 'http://a:1, http://b:2/,',
      LATENCY_MAX_SAMPLE_SIZE: '10000',
      LATENCY_FLUSH_INTERVAL_SEC: '2',
      LATENCY_HTTP_TIMEOUT_SEC: '3',
      LATENCY_METRICS_INTERVAL_SEC: '30',
      LATENCY_MAX_BULK_SIZE: '50',
      LATENCY_COALESCE_WINDOW_MS: '0',
      LATENCY_MAX_COALESCED_ROWS: '400',
      LATENCY_MAX_CONCURRENT_DISPATCHES: '4',
      LATENCY_USE_NATIVE_XGBOOST: 'false',
    },
    want: {
      trainingUrl: 'http://trainer:9000',
      predictionUrls: ['http://a:1', 'http://b:2'],
      maxSampleSize: 10_000,
      flushIntervalMs: 2000,
      httpTimeoutMs: 3000,
      statusIntervalMs: 30_000,
      maxBulkSize: 50,
      coalesceWindowMs: 0,
      maxCoalescedRows: 400,
      maxConcurrentDispatches: 4,
    },
    warnings: 0,
  },
  {
    name: 'the environment is wrong',
    raw: {},
    environment: {
      TRAINING_SERVER_URL: 'trainer',
      PREDICTION_SERVER_URL: 'ftp://a',
      LATENCY_MAX_SAMPLE_SIZE: '0',
      LATENCY_FLUSH_INTERVAL_SEC: 'soon',
      LATENCY_MAX_BULK_SIZE: '101',
      LATENCY_COALESCE_WINDOW_MS: '-1',
      LATENCY_MAX_CONCURRENT_DISPATCHES: '1.5',
    },
    want: DEFAULTS,
    warnings: 7,
  },
  {
    name: 'parameters win',
    raw: {
      trainingServerURL: 'http://t:1',
      predictionServerURL: 'http://p:1,http://p:2',
      maxSampleSize: 7,
      flushInterval: '500ms',
      httpTimeout: '1s',
      metricsInterval: '5s',
      maxBulkSize: 9,
      coalesceWindow: '0s',
      maxCoalescedRows: 0,
      maxConcurrentDispatches: 2,
    },
    environment: {
      TRAINING_SERVER_URL: 'http://trainer:9000',
      LATENCY_MAX_COALESCED_ROWS: '400',
      LATENCY_COALESCE_WINDOW_MS: '9',
    },
    want: {
      trainingUrl: 'http://t:1',
      predictionUrls: ['http://p:1', 'http://p:2'],
      maxSampleSize: 7,
      flushIntervalMs: 500,
      httpTimeoutMs: 1000,
      statusIntervalMs: 5000,
      maxBulkSize: 9,
      coalesceWindowMs: 0,
      maxCoalescedRows: Number.POSITIVE_INFINITY,
      maxConcurrentDispatches: 2,
    },
    warnings: 0,
  },
])('settings: $name', ({ raw, environment, want, warnings }) => {
  const log = new RecordingLog();
  expect(connectionSettings(params.parse(raw), environment, log)).toEqual(want);
  expect(log.lines.filter(({ level }) => level === 'warn').length).toBe(warnings);
});

test.each([
  { raw: {}, want: 300_000 },
  { raw: { contextTTL: 300_000_000_000 }, want: 300_000 },
  { raw: { contextTTL: '90s' }, want: 90_000 },
  { raw: { contextTTL: 'long' }, want: undefined },
  { raw: { contextTTL: 0 }, want: undefined },
])('contextTTL: $raw.contextTTL', ({ raw, want }) => {
  expect(params.safeParse(raw).data?.contextTTL).toBe(want);
});

test.each([
  { sloBufferFactor: 0 },
  { sloBufferFactor: -1 },
  { maxBulkSize: 101 },
  { trainingServerURL: 'x' },
  { predictionServerURL: '' },
  { predictionServerURL: ' , ' },
  { errorMarginQuantile: 1 },
  { predictionTimeout: '0s' },
  { streamingmode: true },
])('refused: %o', (raw) => {
  expect(params.safeParse(raw).success).toBe(false);
});

test.each(['predictor:8001', 'predictor', 'ftp://a', 'http://a:1,predictor:8001'])(
  'a server that is no URL is named: %s',
  (url) => {
    const problems = params.safeParse({ predictionServerURL: url }).error?.issues;
    const wrong = url.replace('http://a:1,', '');
    expect(problems).toMatchObject([
      { path: ['predictionServerURL'], message: `"${wrong}" is no URL of http or https` },
    ]);
    expect(params.safeParse({ trainingServerURL: wrong }).success).toBe(false);
  },
);

test.each([
  { raw: { samplingMean: 1000, maxDecodeTokenSamplesForPrediction: 0 }, want: 0 },
  { raw: { samplingMean: 500 }, want: 1 },
  { raw: { samplingMean: 500, maxDecodeTokenSamplesForPrediction: 20 }, want: 2 },
])('deprecated parameters: $want warnings', ({ raw, want }) => {
  const log = new RecordingLog();
  warnOfIgnored(params.parse(raw), log);
  expect(log.lines.length).toBe(want);
});
