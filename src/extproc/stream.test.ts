import { setFlagsFromString } from 'node:v8';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decision } from '../../test/support/exchange-stages.ts';
import { deliver, FakeExchange, settle } from '../../test/support/exchange-wire.ts';
import { RejectionError } from '../framework/errors.ts';
import { BODY_SEND_MODE, encodeRequest, type ProcessingRequest } from './codec.ts';
import type { Decision } from './exchange.ts';

setFlagsFromString('--allow-natives-syntax');
const sameShape = new Function('a', 'b', 'return %HaveSameMap(a, b)') as (a: object, b: object) => boolean;

const HEADERS: ProcessingRequest = {
  requestHeaders: { headers: { headers: [{ key: ':path', value: '/v1/completions' }] } },
};
const BODY: ProcessingRequest = { requestBody: { body: Buffer.from('ab'), endOfStream: true } };
const RESPONSE_HEADERS: ProcessingRequest = {
  responseHeaders: { headers: { headers: [{ key: ':status', value: '503' }] } },
};
const RESPONSE_BODY: ProcessingRequest = { responseBody: { body: Buffer.from('cd'), endOfStream: true } };
const FULL_EXCHANGE = [HEADERS, BODY, RESPONSE_HEADERS, RESPONSE_BODY];

/** An exchange whose decision waits for the returned functions. */
function waiting(): {
  exchange: FakeExchange;
  resolve: (value: Decision) => void;
  reject: (error: Error) => void;
} {
  const exchange = new FakeExchange();
  const { promise, resolve, reject } = Promise.withResolvers<Decision>();
  exchange.stages.onDecide = () => promise;
  exchange.send(HEADERS).send(BODY);
  return { exchange, resolve, reject };
}

test('a stream after a full exchange has the shape of a new one', () => {
  const used = new FakeExchange();
  for (const message of FULL_EXCHANGE) used.send(message);
  used.stream.halfClosed();
  expect(used.stages.causes).toEqual(['natural']);
  const refused = new FakeExchange();
  refused.stages.onDecide = () => {
    throw new Error('bug');
  };
  refused.send(HEADERS).send(BODY);
  const fresh = new FakeExchange();
  expect(sameShape(used.stream, fresh.stream)).toBe(true);
  expect(sameShape(refused.stream, fresh.stream)).toBe(true);
  expect(sameShape(used.stages.responses[0] ?? {}, refused.stages.responses[0] ?? {})).toBe(true);
});

describe('the client leaves', () => {
  test.each([1, 2, 3, 4])('after %i messages: one end, no reply, no second close', (count) => {
    const exchange = new FakeExchange();
    for (const message of FULL_EXCHANGE.slice(0, count)) exchange.send(message);
    exchange.take();
    exchange.stream.cancelled();
    exchange.stream.cancelled();
    exchange.stream.halfClosed();
    exchange.send(RESPONSE_BODY);
    exchange.stream.drained();
    expect(exchange.take()).toEqual([]);
    expect(exchange.stages.causes).toEqual([count === 4 ? 'natural' : 'client-disconnect']);
    expect(exchange.closed).toEqual([true]);
    expect(exchange.wire.hasEnded).toBe(false);
  });

  test('before the first message: nothing was accepted, nothing ends', () => {
    const exchange = new FakeExchange();
    exchange.stream.cancelled();
    expect(exchange.stages.causes).toEqual([]);
    expect(exchange.closed).toEqual([true]);
  });

  test.each([
    { name: 'resets', leave: (exchange: FakeExchange) => exchange.stream.cancelled() },
    { name: 'half-closes', leave: (exchange: FakeExchange) => exchange.stream.halfClosed() },
  ])(
    'while a decision waits ($name): the signal aborts, the end comes after the decision',
    async ({ leave }) => {
      const { exchange, resolve } = waiting();
      const signal = exchange.stages.contexts[0]?.signal;
      expect(signal?.aborted).toBe(false);
      leave(exchange);
      expect(signal?.aborted).toBe(true);
      expect(exchange.stages.causes).toEqual([]);
      resolve(decision());
      await settle();
      expect(exchange.stages.causes).toEqual(['client-disconnect']);
      expect(exchange.take()).toEqual([]);
    },
  );

  test('and the decision then fails: still one end, nothing sent', async () => {
    const { exchange, reject } = waiting();
    exchange.stream.cancelled();
    reject(new RejectionError('unavailable', 'gone', { reason: 'rejected-context-cancelled' }));
    await settle();
    expect(exchange.stages.causes).toEqual(['client-disconnect']);
    expect(exchange.take()).toEqual([]);
    expect(exchange.log.lines).toEqual([]);
  });

  test('a signal asked for afterwards is aborted', () => {
    const { exchange } = waiting();
    exchange.stream.cancelled();
    expect(exchange.stages.contexts[0]?.signal.aborted).toBe(true);
  });
});

