import { z } from 'zod';
import type { Log } from '../../../framework/log.ts';
import { duration } from '../../../framework/schema.ts';
import { DEFAULT_ENCODER_CACHE_PRODUCER } from '../../attributes/encoder-cache-match.ts';
import { DEFAULT_IN_FLIGHT_PRODUCER } from '../../attributes/in-flight-load.ts';
import { DEFAULT_PREFIX_PRODUCER } from '../../attributes/prefix-match.ts';

const NANOSECONDS_PER_MS = 1e6;
const DEFAULT_SAMPLING_MEAN = 1000;

/** A time above 0. */
function positiveDuration() {
  return duration().refine((ms) => ms > 0, 'must be more than 0');
}

/** Base URLs, separated by commas. */
function urlList() {
  return z
    .string()
    .min(1)
    .superRefine((list, context) => {
      const parts = partsOf(list);
      const wrong = parts.find((part) => !isServerUrl(part));
      if (wrong !== undefined)
        context.addIssue({ code: 'custom', message: `"${wrong}" is no URL of http or https` });
      else if (parts.length === 0 && list !== '')
        context.addIssue({ code: 'custom', message: 'names no server' });
    });
}

/** Parameters as they stand in the configuration; those of the connection may come from the environment instead. */
export const params = z.strictObject({
  streamingMode: z
    .boolean()
    .default(false)
    .describe(
      'Learn the time to the first token and the time of each further one, from answers that are streams. With false the first is the time to the end of the answer, and the second has no part in anything.',
    ),
  sloBufferFactor: z
    .number()
    .positive()
    .default(1)
    .describe('Multiplies what a client allows for one token; below 1 keeps a reserve.'),
  contextTTL: z
    .union([
      z
        .number()
        .positive()
        .transform((nanoseconds) => nanoseconds / NANOSECONDS_PER_MS),
      positiveDuration(),
    ])
    .prefault('5m')
    .describe(
      'Time after which a request that has not ended neither teaches anything nor counts at its endpoint; a number is nanoseconds.',
    ),
  predictInProduce: z.boolean().default(true).describe('False: learn only, predict nothing.'),
  endpointRoleLabel: z
    .string()
    .default('')
    .describe('Label of endpoints whose value, `prefill` or `decode`, the predictor gets to know.'),
  prefixMatchInfoProducerName: z
    .string()
    .default(DEFAULT_PREFIX_PRODUCER)
    .describe('Name of the producer whose prefix match is read.'),
  inFlightLoadProducerName: z
    .string()
    .default(DEFAULT_IN_FLIGHT_PRODUCER)
    .describe('Name of the producer whose in-flight counts are read.'),
  useEncoderCacheFeatures: z
    .boolean()
    .default(false)
    .describe('Tell the predictor how much of the media of a request each endpoint has seen.'),
  encoderCacheMatchInfoProducerName: z
    .string()
    .default(DEFAULT_ENCODER_CACHE_PRODUCER)
    .describe('Name of the producer whose encoder cache match is read.'),
  samplingMean: z.number().optional().describe('Deprecated and ignored.'),
  maxDecodeTokenSamplesForPrediction: z.int().optional().describe('Deprecated and ignored.'),
  errorMarginQuantile: z
    .number()
    .min(0)
    .max(0.99)
    .default(0.9)
    .describe(
      'Predictions are compared with objectives after being raised so that this share of recent answers would have been within them; 0 compares them as they are.',
    ),
  predictionTimeout: positiveDuration()
    .default(400)
    .describe('Longest time that a request waits for predictions.'),
  trainingServerURL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('Base URL of the server that learns; else TRAINING_SERVER_URL, else `http://localhost:8000`.'),
  predictionServerURL: urlList()
    .optional()
    .describe(
      'Base URLs of servers that predict, separated by commas; else PREDICTION_SERVER_URL, else `http://localhost:8001`.',
    ),
  maxSampleSize: z
    .int()
    .min(1)
    .optional()
    .describe('Most samples sent at once; else LATENCY_MAX_SAMPLE_SIZE, else 1000.'),
  flushInterval: positiveDuration()
    .optional()
    .describe('Time between two sendings of samples; else LATENCY_FLUSH_INTERVAL_SEC, else `1s`.'),
  httpTimeout: positiveDuration()
    .optional()
    .describe('Longest time of one HTTP call; else LATENCY_HTTP_TIMEOUT_SEC, else `10s`.'),
  metricsInterval: positiveDuration()
    .optional()
    .describe(
      "Time between two looks at the servers' status; else LATENCY_METRICS_INTERVAL_SEC, else `60s`.",
    ),
  maxBulkSize: z
    .int()
    .min(1)
    .max(100)
    .optional()
    .describe(
      'Endpoints of one request in one call; more are asked for in several calls at the same time. Else LATENCY_MAX_BULK_SIZE, else 100.',
    ),
  coalesceWindow: duration()
    .refine((ms) => ms >= 0, 'must not be negative')
    .optional()
    .describe(
      'Time in which requests are collected into one call, `0s` for none; else LATENCY_COALESCE_WINDOW_MS, else `1ms`.',
    ),
  maxCoalescedRows: z
    .int()
    .min(0)
    .optional()
    .describe(
      'Endpoints of all collected requests at which the call leaves early, 0 for no limit; else LATENCY_MAX_COALESCED_ROWS, else 0.',
    ),
  maxConcurrentDispatches: z
    .int()
    .min(1)
    .optional()
    .describe('Calls for predictions at the same time; else LATENCY_MAX_CONCURRENT_DISPATCHES, else 36.'),
});

