import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GrpcJsTransport } from '../../src/extproc/transport/grpc-js.ts';
import type { TransportOptions } from '../../src/extproc/transport/transport.ts';
import { WireTransport } from '../../src/extproc/transport/wire/transport.ts';
import { systemClock } from '../../src/util/clock.ts';
import {
  type Ending,
  MAX_RECEIVE_BYTES,
  messageBytes,
  runScript,
  type Script,
  type ScriptMessage,
  type StreamOutcome,
  type StreamScript,
} from '../support/grpc-script.ts';

const RUNS = 150;

/** Runs have a server of their own each; most of the time is spent in waiting for turns. */
const TIMEOUT_MS = 120_000;

const createWire = (options: TransportOptions) => new WireTransport(options, systemClock);
const createGrpcJs = (options: TransportOptions) => new GrpcJsTransport(options);

/** Both must be the same in all that can be seen, and something must have been seen. */
async function agree(script: Script): Promise<StreamOutcome[]> {
  const [wire, grpcJs] = await Promise.all([runScript(createWire, script), runScript(createGrpcJs, script)]);
  expect(wire).toEqual(grpcJs);
  script.streams.forEach(({ ending }, i) => {
    if (ending !== 'reset') expect(wire[i]?.client.hasEnded).toBe(true);
  });
  return wire;
}

/** A script of one stream. */
function single(stream: Partial<StreamScript>, connection: Partial<Script> = {}): Script {
  return {
    streams: [{ messages: [], frameBytes: [16_000], ending: 'empty-data', ...stream }],
    order: [0],
    windowBytes: 65_535,
    pings: [],
    writeBytes: [1 << 20],
    ...connection,
  };
}

const HELLO: ScriptMessage = { size: 5, fill: 104 };
const BINARY: ScriptMessage = { size: 4, fill: 255 };

const ECHOED = { httpStatus: '200', contentType: 'application/grpc', grpcStatus: '0', hasEnded: true };