describe('the data plane answers by itself', () => {
  test('while a decision waits: it is called off, the response passes unseen', async () => {
    const { exchange, resolve } = waiting();
    const signal = exchange.stages.contexts[0]?.signal;
    expect(exchange.send(RESPONSE_HEADERS).take()).toEqual(['responseHeaders']);
    expect(signal?.aborted).toBe(true);
    resolve(decision());
    await settle();
    expect(exchange.take()).toEqual([]);
    expect(exchange.stages.causes).toEqual([]);
    expect(exchange.send(RESPONSE_BODY).take()).toEqual(['responseBody "cd" eos']);
    expect(exchange.stages.causes).toEqual(['error']);
    expect(exchange.stages.chunks).toEqual([]);
    expect(exchange.stages.responses[0]?.status).toBe(503);
  });

  test('and the decision fails after that: no second answer', async () => {
    const { exchange, reject } = waiting();
    exchange.send(RESPONSE_HEADERS).send(RESPONSE_BODY);
    exchange.take();
    reject(new Error('late'));
    await settle();
    expect(exchange.take()).toEqual([]);
    expect(exchange.stages.causes).toEqual(['error']);
  });

  test('before the body is complete: no decision is asked for', () => {
    const exchange = new FakeExchange();
    exchange.send(HEADERS).send(RESPONSE_HEADERS).send(BODY).send(RESPONSE_BODY);
    expect(exchange.take()).toEqual(['responseHeaders', 'responseBody "cd" eos']);
    expect(exchange.stages.contexts).toEqual([]);
    expect(exchange.stages.causes).toEqual(['error']);
  });

  test('after the request went on: it is the response of that request', () => {
    const exchange = new FakeExchange();
    for (const message of FULL_EXCHANGE) exchange.send(message);
    expect(exchange.stages.causes).toEqual(['natural']);
    expect(exchange.stages.chunks).toEqual(['cd|']);
  });

  test('with only the response sent here: it passes', () => {
    const exchange = new FakeExchange();
    exchange.send(RESPONSE_HEADERS).send(RESPONSE_BODY);
    expect(exchange.take()).toEqual(['responseHeaders', 'responseBody "cd" eos']);
    exchange.stream.halfClosed();
    expect(exchange.stages.causes).toEqual([]);
    expect(exchange.wire.hasEnded).toBe(true);
  });
});

