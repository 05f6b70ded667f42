import { expect, test } from 'vitest';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { ConfigurationError } from '../framework/errors.ts';
import { createLog, type LogOptions, type RootLog } from './logger.ts';

function setUp(options: Partial<LogOptions> = {}): { log: RootLog; lines: string[] } {
  const lines: string[] = [];
  const clock = new FakeClock();
  clock.advance(120);
  const output = { write: (line: string) => void lines.push(line) };
  return { log: createLog({ verbosity: 2, isTerminal: false, ...options }, clock, output), lines };
}

test('a line is one JSON object: level, ts, logger, fields, msg', () => {
  const { log, lines } = setUp();
  log.component('data').info({ endpoint: 'e1', count: 3 }, 'endpoint joined');
  expect(lines).toEqual([
    '{"level":"info","ts":1700001000.120,"logger":"data","endpoint":"e1","count":3,"msg":"endpoint joined"}\n',
  ]);
});

test.each([
  { name: 'default', options: { verbosity: 2 }, want: ['error', 'warn', 'info'] },
  { name: 'negative is default', options: { verbosity: -3 }, want: ['error', 'warn', 'info'] },
  { name: '-v 0', options: { verbosity: 0 }, want: ['error', 'warn'] },
  { name: '-v 3', options: { verbosity: 3 }, want: ['error', 'warn', 'info'] },
  { name: '-v 4', options: { verbosity: 4 }, want: ['error', 'warn', 'info', 'debug'] },
  { name: '-v 5', options: { verbosity: 5 }, want: ['error', 'warn', 'info', 'debug', 'trace'] },
  { name: 'zap wins', options: { verbosity: 5, level: 'error' }, want: ['error'] },
  { name: 'zap debug', options: { level: 'debug' }, want: ['error', 'warn', 'info', 'debug'] },
  { name: 'zap info', options: { verbosity: 5, level: 'info' }, want: ['error', 'warn', 'info'] },
  { name: 'zap panic', options: { level: 'panic' }, want: [] },
  { name: 'zap number', options: { level: '5' }, want: ['error', 'warn', 'info', 'debug', 'trace'] },
  { name: 'zap not given', options: { level: '' }, want: ['error', 'warn', 'info'] },
])('levels shown: $name', ({ options, want }) => {
  const { log, lines } = setUp(options);
  for (const level of ['error', 'warn', 'info', 'debug', 'trace'] as const) log[level]({}, 'x');
  expect(lines.map((line) => (JSON.parse(line) as { level: string }).level)).toEqual(want);
  expect(log.isLevelEnabled('debug')).toBe(want.includes('debug'));
});

test.each([
  { timeEncoding: 'epoch', want: '1700001000.120' },
  { timeEncoding: 'millis', want: '1700001000120' },
  { timeEncoding: 'nano', want: '1700001000120000000' },
  { timeEncoding: 'iso8601', want: '"2023-11-14T22:30:00.120Z"' },
  { timeEncoding: 'rfc3339', want: '"2023-11-14T22:30:00Z"' },
  { timeEncoding: 'rfc3339nano', want: '"2023-11-14T22:30:00.12Z"' },
])('time encoding $timeEncoding', ({ timeEncoding, want }) => {
  const { log, lines } = setUp({ timeEncoding });
  log.info({}, 'x');
  expect(lines[0]).toBe(`{"level":"info","ts":${want},"msg":"x"}\n`);
});

test('an error shows its message and those of its causes; its stack from the stack trace level on', () => {
  const error = new Error('scrape failed', { cause: new Error('refused') });
  const { log, lines } = setUp();
  log.warn({ err: error, endpoint: 'e' }, 'poll');
  log.error({ error }, 'poll');
  const [warned, failed] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(warned).toMatchObject({ error: 'scrape failed: refused', endpoint: 'e' });
  expect(warned).not.toHaveProperty('stacktrace');
  expect(warned).not.toHaveProperty('err');
  expect(failed).toMatchObject({ error: 'scrape failed: refused', stacktrace: error.stack });
});

test('stack traces start where the flag says', () => {
  const { log, lines } = setUp({ stacktraceLevel: 'info' });
  log.info({ err: new Error('x') }, 'y');
  expect(lines[0]).toContain('"stacktrace":"Error: x');
});

test.each([
  { name: 'plain', isTerminal: false, level: 'WARN' },
  { name: 'coloured on a terminal', isTerminal: true, level: '\u001b[33mWARN\u001b[0m' },
])('console lines: $name', ({ isTerminal, level }) => {
  const { log, lines } = setUp({ encoder: 'console', isTerminal });
  log.component('data').warn({ a: 1 }, 'endpoint lost');
  expect(lines).toEqual([`2023-11-14T22:30:00.120Z\t${level}\tdata\tendpoint lost\t{"a":1}\n`]);
});

test('development logging is console lines with stacks from warn on', () => {
  const { log, lines } = setUp({ isDevelopment: true });
  log.warn({ err: new Error('x') }, 'y');
  expect(lines[0]).toMatch(/^2023\S+\tWARN\ty\t\{"error":"x"\}\nError: x\n {4}at /);
});

test.each([
  { level: 'loud' },
  { level: '0' },
  { encoder: 'xml' },
  { timeEncoding: 'sundial' },
  { stacktraceLevel: 'debug' },
])('an unknown value is a configuration error: %o', (options) => {
  expect(() => setUp(options)).toThrow(ConfigurationError);
});

test('lines of a pool say which, those of its components too', () => {
  const { log, lines } = setUp();
  const pool = log.forPool('n/a');
  pool.warn({}, 'x');
  pool.component('data').warn({ count: 1 }, 'y');
  log.warn({}, 'z');
  expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
    { pool: 'n/a', msg: 'x' },
    { pool: 'n/a', logger: 'data', count: 1, msg: 'y' },
    { msg: 'z' },
  ]);
  expect(lines[2]).not.toContain('pool');
});
