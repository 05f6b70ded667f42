import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../test/support/builders.ts';
import { RejectionError } from '../framework/errors.ts';
import type { DataProducer, PreRequestHook } from '../framework/hooks.ts';
import type { Named } from '../framework/plugin.ts';
import { RequestHooks } from './hooks.ts';

function named<T>(name: string, plugin: T): Named<T> {
  return { name, type: name, plugin };
}

function hooks(
  producers: readonly Named<DataProducer>[],
  preRequestHooks: readonly Named<PreRequestHook>[] = [],
) {
  const services = context();
  return {
    services,
    hooks: new RequestHooks(
      { headerProcessors: [], screeners: [], producers, admitters: [], preRequestHooks },
      services,
    ),
  };
}

const never = new AbortController();

test('synchronous producers finish without a promise, in order', () => {
  const order: string[] = [];
  const { hooks: chain } = hooks([
    named('a', { produce: () => void order.push('a') }),
    named('b', { produce: () => void order.push('b') }),
  ]);
  expect(chain.produce(request(), [endpoint()], never)).toBeUndefined();
  expect(order).toEqual(['a', 'b']);
});

test('a producer that throws or rejects does not stop the others and is named once', async () => {
  const order: string[] = [];
  const { hooks: chain, services } = hooks([
    named('bad', {
      produce: () => {
        throw new Error('boom');
      },
    }),
    named('worse', { produce: () => Promise.reject(new Error('bang')) }),
    named('good', { produce: () => void order.push('good') }),
  ]);
  await chain.produce(request(), [], never);
  await chain.produce(request(), [], never);
  expect(order).toEqual(['good', 'good']);
  expect(services.log.lines.map((line) => (line.fields as { plugin: string }).plugin)).toEqual([
    'bad',
    'worse',
  ]);
});

test('a producer that takes too long is left behind and its signal aborts', async () => {
  let seen: AbortSignal | undefined;
  const order: string[] = [];
  const { hooks: chain, services } = hooks([
    named('slow', {
      timeoutMs: 400,
      produce: (_request, _candidates, patience) => {
        seen = patience.signal;
        return new Promise<void>(() => {});
      },
    }),
    named('next', { produce: () => void order.push('next') }),
  ]);
  const waiting = chain.produce(request(), [], never);
  await services.clock.advanceAsync(399);
  expect(order).toEqual([]);
  await services.clock.advanceAsync(1);
  await waiting;
  expect(order).toEqual(['next']);
  expect(seen?.aborted).toBe(true);
  expect(services.clock.pendingTimers).toBe(0);
});

test('when the client leaves the remaining producers are skipped', async () => {
  const leave = new AbortController();
  const order: string[] = [];
  const { hooks: chain } = hooks([
    named('waits', {
      timeoutMs: 400,
      produce: async () => {
        leave.abort();
      },
    }),
    named('next', { produce: () => void order.push('next') }),
  ]);
  await chain.produce(request(), [], leave);
  expect(order).toEqual([]);
});

test.each([
  {
    name: 'one typed failure keeps its status',
    errors: [new RejectionError('unavailable', 'no')],
    code: 'unavailable',
  },
  { name: 'one untyped failure is internal', errors: [new Error('x')], code: 'internal' },
  {
    name: 'several are internal',
    errors: [new RejectionError('unavailable', 'no'), new Error('x')],
    code: 'internal',
  },
])('pre-request hooks: $name, and all run', ({ errors, code }) => {
  const ran: string[] = [];
  const failing = errors.map((error, i) =>
    named(`f${i}`, {
      preRequest: () => {
        ran.push(`f${i}`);
        throw error;
      },
    }),
  );
  const { hooks: chain } = hooks(
    [],
    [...failing, named('last', { preRequest: () => void ran.push('last') })],
  );
  let thrown: unknown;
  try {
    chain.preRequest(request(), { profiles: new Map(), primary: 'default' });
  } catch (error) {
    thrown = error;
  }
  expect((thrown as RejectionError).code).toBe(code);
  expect(ran.at(-1)).toBe('last');
});

test('every extension point counts what fails in it', async () => {
  const fail = () => {
    throw new Error('boom');
  };
  const services = context();
  const chain = new RequestHooks(
    {
      headerProcessors: [named('h', { requestHeaders: fail })],
      screeners: [named('s', { screen: fail })],
      producers: [named('p', { produce: () => Promise.reject(new Error('bang')) })],
      admitters: [named('a', { admit: fail })],
      preRequestHooks: [named('r', { preRequest: fail })],
    },
    services,
  );
  const candidates = [endpoint()];
  chain.processHeaders(request());
  expect(chain.screen(request(), candidates)).toBe(candidates);
  await chain.produce(request(), candidates, never);
  chain.admit(request(), candidates);
  expect(() => chain.preRequest(request(), { profiles: new Map(), primary: '' })).toThrow(RejectionError);
  const counted = [...services.instruments.counters]
    .filter(([series, { value }]) => series.startsWith('plugin_errors_total') && value === 1)
    .map(([series]) => /extension_point="(\w+)"/.exec(series)?.[1]);
  expect(counted).toEqual(['RequestHeader', 'Screener', 'Admission', 'DataProducer', 'PreRequest']);
});