describe('something fails', () => {
  const bug = () => {
    throw new Error('secret detail');
  };
  test.each([
    { name: 'accept', sent: 1, causes: [], stages: { onAccept: bug } },
    { name: 'decide', sent: 2, causes: ['error'], stages: { onDecide: bug } },
    {
      name: 'decide, late',
      sent: 2,
      causes: ['error'],
      stages: { onDecide: () => Promise.reject(new Error('secret detail')) },
    },
    {
      name: 'a decision that is none',
      sent: 2,
      causes: ['error'],
      stages: { onDecide: () => undefined as unknown as Decision },
    },
    { name: 'headers', sent: 3, causes: ['error'], stages: { onHeaders: bug } },
    { name: 'chunk', sent: 4, causes: ['error'], stages: { onChunk: bug } },
  ])('in $name: 500 for this client, logged, cause not told', async ({ sent, causes, stages }) => {
    const exchange = new FakeExchange();
    Object.assign(exchange.stages, stages);
    for (const message of FULL_EXCHANGE.slice(0, sent)) exchange.send(message);
    await settle();
    const immediate = exchange.wire.written.at(-1)?.immediateResponse;
    expect(immediate?.status.code).toBe(500);
    expect(Buffer.from(immediate?.body ?? []).toString()).not.toContain('secret');
    expect(exchange.stages.causes).toEqual(causes);
    expect(exchange.wire.hasEnded).toBe(true);
    expect(exchange.closed).toEqual([false]);
    expect(exchange.log.lines.map(({ level }) => level)).toEqual(['error']);
  });

  test('in the end: logged, the client has its answer', () => {
    const exchange = new FakeExchange();
    exchange.stages.onEnd = bug;
    for (const message of FULL_EXCHANGE) exchange.send(message);
    expect(exchange.take().at(-1)).toBe('responseBody "cd" eos');
    expect(exchange.log.lines.map(({ message }) => message)).toEqual(['end of exchange failed']);
  });

  test('a message that is none: 500, and the end after it', () => {
    const exchange = new FakeExchange();
    exchange.send(HEADERS);
    deliver(exchange.stream, Buffer.from([0xff, 0xff, 0xff]));
    expect(exchange.take()).toEqual(['immediate 500 epp_internal']);
    expect(exchange.stages.causes).toEqual(['error']);
    expect(exchange.wire.hasEnded).toBe(true);
  });

  test('a malformed message after the response is complete: nothing is sent', () => {
    const exchange = new FakeExchange();
    for (const message of FULL_EXCHANGE) exchange.send(message);
    exchange.take();
    deliver(exchange.stream, Buffer.from([0xff, 0xff, 0xff]));
    expect(exchange.take()).toEqual([]);
    expect(exchange.wire.hasEnded).toBe(true);
    expect(exchange.stages.causes).toEqual(['natural']);
  });

  test('a part of an unknown kind is skipped', () => {
    const exchange = new FakeExchange();
    exchange.send(HEADERS).send({});
    deliver(exchange.stream, Buffer.from([0xfa, 0x01, 0x02, 0x08, 0x01]));
    expect(exchange.send(BODY).take().at(-1)).toBe('requestBody "ab" eos');
  });
});

describe('eviction', () => {
  const evicted = new RejectionError('resource-exhausted', 'request evicted by flow control', {
    reason: 'evicted',
  });

  test('after dispatch: the client gets exactly the message', () => {
    const exchange = new FakeExchange({
      refusals: { format: 'text', retryAfterSeconds: 1, noEndpointsRetryAfterSeconds: 5 },
      poolHints: undefined,
    });
    exchange.send(HEADERS).send(BODY);
    expect(exchange.stream.evict(evicted)).toBe(true);
    const immediate = exchange.wire.written.at(-1)?.immediateResponse;
    expect(immediate?.status.code).toBe(429);
    expect(Buffer.from(immediate?.body ?? []).toString()).toBe('request evicted by flow control');
    expect(exchange.stages.causes).toEqual(['evicted']);
    expect(exchange.stream.evict(evicted)).toBe(false);
  });

  test('while a decision waits', async () => {
    const { exchange, resolve } = waiting();
    expect(exchange.stream.evict(evicted)).toBe(true);
    expect(exchange.take()).toEqual(['immediate 429 epp_evicted']);
    resolve(decision());
    await settle();
    expect(exchange.stages.causes).toEqual(['evicted']);
  });

  test('after the last chunk: nothing is sent', () => {
    const exchange = new FakeExchange();
    for (const message of FULL_EXCHANGE) exchange.send(message);
    exchange.take();
    expect(exchange.stream.evict(evicted)).toBe(false);
    expect(exchange.take()).toEqual([]);
  });
});

describe('observability mode', () => {
  const observed = (message: ProcessingRequest): ProcessingRequest => ({
    ...message,
    observabilityMode: true,
  });

  test.each([
    { name: 'full duplex', mode: BODY_SEND_MODE.FULL_DUPLEX_STREAMED, chunks: ['cd|'] },
    { name: 'streamed', mode: BODY_SEND_MODE.STREAMED, chunks: ['cd|'] },
    { name: 'none', mode: BODY_SEND_MODE.NONE, chunks: ['cd|'] },
  ])('parses and records, sends nothing: $name', ({ mode, chunks }) => {
    const exchange = new FakeExchange();
    const config = { requestBodyMode: mode, responseBodyMode: mode };
    exchange.send({ ...observed(HEADERS), protocolConfig: config });
    for (const message of FULL_EXCHANGE.slice(1)) exchange.send(observed(message));
    expect(exchange.take()).toEqual([]);
    expect(exchange.stages.chunks).toEqual(chunks);
    expect(exchange.stages.contexts[0]?.bodyView).toBe(mode === BODY_SEND_MODE.NONE ? 'none' : 'whole');
    exchange.stream.halfClosed();
    expect(exchange.stages.causes).toEqual(['natural']);
    expect(exchange.wire.hasEnded).toBe(true);
  });

  test('a refusal is not sent', () => {
    const exchange = new FakeExchange();
    exchange.stages.onDecide = () => {
      throw new RejectionError('bad-request', 'no');
    };
    exchange.send(observed(HEADERS)).send(observed(BODY));
    expect(exchange.take()).toEqual([]);
    expect(exchange.stages.causes).toEqual(['error']);
  });
});

