import { expect, test } from 'vitest';
import { faultText, placeOf } from './fault.ts';
import { countStrayErrors, noteOwnFile, takeStrayError } from './stray.ts';

function thrown(...frames: readonly string[]): Error {
  const error = new Error('boom');
  error.stack = ['Error: boom', ...frames.map((frame) => `    at ${frame}`)].join('\n');
  return error;
}

const OWN = 'Timeout._onTimeout (file:///plugins/mine.ts:3:9)';
const NODE = 'listOnTimeout (node:internal/timers:605:17)';
const PROGRAM = `run (${new URL('./guard.ts', import.meta.url).href}:1:2)`;

noteOwnFile('/plugins/mine.ts');

test.each([
  { name: 'a timer of a plugin', event: 'uncaughtException', error: thrown(OWN, NODE), isTaken: true },
  { name: 'the program below it', event: 'uncaughtException', error: thrown(OWN, PROGRAM), isTaken: false },
  { name: 'a promise of a plugin', event: 'unhandledRejection', error: thrown(OWN, PROGRAM), isTaken: true },
  { name: 'the program alone', event: 'unhandledRejection', error: thrown(PROGRAM, NODE), isTaken: false },
  { name: 'another file', event: 'unhandledRejection', error: thrown('f (/a/b.js:1:1)'), isTaken: false },
  { name: 'no error', event: 'unhandledRejection', error: 'text', isTaken: false },
] as const)('$name: taken $isTaken', ({ event, error, isTaken }) => {
  expect(takeStrayError(event, error, 0) !== undefined).toBe(isTaken);
});

test('each is counted, and logged once in 30 s', () => {
  let counted = 0;
  countStrayErrors(() => {
    counted += 1;
  });
  const take = (nowMs: number) => takeStrayError('unhandledRejection', thrown(OWN), nowMs)?.isLogged;
  expect([take(1e6), take(1e6 + 29_999), take(1e6 + 30_000)]).toEqual([true, false, true]);
  expect(counted).toBe(3);
});

test('the place of an error is the innermost line that is not of the program', () => {
  expect(placeOf(thrown(PROGRAM, NODE, OWN))).toEqual({ file: '/plugins/mine.ts', line: 3, column: 9 });
  expect(faultText(thrown(NODE))).toBe('boom');
  expect(faultText(thrown('async file:///plugins/my%20own.ts:7:1'))).toBe('boom (/plugins/my own.ts:7:1)');
  expect(faultText('text')).toBe('threw text');
});
