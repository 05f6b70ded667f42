import { type DestinationStream, destination, type Level, type Logger, pino } from 'pino';
import { ConfigurationError } from '../framework/errors.ts';
import type { Log } from '../framework/log.ts';
import type { Clock } from '../util/clock.ts';
import { rfc3339 } from '../util/timestamp.ts';
import { ConsoleEncoder } from './console-encoder.ts';

/** The logging flags as given; `undefined` or '' where a flag was not. */
export interface LogOptions {
  /** `-v`: 2 default, 3 verbose, 4 debug, 5 trace; negative counts as 2. */
  readonly verbosity: number;
  /** `--zap-log-level`: `debug`, `info`, `error`, `panic` or a positive integer; wins over `verbosity`. */
  readonly level?: string | undefined;
  /** `--zap-encoder`: `json` or `console`. */
  readonly encoder?: string | undefined;
  /** `--zap-devel`, when given: console encoder and stack traces from warn on. */
  readonly isDevelopment?: boolean | undefined;
  /** `--zap-stacktrace-level`: `info`, `error` or `panic`. */
  readonly stacktraceLevel?: string | undefined;
  /** `--zap-time-encoding`: `epoch`, `millis`, `nano`, `iso8601`, `rfc3339` or `rfc3339nano`. */
  readonly timeEncoding?: string | undefined;
  /** Colours in the console encoding. */
  readonly isTerminal: boolean;
}

/** The process's log. */
export interface RootLog extends Log {
  /** A log whose lines carry `component` as `logger`. Make it once, at construction. */
  component(component: string): Log;
  /** A log whose lines carry `pool`, those of its components too. */
  forPool(pool: string): RootLog;
}

/** Time encodings by flag value: the text of the member `ts`. */
const TIME_ENCODINGS: ReadonlyMap<string, (wallMs: number) => string> = new Map([
  ['epoch', (wallMs: number) => (wallMs / 1000).toFixed(3)],
  ['millis', (wallMs: number) => String(wallMs)],
  ['nano', (wallMs: number) => `${wallMs}000000`], // as text: past the integers a double holds
  ['iso8601', (wallMs: number) => `"${rfc3339(wallMs, 'millis')}"`],
  ['rfc3339', (wallMs: number) => `"${rfc3339(wallMs, 'none')}"`],
  ['rfc3339nano', (wallMs: number) => `"${rfc3339(wallMs, 'trimmed')}"`],
]);

/** Levels by their names in zap flags. */
const ZAP_LEVELS: ReadonlyMap<string, Level> = new Map([
  ['debug', 'debug'],
  ['info', 'info'],
  ['error', 'error'],
  ['panic', 'fatal'],
]);

/**
 * A log of JSON lines (or console lines) with the members `level`, `ts`, `logger`, `msg`, then fields; an `err` or
 * `error` field that holds an `Error` becomes `error` and, from the stack trace level on, `stacktrace`. Without
 * `--zap-encoder` and `--zap-devel` lines are JSON, as the reference's are whatever its flags say. Writes to stderr
 * unless `output` is given. Throws `ConfigurationError` for a flag value it does not know.
 */
export function createLog(options: LogOptions, clock: Clock, output?: DestinationStream): RootLog {
  const isConsole = chosenEncoder(options) === 'console';
  const encodeTime = chosenTimeEncoding(options, isConsole);
  const stacktraceFrom = chosenStacktraceLevel(options);
  const lines = output ?? destination({ fd: 2, sync: true });
  const logger = pino(
    {
      level: chosenLevel(options),
      base: null,
      timestamp: () => `,"ts":${encodeTime(Math.trunc(clock.wallMs()))}`,
      formatters: { level: (level) => ({ level }) },
      hooks: {
        logMethod(args, method, level) {
          const [fields, ...rest] = args as [unknown, ...[string]]; // `Log` has only this form
          method.apply(this, [withError(fields, level >= stacktraceFrom), ...rest] as typeof args);
        },
      },
    },
    isConsole ? new ConsoleEncoder(lines, { hasColors: options.isTerminal }) : lines,
  );
  return withComponents(logger);
}

function withComponents(logger: Logger): RootLog {
  return Object.assign(logger, {
    component: (component: string) => logger.child({ logger: component }),
    forPool: (pool: string) => withComponents(logger.child({ pool })),
  });
}

/** `fields` with an error in them spelled out; the same object when there is none. */
function withError(fields: unknown, hasStacktrace: boolean): unknown {
  if (typeof fields !== 'object' || fields === null) return fields;
  const { err, error = err, ...rest } = fields as { err?: unknown; error?: unknown };
  if (!(error instanceof Error)) return fields;
  const stacktrace = hasStacktrace ? { stacktrace: error.stack } : {};
  return { ...rest, error: messageOf(error), ...stacktrace };
}

/** The messages of an error and of its causes. */
function messageOf(error: Error): string {
  const text = error.message === '' ? error.name : error.message;
  return error.cause instanceof Error ? `${text}: ${messageOf(error.cause)}` : text;
}

function chosenLevel({ level, verbosity }: LogOptions): Level {
  if (level === undefined || level === '') return levelOf(verbosity < 0 ? 2 : verbosity);
  const named = ZAP_LEVELS.get(level.toLowerCase());
  if (named !== undefined) return named;
  if (/^[1-9]\d*$/.test(level)) return levelOf(Number(level));
  throw new ConfigurationError(
    `zap-log-level: got "${level}", want "debug", "info", "error", "panic" or a positive integer`,
  );
}

/** The least level that a verbosity of the reference shows. */
function levelOf(verbosity: number): Level {
  if (verbosity >= 5) return 'trace';
  if (verbosity === 4) return 'debug';
  return verbosity >= 2 ? 'info' : 'warn';
}

function chosenEncoder({ encoder, isDevelopment }: LogOptions): 'json' | 'console' {
  if (encoder === undefined || encoder === '') return isDevelopment === true ? 'console' : 'json';
  if (encoder === 'json' || encoder === 'console') return encoder;
  throw new ConfigurationError(`zap-encoder: got "${encoder}", want "json" or "console"`);
}

function chosenTimeEncoding(options: LogOptions, isConsole: boolean): (wallMs: number) => string {
  const { timeEncoding } = options;
  const isGiven = timeEncoding !== undefined && timeEncoding !== '';
  const encode = TIME_ENCODINGS.get(isGiven ? timeEncoding : isConsole ? 'iso8601' : 'epoch');
  if (encode !== undefined) return encode;
  const names = [...TIME_ENCODINGS.keys()].join(', ');
  throw new ConfigurationError(`zap-time-encoding: got "${timeEncoding}", want one of ${names}`);
}

/** Numeric level from which lines with an error show its stack. */
function chosenStacktraceLevel({ stacktraceLevel, isDevelopment }: LogOptions): number {
  const { values } = pino.levels;
  if (stacktraceLevel === undefined || stacktraceLevel === '') {
    return values[isDevelopment === true ? 'warn' : 'error'] ?? 0;
  }
  const level = stacktraceLevel === 'debug' ? undefined : ZAP_LEVELS.get(stacktraceLevel);
  if (level !== undefined) return values[level] ?? 0;
  throw new ConfigurationError(
    `zap-stacktrace-level: got "${stacktraceLevel}", want "info", "error" or "panic"`,
  );
}