export type Config = z.infer<typeof params>;

/** How the two servers are talked to: parameters, else environment, else defaults. */
export interface ConnectionSettings {
  readonly trainingUrl: string;
  /** One or more. */
  readonly predictionUrls: readonly string[];
  readonly maxSampleSize: number;
  readonly flushIntervalMs: number;
  readonly httpTimeoutMs: number;
  readonly statusIntervalMs: number;
  readonly maxBulkSize: number;
  readonly coalesceWindowMs: number;
  /** Infinity for no limit. */
  readonly maxCoalescedRows: number;
  readonly maxConcurrentDispatches: number;
}

/** A number that an environment variable may hold. */
interface NumberVariable {
  readonly name: string;
  readonly fallback: number;
  readonly min: number;
  readonly max?: number;
}

const VARIABLES = {
  maxSampleSize: { name: 'LATENCY_MAX_SAMPLE_SIZE', fallback: 1000, min: 1 },
  flushInterval: { name: 'LATENCY_FLUSH_INTERVAL_SEC', fallback: 1, min: 1 },
  httpTimeout: { name: 'LATENCY_HTTP_TIMEOUT_SEC', fallback: 10, min: 1 },
  metricsInterval: { name: 'LATENCY_METRICS_INTERVAL_SEC', fallback: 60, min: 1 },
  maxBulkSize: { name: 'LATENCY_MAX_BULK_SIZE', fallback: 100, min: 1, max: 100 },
  coalesceWindow: { name: 'LATENCY_COALESCE_WINDOW_MS', fallback: 1, min: 0 },
  maxCoalescedRows: { name: 'LATENCY_MAX_COALESCED_ROWS', fallback: 0, min: 0 },
  maxConcurrentDispatches: { name: 'LATENCY_MAX_CONCURRENT_DISPATCHES', fallback: 36, min: 1 },
} as const satisfies Record<string, NumberVariable>;

/**
 * Reads `environment` where `config` is silent. A variable that is wrong is logged and its default is used, as the
 * reference does without a word (llm-d-router: pkg/epp/framework/plugins/requestcontrol/dataproducer/predictedlatency).
 */
export function connectionSettings(
  config: Config,
  environment: Readonly<Record<string, string | undefined>>,
  log: Log,
): ConnectionSettings {
  const number = (variable: NumberVariable): number => numberFrom(variable, environment, log);
  const maxCoalescedRows = config.maxCoalescedRows ?? number(VARIABLES.maxCoalescedRows);
  return {
    trainingUrl:
      urlsOf(config.trainingServerURL ?? environment['TRAINING_SERVER_URL'], log)[0] ??
      'http://localhost:8000',
    predictionUrls: orElse(
      urlsOf(config.predictionServerURL ?? environment['PREDICTION_SERVER_URL'], log),
      'http://localhost:8001',
    ),
    maxSampleSize: config.maxSampleSize ?? number(VARIABLES.maxSampleSize),
    flushIntervalMs: config.flushInterval ?? number(VARIABLES.flushInterval) * 1000,
    httpTimeoutMs: config.httpTimeout ?? number(VARIABLES.httpTimeout) * 1000,
    statusIntervalMs: config.metricsInterval ?? number(VARIABLES.metricsInterval) * 1000,
    maxBulkSize: config.maxBulkSize ?? number(VARIABLES.maxBulkSize),
    coalesceWindowMs: config.coalesceWindow ?? number(VARIABLES.coalesceWindow),
    maxCoalescedRows: maxCoalescedRows === 0 ? Number.POSITIVE_INFINITY : maxCoalescedRows,
    maxConcurrentDispatches: config.maxConcurrentDispatches ?? number(VARIABLES.maxConcurrentDispatches),
  };
}

/** Warns of parameters that have no effect any more. */
export function warnOfIgnored(config: Config, log: Log): void {
  const { samplingMean = DEFAULT_SAMPLING_MEAN, maxDecodeTokenSamplesForPrediction = 0 } = config;
  if (samplingMean !== DEFAULT_SAMPLING_MEAN) log.warn({}, 'samplingMean is deprecated and ignored');
  if (maxDecodeTokenSamplesForPrediction !== 0)
    log.warn({}, 'maxDecodeTokenSamplesForPrediction is deprecated and ignored');
}

function numberFrom(
  { name, fallback, min, max = Number.MAX_SAFE_INTEGER }: NumberVariable,
  environment: Readonly<Record<string, string | undefined>>,
  log: Log,
): number {
  const text = environment[name] ?? '';
  if (text === '') return fallback;
  const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  log.warn({ variable: name, got: text, used: fallback }, 'an environment variable is out of range');
  return fallback;
}

/** Base URLs without a slash at the end; what is no URL, which only a variable can hold, is logged and left out. */
function urlsOf(list: string | undefined, log: Log): readonly string[] {
  const urls: string[] = [];
  for (const part of partsOf(list ?? '')) {
    if (isServerUrl(part)) urls.push(part.replace(/\/+$/, ''));
    else log.warn({ got: part }, 'this is no URL of a latency predictor');
  }
  return urls;
}

function partsOf(list: string): readonly string[] {
  return list
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function isServerUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol);
}

function orElse(urls: readonly string[], fallback: string): readonly string[] {
  return urls.length > 0 ? urls : [fallback];
}
