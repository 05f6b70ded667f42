import { expect, test } from 'vitest';
import { detailOf, faultText, filesOf, placeOf } from './fault.ts';
import { outside, runAs, runnerAs } from './origin.ts';
import { countStrayErrors, noteOwnFile, takeStrayError } from './stray.ts';

function thrown(...frames: readonly string[]): Error {
  const error = new Error('boom');
  error.stack = ['Error: boom', ...frames.map((frame) => `    at ${frame}`)].join('\n');
  return error;
}

const OWN = 'Timeout._onTimeout (file:///plugins/mine.ts:3:9)';
const NODE = 'listOnTimeout (node:internal/timers:605:17)';
const PROGRAM = `run (${new URL('./guard.ts', import.meta.url).href}:1:2)`;

const takenWithoutModules = takeStrayError('unhandledRejection', 'text', 0);
noteOwnFile('/plugins/mine.ts');

test('without modules nothing is taken', () => {
  expect(takenWithoutModules).toBeUndefined();
});

test.each([
  { name: 'a timer of a plugin', event: 'uncaughtException', error: thrown(OWN, NODE), isTaken: true },
  { name: 'the program below it', event: 'uncaughtException', error: thrown(OWN, PROGRAM), isTaken: false },
  { name: 'a promise of a plugin', event: 'unhandledRejection', error: thrown(OWN, PROGRAM), isTaken: true },
  { name: 'the program alone', event: 'unhandledRejection', error: thrown(PROGRAM, NODE), isTaken: false },
  { name: 'another file', event: 'unhandledRejection', error: thrown('f (/a/b.js:1:1)'), isTaken: false },
  { name: 'no error', event: 'unhandledRejection', error: 'text', isTaken: true },
  { name: 'nothing', event: 'unhandledRejection', error: undefined, isTaken: true },
  { name: 'Node.js alone, as of a socket', event: 'uncaughtException', error: thrown(NODE), isTaken: true },
] as const)('$name: taken $isTaken', ({ event, error, isTaken }) => {
  expect(takeStrayError(event, error, 0) !== undefined).toBe(isTaken);
});

const MINE = { plugin: 'mine', pluginType: 'my-type' };

test.each([
  { name: 'a method of the program in a timer', error: thrown(PROGRAM, OWN, NODE), file: '/plugins/mine.ts' },
  { name: 'a promise of the program', error: thrown(PROGRAM), file: undefined },
  { name: 'no error', error: Object.create(null) as unknown, file: undefined },
])('what a plugin started is taken and named: $name', ({ error, file }) => {
  const take = () => takeStrayError('uncaughtException', error, 0);
  expect(runAs(MINE, take)).toMatchObject({ origin: MINE, file });
  expect(runnerAs(MINE)(take)).toMatchObject({ origin: MINE, file });
});

test('timers and promises know who started them, calls that leave a plugin are the program’s', async () => {
  const program = {
    take: () => Promise.resolve().then(() => takeStrayError('uncaughtException', thrown(PROGRAM), 0)),
  };
  const later = () => new Promise((resolve) => setImmediate(() => resolve(program.take())));
  expect(await runAs(MINE, later)).toMatchObject({ origin: MINE });
  expect(await runAs(MINE, () => outside(program).take())).toBeUndefined();
  expect(await later()).toBeUndefined();
});

test('anything that is thrown has a text', () => {
  const oddStack = Object.assign(new Error('odd'), { stack: 5 });
  const closed = new Proxy(new Error('closed'), {
    get: () => {
      throw new Error('closed');
    },
  });
  for (const error of [oddStack, closed, Object.create(null), Symbol('s'), null, undefined]) {
    expect([typeof faultText(error), typeof detailOf(error), filesOf(error)]).toEqual([
      'string',
      'string',
      [],
    ]);
    expect(placeOf(error)).toBeUndefined();
  }
  expect(faultText(oddStack)).toBe('odd');
  expect(filesOf(thrown('f (file://host/x.ts:1:1)'))).toEqual(['file://host/x.ts']);
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
