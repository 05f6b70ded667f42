import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { GrpcView } from '../support/grpc-view.ts';
import {
  CODE,
  data,
  FLAGS,
  grpcMessage,
  headers,
  literalBlock,
  PREFACE,
  ping,
  rawFrame,
  SETTING,
  settings,
  TYPE,
  windowUpdate,
} from '../support/http2-frames.ts';
import { grpcRequest } from '../support/raw-http2.ts';
import { DEAF, ECHO, MAX_RECEIVE_BYTES, WireServer } from '../support/wire-server.ts';

const MAX_WINDOW = 0x7fff_ffff;

const hello = grpcMessage(Buffer.from('hello'));

test.each<{ name: string; frame: (streamId: number) => Buffer; code: number }>([
  { name: 'overflow', frame: (id) => windowUpdate(id, MAX_WINDOW), code: CODE.FLOW_CONTROL_ERROR },
  { name: 'increment of 0', frame: (id) => windowUpdate(id, 0), code: CODE.PROTOCOL_ERROR },
])('window of a stream: $name ends that stream alone', async ({ frame, code }) => {
  await using server = await WireServer.start();
  await using client = await server.connect();
  client.open(1, ECHO);
  client.open(3, ECHO);
  client.send(frame(1));
  expect(await client.reset(1)).toBe(code);
  client.send(data(3, hello));
  await client.next(({ type, streamId }) => type === TYPE.DATA && streamId === 3);
  expect(server.echo.cancelled).toBe(1);
  await server.expectHealthy();
});

test.each<{ name: string; frame: Buffer; code: number }>([
  { name: 'overflow', frame: windowUpdate(0, MAX_WINDOW), code: CODE.FLOW_CONTROL_ERROR },
  { name: 'increment of 0', frame: windowUpdate(0, 0), code: CODE.PROTOCOL_ERROR },
  {
    name: 'overflow of streams by SETTINGS',
    frame: Buffer.concat([windowUpdate(1, 1), settings([[SETTING.INITIAL_WINDOW_SIZE, MAX_WINDOW]])]),
    code: CODE.FLOW_CONTROL_ERROR,
  },
  {
    name: 'SETTINGS beyond 31 bits',
    frame: settings([[SETTING.INITIAL_WINDOW_SIZE, MAX_WINDOW + 1]]),
    code: CODE.FLOW_CONTROL_ERROR,
  },
])('window of a connection: $name ends it', async ({ frame, code }) => {
  await using server = await WireServer.start();
  await using client = await server.connect();
  client.open(1, ECHO);
  client.send(frame);
  expect((await client.goneAway()).code).toBe(code);
  await client.closed();
  await eventually(() => expect(server.echo.cancelled).toBe(1));
  await server.expectHealthy();
});

test('a peer that exceeds the window of a stream loses that stream', async () => {
  await using server = await WireServer.start();
  const [client, { streamWindowBytes, frameBytes }] = await server.handshake();
  await using _ = client;
  client.open(1, DEAF);
  client.open(3, ECHO);
  const content = Buffer.alloc(frameBytes);
  for (let sent = 0; sent <= streamWindowBytes; sent += frameBytes) await client.flush(data(1, content));
  expect(await client.reset(1)).toBe(CODE.FLOW_CONTROL_ERROR);
  client.send(data(3, hello));
  await client.next(({ type, streamId }) => type === TYPE.DATA && streamId === 3);
  await server.expectHealthy();
});

test('a peer that exceeds the window of the connection loses it; what was held is let go', async () => {
  await using server = await WireServer.start();
  const [client, { streamWindowBytes, connectionWindowBytes, frameBytes }] = await server.handshake();
  await using _ = client;
  const content = Buffer.alloc(frameBytes);
  const limit = 4 * connectionWindowBytes;
  let sent = 0;
  for (let id = 1; sent < limit && !client.hasGoneAway; id += 2) {
    client.open(id, DEAF);
    for (let of = 0; of + frameBytes <= streamWindowBytes; of += frameBytes, sent += frameBytes) {
      await client.flush(data(id, content));
    }
  }
  // It may take some more than it announced at first, never all that comes.
  expect(sent).toBeLessThan(limit);
  expect((await client.goneAway()).code).toBe(CODE.FLOW_CONTROL_ERROR);
  await client.closed();
  await server.expectHealthy();
});

test('content of one byte a frame for a handler that does not read costs no more than it holds', async () => {
  await using server = await WireServer.start();
  const [client] = await server.handshake();
  await using _ = client;
  client.open(1, DEAF);
  const frames = Buffer.concat(Array.from({ length: 2000 }, () => data(1, Buffer.of(0))));
  const startMs = performance.now();
  for (let i = 0; i < 200; i += 1) await client.flush(frames);
  await client.roundTrip();
  expect(performance.now() - startMs).toBeLessThan(4000);
  await server.expectHealthy();
});

test('a message that is claimed and not sent costs next to nothing', async () => {
  await using server = await WireServer.start();
  const [client] = await server.handshake();
  await using _ = client;
  const before = process.memoryUsage().arrayBuffers;
  const claim = grpcMessage(Buffer.alloc(MAX_RECEIVE_BYTES)).subarray(0, 6);
  for (let i = 0; i < 5000; i += 1)
    client.send(headers(2 * i + 1, grpcRequest(ECHO)), data(2 * i + 1, claim));
  await client.roundTrip();
  expect(server.openCalls).toBe(5000);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100 << 20);
  await server.expectHealthy();
});