describe('both transports, the same script', () => {
  test.each<{ name: string; script: Script; client: object; handler: readonly unknown[] | undefined }>([
    {
      name: 'two messages, half-closed by an empty frame',
      script: single({ messages: [HELLO, BINARY] }),
      client: { ...ECHOED, messages: [hex(HELLO), hex(BINARY)], resetCode: undefined, restBytes: 0 },
      handler: [{ message: hex(HELLO) }, { message: hex(BINARY) }, 'half-closed'],
    },
    {
      name: 'half-closed with the last message',
      script: single({ messages: [HELLO], ending: 'last-data' }),
      client: { ...ECHOED, messages: [hex(HELLO)] },
      handler: [{ message: hex(HELLO) }, 'half-closed'],
    },
    {
      name: 'half-closed by trailers',
      script: single({ messages: [HELLO], ending: 'trailers' }),
      client: { ...ECHOED, messages: [hex(HELLO)] },
      handler: [{ message: hex(HELLO) }, 'half-closed'],
    },
    {
      name: 'headers alone',
      script: single({ ending: 'last-data' }),
      client: { ...ECHOED, messages: [] },
      handler: ['half-closed'],
    },
    {
      name: 'an empty message',
      script: single({ messages: [{ size: 0, fill: 0 }] }),
      client: { ...ECHOED, messages: [''] },
      handler: [{ message: '' }, 'half-closed'],
    },
    {
      name: 'reset after an answer',
      script: single({ messages: [HELLO], ending: 'reset' }),
      client: { messages: [hex(HELLO)], grpcStatus: undefined, hasEnded: false },
      handler: [{ message: hex(HELLO) }, 'cancelled'],
    },
    {
      name: 'byte by byte',
      script: single({ messages: [HELLO], padding: 3, continueAt: 20 }, { writeBytes: [1] }),
      client: { ...ECHOED, messages: [hex(HELLO)] },
      handler: [{ message: hex(HELLO) }, 'half-closed'],
    },
    {
      name: 'a message through a window of one byte',
      script: single({ messages: [HELLO] }, { windowBytes: 1 }),
      client: { ...ECHOED, messages: [hex(HELLO)] },
      handler: [{ message: hex(HELLO) }, 'half-closed'],
    },
    {
      name: 'a compressed message',
      script: single({ encoding: 'gzip', messages: [{ ...HELLO, isCompressed: true }, BINARY] }),
      client: { ...ECHOED, messages: [hex(HELLO), hex(BINARY)] },
      handler: [{ message: hex(HELLO) }, { message: hex(BINARY) }, 'half-closed'],
    },
    {
      name: 'no te',
      script: single({ te: false, messages: [HELLO] }),
      client: { ...ECHOED, messages: [hex(HELLO)] },
      handler: [{ message: hex(HELLO) }, 'half-closed'],
    },
    {
      name: 'application/grpc+proto and a charset',
      script: single({ contentType: 'application/grpc+proto;charset=utf-8', messages: [HELLO] }),
      client: { ...ECHOED, messages: [hex(HELLO)] },
      handler: [{ message: hex(HELLO) }, 'half-closed'],
    },
    {
      name: 'unknown path, headers alone',
      script: single({ path: '/test.Echo/None', ending: 'last-data' }),
      client: { httpStatus: '200', grpcStatus: '12', hasEnded: true, messages: [] },
      handler: undefined,
    },
    {
      name: 'unknown path, answered before the request has ended',
      script: single({ path: '/test.Echo/None', messages: [HELLO], ending: 'none' }),
      client: { httpStatus: '200', grpcStatus: '12', hasEnded: true, messages: [] },
      handler: undefined,
    },
    {
      name: 'text/plain',
      script: single({ contentType: 'text/plain', messages: [HELLO], ending: 'last-data' }),
      client: { httpStatus: '415', grpcStatus: undefined, hasEnded: true },
      handler: undefined,
    },
    {
      name: 'a long timeout',
      script: single({ timeout: '1H', messages: [HELLO] }),
      client: { ...ECHOED, messages: [hex(HELLO)] },
      handler: [{ message: hex(HELLO) }, 'half-closed'],
    },
    {
      name: 'a timeout that runs out',
      script: single({ timeout: '150m', messages: [HELLO], ending: 'none' }),
      client: { httpStatus: '200', messages: [hex(HELLO)], grpcStatus: '4', hasEnded: true },
      handler: [{ message: hex(HELLO) }, 'cancelled'],
    },
    {
      name: 'a message that is too large',
      script: single({ messages: [{ size: MAX_RECEIVE_BYTES + 1, fill: 0 }], ending: 'none' }),
      client: { httpStatus: '200', messages: [], grpcStatus: '8', hasEnded: true },
      handler: ['cancelled'],
    },
    {
      name: 'a compressed message that is too large once it is not',
      script: single({
        encoding: 'gzip',
        messages: [{ size: MAX_RECEIVE_BYTES + 1, fill: 0, isCompressed: true }],
        ending: 'none',
      }),
      client: { httpStatus: '200', messages: [], grpcStatus: '8', hasEnded: true },
      handler: ['cancelled'],
    },
  ])('$name', async ({ script, client, handler }) => {
    const [outcome] = await agree(script);
    expect(outcome?.client).toMatchObject(client);
    expect(outcome?.handler).toEqual(handler);
  });

  // grpc-js gives compressed bytes to the handler as if they were a message; grpc-go does as the wire transport.
  test.each<{ name: string; script: Script; client: object; handler: readonly unknown[] | undefined }>([
    {
      name: 'an unknown grpc-encoding',
      script: single({ encoding: 'snappy', messages: [{ ...HELLO, isCompressed: true }], ending: 'none' }),
      client: { httpStatus: '200', messages: [], grpcStatus: '12', hasEnded: true },
      handler: undefined,
    },
    {
      name: 'a compressed message without grpc-encoding',
      script: single({ messages: [{ ...HELLO, isCompressed: true }], ending: 'none' }),
      client: { httpStatus: '200', messages: [], grpcStatus: '13', hasEnded: true },
      handler: ['cancelled'],
    },
  ])('wire alone: $name', async ({ script, client, handler }) => {
    const [outcome] = await runScript(createWire, script);
    expect(outcome?.client).toMatchObject(client);
    expect(outcome?.handler).toEqual(handler);
  });

  test('random scripts', { timeout: TIMEOUT_MS }, async () => {
    await fc.assert(
      fc.asyncProperty(anyScript(), async (script) => {
        await agree(script);
      }),
      { numRuns: RUNS, interruptAfterTimeLimit: TIMEOUT_MS - 20_000 },
    );
  });
});

