import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { GrpcView } from '../support/grpc-view.ts';
import {
  data,
  grpcMessage,
  PREFACE,
  type RawFrame,
  resetStream,
  SETTING,
  TYPE,
  windowUpdate,
} from '../support/http2-frames.ts';
import type { RawHttp2Client } from '../support/raw-http2.ts';
import { ECHO, WireServer } from '../support/wire-server.ts';

const MAX_WINDOW = 0x7fff_ffff;

/** Far more than anything may take, and steps of the usual length of a timer. */
const FOREVER_MS = 600_000;
const STEP_MS = 1000;

describe('a peer that is slow', () => {
  test('in reading: what waits for it stays bounded, and all of it arrives in the end', async () => {
    const copies = 4;
    await using server = await WireServer.start(copies);
    const view = new GrpcView();
    const [client] = await server.handshake({
      settings: [[SETTING.INITIAL_WINDOW_SIZE, MAX_WINDOW]],
      onFrame: (frame) => view.take(frame),
    });
    await using _ = client;
    client.send(windowUpdate(0, MAX_WINDOW - 65_535));
    await client.roundTrip();
    client.stopReading();
    // 12 MB that cause 48.
    const streams = 100;
    const messages = 8;
    const message = grpcMessage(Buffer.alloc(15_000));
    let mostBytes = 0;
    for (let i = 0; i < streams; i += 1) client.open(2 * i + 1, ECHO);
    for (let n = 0; n < messages; n += 1) {
      for (let i = 0; i < streams; i += 1) {
        client.send(data(2 * i + 1, message, { endStream: n === messages - 1 }));
        await nextTurn();
        mostBytes = Math.max(mostBytes, server.unsentBytes);
      }
    }
    expect(mostBytes).toBeGreaterThan(100_000);
    expect(mostBytes).toBeLessThan(8 << 20);
    client.resumeReading();
    await eventually(() => expect(server.openCalls).toBe(0), 10_000);
    await client.roundTrip();
    for (let i = 0; i < streams; i += 1) {
      expect(view.stream(2 * i + 1)).toMatchObject({ grpcStatus: '0', hasEnded: true });
      expect(view.stream(2 * i + 1).messages).toHaveLength(messages * copies);
    }
    await server.expectHealthy();
  });

  test('in granting windows: its handlers wait', async () => {
    await using server = await WireServer.start();
    const [client] = await server.handshake({ settings: [[SETTING.INITIAL_WINDOW_SIZE, 0]] });
    await using _ = client;
    const message = grpcMessage(Buffer.alloc(10_000, 1));
    for (let i = 0; i < 20; i += 1) {
      const id = 2 * i + 1;
      client.open(id, ECHO);
      for (let n = 0; n < 40; n += 1) await client.flush(data(id, message));
    }
    await client.roundTrip();
    expect(server.echo.messages).toBeGreaterThan(20);
    expect(server.echo.messages).toBeLessThan(20 * 20);
    // All of it comes once there is a window.
    let received = 0;
    client.send(windowUpdate(0, 16 << 20));
    for (let i = 0; i < 20; i += 1) client.send(windowUpdate(2 * i + 1, 1 << 20));
    while (received < 20 * 40 * message.length) {
      received += (await client.next(({ type }) => type === TYPE.DATA)).payload.length;
    }
    expect(server.echo.messages).toBe(20 * 40);
    await server.expectHealthy();
  });

  test('in reading for good: its connection ends', async () => {
    await using server = await WireServer.start(64);
    const [client] = await server.handshake({ settings: [[SETTING.INITIAL_WINDOW_SIZE, MAX_WINDOW]] });
    await using _ = client;
    client.send(windowUpdate(0, MAX_WINDOW - 65_535));
    await client.roundTrip();
    client.stopReading();
    for (let i = 0; i < 60; i += 1) {
      client.open(2 * i + 1, ECHO);
      client.send(data(2 * i + 1, grpcMessage(Buffer.alloc(15_000))));
      await nextTurn();
    }
    await server.clock.advanceAsync(FOREVER_MS, STEP_MS);
    await eventually(() => expect(server.connections).toBe(0));
    expect(server.openCalls).toBe(0);
    // What it sent after the server had stopped reading was never looked at.
    expect(server.echo.cancelled).toBeGreaterThan(0);
    expect(server.echo.cancelled).toBe(server.echo.opened - 1);
    await server.expectHealthy();
  });
});