describe('back-pressure', () => {
  test('a long request body leaves as the transport takes it; reading waits', () => {
    const exchange = new FakeExchange();
    exchange.wire.room = 3;
    exchange.send(HEADERS).send({ requestBody: { body: Buffer.alloc(62_000 * 5, 'x'), endOfStream: true } });
    expect(exchange.take()).toHaveLength(3);
    expect(exchange.wire.isPaused).toBe(true);
    exchange.wire.room = 2;
    exchange.stream.drained();
    expect(exchange.take()).toHaveLength(2);
    expect(exchange.wire.isPaused).toBe(true);
    exchange.wire.room = 2;
    exchange.stream.drained();
    expect(exchange.take()).toEqual(['requestBody "62000 bytes" eos']);
    expect(exchange.wire.isPaused).toBe(false);
  });

  test('the client leaves while a body waits', () => {
    const exchange = new FakeExchange();
    exchange.wire.room = 1;
    exchange.send(HEADERS).send(BODY);
    exchange.stream.cancelled();
    exchange.stream.drained();
    expect(exchange.take()).toHaveLength(1);
    expect(exchange.stages.causes).toEqual(['client-disconnect']);
  });

  test('an eviction overtakes what waits', () => {
    const exchange = new FakeExchange();
    exchange.wire.room = 1;
    exchange.send(HEADERS).send(BODY);
    exchange.take();
    exchange.stream.evict(new RejectionError('unavailable', 'stop', { reason: 'evicted' }));
    expect(exchange.take()).toEqual(['immediate 503 epp_evicted']);
  });
});

test('any order of messages: no throw, at most one end, nothing after the end', () => {
  const part = fc.constantFrom<ProcessingRequest>(
    HEADERS,
    { requestHeaders: { endOfStream: true } },
    { requestBody: { body: Buffer.from('a') } },
    BODY,
    { requestTrailers: {} },
    RESPONSE_HEADERS,
    { responseHeaders: { endOfStream: true } },
    { responseBody: { body: Buffer.from('c') } },
    RESPONSE_BODY,
    { responseTrailers: {} },
    {},
  );
  const step = fc.oneof(
    { weight: 12, arbitrary: part },
    { weight: 1, arbitrary: fc.constantFrom('halfClosed', 'cancelled', 'drained', 'evict') },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 12 }) },
  );
  const mode = fc.constantFrom(undefined, 0, 1, 2, 3, 4, 5);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 14 }), mode, fc.boolean(), (steps, bodyMode, ahead) => {
      const exchange = new FakeExchange();
      const config =
        bodyMode === undefined
          ? {}
          : {
              protocolConfig: {
                requestBodyMode: bodyMode,
                responseBodyMode: bodyMode,
                sendBodyWithoutWaitingForHeaderResponse: ahead,
              },
            };
      for (const next of steps) {
        if (next instanceof Uint8Array) deliver(exchange.stream, next);
        else if (next === 'halfClosed') exchange.stream.halfClosed();
        else if (next === 'cancelled') exchange.stream.cancelled();
        else if (next === 'drained') exchange.stream.drained();
        else if (next === 'evict') exchange.stream.evict(new RejectionError('unavailable', 'stop'));
        else if (typeof next === 'object') deliver(exchange.stream, encodeRequest({ ...next, ...config }));
      }
      exchange.stream.cancelled();
      expect(exchange.stages.causes.length).toBe(exchange.stages.requests.length);
      expect(exchange.stages.requests.length).toBeLessThanOrEqual(1);
      expect(exchange.closed).toHaveLength(1);
    }),
    { numRuns: 400 },
  );
});