function hex(message: ScriptMessage): string {
  return messageBytes(message).toString('hex');
}

function anyScript(): fc.Arbitrary<Script> {
  return fc.oneof(anyNarrowScript(), anyWideScript());
}

/** Short messages through windows of a few bytes. */
function anyNarrowScript(): fc.Arbitrary<Script> {
  return anyConnection(fc.integer({ min: 1, max: 60 }), fc.nat(40));
}

/** Messages of any size through windows that stop some of them. */
function anyWideScript(): fc.Arbitrary<Script> {
  const size = fc.oneof(fc.nat(3000), fc.nat(MAX_RECEIVE_BYTES));
  return anyConnection(fc.constantFrom(2000, 65_535, 1 << 20), size);
}

function anyConnection(window: fc.Arbitrary<number>, size: fc.Arbitrary<number>): fc.Arbitrary<Script> {
  return fc.record({
    streams: fc.array(anyStream(size), { minLength: 1, maxLength: 4 }),
    order: fc.array(fc.nat(3), { minLength: 1, maxLength: 20 }),
    windowBytes: window,
    change: fc.option(fc.record({ step: fc.nat(12), windowBytes: window }), { nil: undefined }),
    pings: fc.array(fc.nat(20), { maxLength: 3 }),
    writeBytes: fc.oneof(
      fc.constant([1 << 20]),
      fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 5 }),
      fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 5000, max: 50_000 })),
    ),
  });
}

function anyStream(size: fc.Arbitrary<number>): fc.Arbitrary<StreamScript> {
  const fill = fc.nat(255);
  const frameBytes = fc.array(
    fc.oneof({ weight: 1, arbitrary: fc.integer({ min: 1, max: 8 }) }, fc.integer({ min: 500, max: 16_000 })),
    { minLength: 1, maxLength: 4 },
  );
  const shape = {
    frameBytes: frameBytes.map((sizes) => [...sizes, 16_000]),
    padding: fc.option(fc.nat(255), { nil: undefined }),
    continueAt: fc.option(fc.nat(60), { nil: undefined }),
    te: fc.boolean(),
    timeout: fc.constantFrom('', '1H', '99999999S', '30000m'),
    extra: fc.array(fc.tuple(fc.stringMatching(/^x-[a-z0-9-]{1,20}$/), fc.stringMatching(/^[!-~]{0,40}$/)), {
      maxLength: 5,
    }),
  };
  const endings = fc.constantFrom<Ending>('empty-data', 'last-data', 'trailers', 'reset');
  const served = fc.record({
    ...shape,
    ending: endings,
    contentType: fc.constantFrom('application/grpc', 'application/grpc+proto'),
    encoding: fc.constantFrom('', 'identity'),
    messages: fc.array(fc.record({ size, fill }), { maxLength: 4 }),
  });
  const compressed = fc.record({
    ...shape,
    ending: endings,
    encoding: fc.constant('gzip'),
    messages: fc.array(fc.record({ size, fill, isCompressed: fc.boolean() }), { maxLength: 4 }),
  });
  const refused = fc.record({
    ...shape,
    path: fc.constantFrom('/test.Echo/None', '/', '/nothing/'),
    messages: fc.array(fc.record({ size, fill }), { maxLength: 2 }),
    ending: fc.constantFrom<Ending>('empty-data', 'last-data', 'none'),
  });
  const foreign = fc.record({
    ...shape,
    contentType: fc.constantFrom(undefined, 'text/plain', 'application/json'),
    messages: fc.array(fc.record({ size, fill }), { maxLength: 2 }),
    ending: fc.constantFrom<Ending>('empty-data', 'last-data'),
  });
  return fc.oneof({ weight: 5, arbitrary: served }, { weight: 3, arbitrary: compressed }, refused, foreign);
}