describe('a peer that is silent', () => {
  test.each([
    { name: 'from the first byte', bytes: Buffer.alloc(0) },
    { name: 'within the preface', bytes: PREFACE.subarray(0, 10) },
    { name: 'after the preface', bytes: PREFACE },
  ])('$name is closed', async ({ bytes }) => {
    await using server = await WireServer.start();
    await using client = await server.connect({ handshake: false });
    client.send(bytes);
    await eventually(() => expect(server.connections).toBe(1));
    await nextTurn();
    expect(client.isClosed).toBe(false);
    await server.clock.advanceAsync(FOREVER_MS, STEP_MS);
    await client.closed();
    await server.expectHealthy();
  });

  test('and does not answer PING is closed, its calls are cancelled', async () => {
    await using server = await WireServer.start();
    await using client = await server.connect();
    client.open(1, ECHO);
    await client.roundTrip();
    const isPing = ({ type, flags }: RawFrame) => type === TYPE.PING && flags === 0;
    await advanceUntil(server, () => client.frames.some(isPing));
    expect(client.isClosed).toBe(false);
    await advanceUntil(server, () => client.isClosed);
    await eventually(() => expect(server.openCalls).toBe(0));
    expect(server.echo.cancelled).toBe(1);
    await server.expectHealthy();
  });

  test('and answers PING stays', async () => {
    await using server = await WireServer.start();
    await using client = await server.connect({ answersPings: true });
    client.open(1, ECHO);
    await client.roundTrip();
    for (let ms = 0; ms < FOREVER_MS; ms += STEP_MS) {
      server.clock.advance(STEP_MS);
      for (let turn = 0; turn < 5; turn += 1) await nextTurn();
    }
    expect(
      client.frames.filter(({ type, flags }) => type === TYPE.PING && flags === 0).length,
    ).toBeGreaterThan(1);
    await client.roundTrip();
    client.message(1, Buffer.from('still'));
    await client.next(({ type, payload }) => type === TYPE.DATA && payload.includes('still'));
    await server.expectHealthy();
  });
});

test.each<{ name: string; leave: (client: RawHttp2Client) => Promise<void> | void }>([
  { name: 'is closed', leave: (client) => client[Symbol.asyncDispose]() },
  { name: 'breaks off within a frame', leave: (client) => cutOff(client) },
  { name: 'goes on in frames of no sense', leave: (client) => client.flush(Buffer.alloc(100, 0xff)) },
])('a connection that $name: every call is cancelled once', async ({ leave }) => {
  await using server = await WireServer.start();
  await using client = await server.connect();
  for (let i = 0; i < 100; i += 1) {
    client.open(2 * i + 1, ECHO);
    if (i % 2 === 0) client.message(2 * i + 1, Buffer.from('part of it'));
  }
  client.send(resetStream(1, 8));
  await client.roundTrip();
  expect(server.openCalls).toBe(99);
  await leave(client);
  await eventually(() => expect(server.openCalls).toBe(0));
  expect(server.echo.cancelled).toBe(100);
  await server.expectHealthy();
});

async function cutOff(client: RawHttp2Client): Promise<void> {
  await client.flush(data(3, grpcMessage(Buffer.alloc(1000))).subarray(0, 500));
  client.destroy();
}

/** Moves the server's clock until `isDone`, a second at a time; fails when that takes for ever. */
async function advanceUntil(server: WireServer, isDone: () => boolean): Promise<void> {
  for (let ms = 0; ms < FOREVER_MS && !isDone(); ms += STEP_MS) {
    server.clock.advance(STEP_MS);
    for (let turn = 0; turn < 5; turn += 1) await nextTurn();
  }
  expect(isDone()).toBe(true);
}
