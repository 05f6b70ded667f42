import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import {
  CODE,
  continuation,
  data,
  FLAGS,
  headers,
  hpackInteger,
  literal,
  literalBlock,
  ping,
  priority,
  rawFrame,
  resetStream,
  SETTING,
  SETTINGS_ACK,
  settings,
  TYPE,
  windowUpdate,
} from '../support/http2-frames.ts';
import { grpcRequest } from '../support/raw-http2.ts';
import { DEAF, ECHO, flood, WireServer } from '../support/wire-server.ts';

/** Frames in one write. */
const BATCH = 500;

/** Batches after which a flood that was not answered has gone through. */
const MAX_BATCHES = 1000;

/** `BATCH` times the same. */
function repeated(bytes: Uint8Array): Buffer {
  return Buffer.concat(Array.from({ length: BATCH }, () => bytes));
}

/** `BATCH` streams, the i-th batch of a connection. */
function streams(i: number, frames: (streamId: number) => readonly Uint8Array[]): Buffer {
  return Buffer.concat(Array.from({ length: BATCH }, (_, n) => frames(2 * (i * BATCH + n) + 1)).flat());
}

const request = grpcRequest(ECHO);
const deafRequest = grpcRequest(DEAF);

test.each<{ name: string; frames: (streamId: number) => readonly Uint8Array[] }>([
  {
    name: 'rapid reset (CVE-2023-44487)',
    frames: (id) => [headers(id, request), resetStream(id, CODE.CANCEL)],
  },
  {
    name: 'streams that make the server reset them (CVE-2025-8671): window of 0',
    frames: (id) => [headers(id, deafRequest, { endStream: true }), windowUpdate(id, 0)],
  },
  {
    name: 'streams that make the server reset them (CVE-2025-8671): window overflow',
    frames: (id) => [headers(id, deafRequest, { endStream: true }), windowUpdate(id, 0x7fff_ffff)],
  },
  {
    name: 'streams that make the server reset them (CVE-2025-8671): content after its end',
    frames: (id) => [headers(id, deafRequest, { endStream: true }), data(id, Buffer.alloc(1))],
  },
  {
    name: 'streams that make the server reset them (CVE-2025-8671): trailers that end nothing',
    frames: (id) => [headers(id, request), headers(id, literalBlock([['x-end', '1']]))],
  },
  { name: 'requests without fields', frames: (id) => [headers(id, Buffer.alloc(0))] },
])('flood: $name', async ({ frames }) => {
  await using server = await WireServer.start();
  await using client = await server.connect();
  const taken = await flood(client, MAX_BATCHES, (i) => streams(i, frames));
  expect(taken).toBeLessThan(MAX_BATCHES);
  expect((await client.goneAway()).code).toBe(CODE.ENHANCE_YOUR_CALM);
  await client.closed();
  await eventually(() => expect(server.openCalls).toBe(0));
  await server.expectHealthy();
});

test('1,000 resets in a second are no flood, nor are 5,000 of streams with content', async () => {
  await using server = await WireServer.start();
  await using client = await server.connect();
  let id = 1;
  for (let i = 0; i < 1000; i += 1, id += 2) {
    client.send(headers(id, request), resetStream(id, CODE.CANCEL));
  }
  await client.roundTrip();
  await server.clock.advanceAsync(1000);
  for (let i = 0; i < 5000; i += 1, id += 2) {
    client.open(id, ECHO);
    client.message(id, Buffer.from('some'));
    client.send(resetStream(id, CODE.CANCEL));
    if (i % BATCH === 0) await client.roundTrip();
  }
  await client.roundTrip();
  expect(client.hasGoneAway).toBe(false);
  expect(server.echo.opened).toBe(1 + 6000);
  expect(server.echo.cancelled).toBe(6000);
  await server.expectHealthy();
});

test.each<{ name: string; fragment: Buffer }>([
  { name: 'with content', fragment: literal('x'.repeat(1000)) },
  { name: 'without content', fragment: Buffer.alloc(0) },
])('flood: CONTINUATION $name, without an end (VU#421644)', async ({ fragment }) => {
  await using server = await WireServer.start();
  await using client = await server.connect();
  client.send(headers(1, request, { endHeaders: false }));
  const taken = await flood(client, MAX_BATCHES, () => repeated(continuation(1, fragment, false)));
  expect(taken).toBeLessThan(MAX_BATCHES);
  expect((await client.goneAway()).code).toBe(CODE.ENHANCE_YOUR_CALM);
  await client.closed();
  await server.expectHealthy();
});

const WINDOWS = [1, 2].map((size) => settings([[SETTING.INITIAL_WINDOW_SIZE, size]]));