test.each<{ name: string; frame: (bytes: number) => Buffer }>([
  { name: 'DATA', frame: (bytes) => data(1, Buffer.alloc(bytes)) },
  { name: 'HEADERS', frame: (bytes) => headers(3, Buffer.alloc(bytes)) },
  { name: 'SETTINGS', frame: (bytes) => rawFrame({ type: TYPE.SETTINGS }, Buffer.alloc(bytes + 6)) },
  { name: 'an unknown frame', frame: (bytes) => rawFrame({ type: 0xee }, Buffer.alloc(bytes)) },
  { name: 'a header alone', frame: () => rawFrame({ type: TYPE.DATA, streamId: 1, length: 0xff_ffff }) },
])('larger than SETTINGS_MAX_FRAME_SIZE: $name', async ({ frame }) => {
  await using server = await WireServer.start();
  const [client, { frameBytes }] = await server.handshake();
  await using _ = client;
  client.open(1, ECHO);
  client.send(frame(frameBytes + 1));
  expect((await client.goneAway()).code).toBe(CODE.FRAME_SIZE_ERROR);
  await client.closed();
  await eventually(() => expect(server.echo.cancelled).toBe(1));
  await server.expectHealthy();
});

test('streams beyond SETTINGS_MAX_CONCURRENT_STREAMS are refused, the others go on', async () => {
  await using server = await WireServer.start();
  const [client, { concurrentStreams }] = await server.handshake();
  await using _ = client;
  expect(concurrentStreams).toBeLessThanOrEqual(1_000_000);
  const request = grpcRequest(ECHO);
  const beyond = 10;
  const opened: Buffer[] = [];
  for (let i = 0; i < concurrentStreams + beyond; i += 1) {
    opened.push(headers(2 * i + 1, request));
    if (opened.length === 1000) await client.flush(...opened.splice(0));
  }
  await client.flush(...opened);
  for (let i = 0; i < beyond; i += 1) {
    expect(await client.reset(2 * (concurrentStreams + i) + 1)).toBe(CODE.REFUSED_STREAM);
  }
  expect(server.openCalls).toBe(concurrentStreams);
  // Content of a refused stream may be under way (RFC 9113 §5.1).
  const last = 2 * (concurrentStreams + beyond) - 1;
  client.send(data(last, hello));
  client.send(data(1, hello, { endStream: true }));
  await client.next(({ type, flags, streamId }) => {
    return streamId === 1 && type === TYPE.HEADERS && (flags & FLAGS.END_STREAM) !== 0;
  });
  expect(client.hasGoneAway).toBe(false);
  const next = last + 2;
  client.open(next, ECHO);
  client.message(next, Buffer.from('one is free again'));
  await client.next(({ type, streamId }) => type === TYPE.DATA && streamId === next);
  await client[Symbol.asyncDispose]();
  await eventually(() => expect(server.openCalls).toBe(0));
  await server.expectHealthy();
});

test('frames that were under way to a stream when it was refused are no error (RFC 9113 §5.1)', async () => {
  await using server = await WireServer.start();
  const [client, { concurrentStreams }] = await server.handshake();
  await using _ = client;
  const requests = Array.from({ length: 1000 }, (_, i) => i);
  for (let opened = 0; opened < concurrentStreams; opened += requests.length) {
    await client.flush(...requests.map((i) => headers(2 * (opened + i) + 1, grpcRequest(ECHO))));
  }
  const last = 2 * Math.ceil(concurrentStreams / requests.length) * requests.length + 1;
  const trailers = headers(last, literalBlock([['x-end', '1']]), { endStream: true });
  client.send(headers(last, grpcRequest(ECHO)), data(last, hello), windowUpdate(last, 1), trailers);
  expect(await client.reset(last)).toBe(CODE.REFUSED_STREAM);
  await client.roundTrip();
  expect(client.hasGoneAway).toBe(false);
  await server.expectHealthy();
});

test('a message above the limit ends its stream with RESOURCE_EXHAUSTED, the others go on', async () => {
  await using server = await WireServer.start();
  const view = new GrpcView();
  const [client] = await server.handshake({ onFrame: (frame) => view.take(frame) });
  await using _ = client;
  client.open(1, ECHO);
  client.open(3, ECHO);
  client.send(data(1, hello));
  client.send(data(1, grpcMessage(Buffer.alloc(MAX_RECEIVE_BYTES + 1)).subarray(0, 1000)));
  await eventually(() => expect(view.stream(1).grpcStatus).toBe('8'));
  expect(view.stream(1)).toMatchObject({ hasEnded: true, resetCode: undefined });
  client.message(3, Buffer.from('and on'));
  await eventually(() => expect(view.stream(3).messages).toEqual([Buffer.from('and on').toString('hex')]));
  // What was under way for the first is not an error.
  client.send(data(1, Buffer.alloc(1000), { endStream: true }));
  await client.roundTrip();
  expect(server.openCalls).toBe(1);
  expect(server.echo.cancelled).toBe(1);
  await server.expectHealthy();
});

test.each<{ name: string; bytes: Buffer; code: number }>([
  { name: 'HTTP/1.1', bytes: Buffer.from('GET / HTTP/1.1\r\n\r\n'), code: CODE.PROTOCOL_ERROR },
  { name: 'a frame before SETTINGS', bytes: Buffer.concat([PREFACE, ping()]), code: CODE.PROTOCOL_ERROR },
])('no HTTP/2: $name', async ({ bytes, code }) => {
  await using server = await WireServer.start();
  await using client = await server.connect({ handshake: false });
  client.send(bytes);
  expect((await client.goneAway()).code).toBe(code);
  await client.closed();
  await server.expectHealthy();
});