test.each<{ name: string; frames: Buffer }>([
  { name: 'SETTINGS', frames: settings() },
  { name: 'SETTINGS that change windows', frames: Buffer.concat(WINDOWS) },
  { name: 'acknowledged SETTINGS that were not sent', frames: SETTINGS_ACK },
  { name: 'PING', frames: ping() },
  { name: 'answers to PING', frames: ping(Buffer.alloc(8), true) },
  { name: 'PRIORITY', frames: priority(1, 0) },
  { name: 'PRIORITY of idle streams', frames: priority(1001, 0) },
  { name: 'unknown frames', frames: rawFrame({ type: 0xfa, streamId: 1 }) },
  { name: 'empty DATA', frames: data(1, Buffer.alloc(0)) },
])('flood: $name', async ({ frames }) => {
  await using server = await WireServer.start();
  await using client = await server.connect();
  client.open(1, ECHO);
  const taken = await flood(client, MAX_BATCHES, () => repeated(frames));
  expect(taken).toBeLessThan(MAX_BATCHES);
  expect((await client.goneAway()).code).toBe(CODE.ENHANCE_YOUR_CALM);
  await client.closed();
  await eventually(() => expect(server.openCalls).toBe(0));
  await server.expectHealthy();
});

test('each SETTINGS is acknowledged once, in order, and no acknowledgement is', async () => {
  await using server = await WireServer.start();
  await using client = await server.connect();
  for (let i = 0; i < 50; i += 1) client.send(settings([[SETTING.INITIAL_WINDOW_SIZE, i]]), SETTINGS_ACK);
  await client.roundTrip();
  const acks = client.frames.filter(({ type, flags }) => type === TYPE.SETTINGS && flags === FLAGS.ACK);
  expect(acks).toHaveLength(51);
});

test('flood: PING by a peer that does not read fills neither memory nor the event loop', async () => {
  await using server = await WireServer.start();
  await using client = await server.connect();
  await client.roundTrip();
  client.stopReading();
  const pings = Buffer.concat(Array.from({ length: 2000 }, () => ping()));
  let mostBytes = 0;
  let fullRounds = 0;
  // A rate that is no flood, until the kernel's buffers are full and 10 MB of answers more.
  for (let i = 0; i < 5000 && fullRounds < 300 && !client.isClosed; i += 1) {
    client.send(pings);
    await server.clock.advanceAsync(320);
    mostBytes = Math.max(mostBytes, server.unsentBytes);
    if (mostBytes > 1 << 20) fullRounds += 1;
  }
  expect(fullRounds).toBeGreaterThan(0);
  expect(mostBytes).toBeLessThan(8 << 20);
  await server.expectHealthy();
});

test('HPACK bomb: a field of 4 kB referred to by every byte of a block', async () => {
  await using server = await WireServer.start();
  await using client = await server.connect();
  const name = literal('x-bomb');
  const insert = Buffer.concat([Buffer.of(0x40), name, literal('x'.repeat(4000))]);
  client.send(headers(1, Buffer.concat([request, insert]), { endStream: true }));
  await client.next(({ type, streamId }) => type === TYPE.HEADERS && streamId === 1);
  const before = process.memoryUsage().heapUsed;
  const bomb = Buffer.concat([request, Buffer.alloc(16_000, hpackInteger(0x80, 7, 62))]);
  for (let i = 0; i < 200; i += 1) {
    const id = 2 * i + 3;
    client.send(headers(id, bomb, { endStream: true }));
    const refused = await client.next(({ type, streamId }) => {
      return streamId === id && (type === TYPE.HEADERS || type === TYPE.RST_STREAM);
    });
    // 431 in a header block of its own, or a reset
    if (refused.type === TYPE.HEADERS) expect(refused.payload.toString('latin1')).toContain('431');
  }
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 << 20);
  expect(server.echo.opened).toBe(2);
  client.send(headers(1001, literalBlock([]), { endStream: true }));
  await client.roundTrip();
  await server.expectHealthy();
});

test('flood: windows of one byte for a connection on which thousands of streams wait', async () => {
  await using server = await WireServer.start();
  await using client = await server.connect();
  const waiting = 5000;
  for (let i = 0; i < waiting; i += 1) {
    client.open(2 * i + 1, ECHO);
    client.message(2 * i + 1, Buffer.alloc(100), { endStream: true });
    if (i % BATCH === 0) await client.roundTrip();
  }
  const startMs = performance.now();
  const taken = await flood(client, 40, () => repeated(windowUpdate(0, 1)));
  // Either it is too much, or it costs little.
  if (taken === 40) await client.roundTrip();
  else expect((await client.goneAway()).code).toBe(CODE.ENHANCE_YOUR_CALM);
  expect(performance.now() - startMs).toBeLessThan(3000);
  await server.expectHealthy();
});
