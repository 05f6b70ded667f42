import { once } from 'node:events';
import { connect, constants, type Http2Session } from 'node:http2';
import { expect, test } from 'vitest';
import { PROCESS_PATH } from '../../src/extproc/codec.ts';
import { ExtProcClient } from '../support/extproc-client.ts';
import { startExtProcServer } from '../support/extproc-server.ts';

const MIB = 1 << 20;
const POST = { ':method': 'POST', ':path': '/v1/chat/completions' };
const BUFFERED = { requestBodyMode: 2, responseBodyMode: 2 };

/** Bytes that differ everywhere, so that a lost or swapped chunk shows. */
function pattern(sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  for (let i = 0; i < sizeBytes; i += 4) bytes.writeUInt32LE(i, i);
  return bytes;
}

test('16 MiB each way in chunks', async () => {
  await using server = await startExtProcServer();
  using client = new ExtProcClient(server.address);
  const body = pattern(16 * MIB);
  const exchange = client.open();
  const routed = await exchange.route({ body, chunkBytes: 64 << 10 });
  expect(routed.setHeaders.get('content-length')).toBe(String(body.length));
  expect(routed.body.equals(body)).toBe(true);
  expect(server.stages.bodies[0]?.equals(body)).toBe(true);
  const response = await exchange.respond({ chunks: [body.subarray(0, 9 * MIB), body.subarray(9 * MIB)] });
  expect(response.body.equals(body)).toBe(true);
});

test('a buffered body of 64 MiB comes as one message', async () => {
  await using server = await startExtProcServer();
  using client = new ExtProcClient(server.address);
  const exchange = client.open();
  const body = pattern(64 * MIB);
  exchange.requestHeaders(POST, { config: BUFFERED }).requestBody(body, { endOfStream: true });
  expect((await exchange.next()).requestHeaders).toBeDefined();
  expect((await exchange.next()).requestBody).toBeDefined();
  expect(server.stages.bodies[0]?.equals(body)).toBe(true);
});

test('a body over the limit is refused with 413, in chunks or in one', async () => {
  await using server = await startExtProcServer({ exchange: { maxRequestBodyBytes: 100_000 } });
  using client = new ExtProcClient(server.address);
  const chunked = client.open();
  const { immediate } = await chunked.route({ body: Buffer.alloc(100_001), chunkBytes: 10_000 });
  expect(immediate?.status.code).toBe(413);
  expect((await chunked.ended).code).toBe(0);
  const whole = client.open();
  whole.requestHeaders(POST, { config: BUFFERED }).requestBody(Buffer.alloc(100_001), { endOfStream: true });
  await whole.next();
  expect((await whole.next()).immediateResponse?.status.code).toBe(413);
});

test('a message above the receive limit ends its stream alone', async () => {
  await using server = await startExtProcServer({ maxReceiveBytes: 5 * MIB });
  using client = new ExtProcClient(server.address);
  const exchange = client.open();
  exchange
    .requestHeaders(POST, { config: BUFFERED })
    .requestBody(Buffer.alloc(6 * MIB), { endOfStream: true });
  expect((await exchange.ended).code).toBe(8);
  await server.stages.ended();
  expect(server.stages.causes).toEqual(['client-disconnect']);
  expect((await client.open().route({ body: '{}' })).destination).not.toBe('');
});

test('500 exchanges at once on one connection', async () => {
  await using server = await startExtProcServer();
  using client = new ExtProcClient(server.address);
  const one = async (i: number) => {
    const exchange = client.open();
    const body = `{"model":"m${i}"}`;
    const routed = await exchange.route({ body, chunkBytes: 4 });
    const response = await exchange.respond({ chunks: [`a${i}`, `b${i}`, ''] });
    return routed.body.toString() === body && response.body.toString() === `a${i}b${i}`;
  };
  const results = await Promise.all(Array.from({ length: 500 }, (_, i) => one(i)));
  expect(results.every(Boolean)).toBe(true);
  expect(server.stages.causes).toEqual(Array.from({ length: 500 }, () => 'natural'));
  expect(server.server.openStreams).toBe(0);
});

test('a peer that does not read stops being read', async () => {
  await using server = await startExtProcServer();
  using client = new ExtProcClient(server.address);
  const exchange = client.open();
  await exchange.route({ body: '{}' });
  exchange.responseHeaders({ ':status': '200' });
  await exchange.next();
  exchange.pauseReading();
  const chunk = pattern(60_000);
  const total = 2000;
  for (let i = 0; i < total; i += 1) exchange.responseBody(chunk, { endOfStream: i === total - 1 });
  const stalledAt = await quiet(() => server.stages.chunks.length);
  // Windows and queues hold some MiB; the other hundred wait at the peer.
  expect(stalledAt).toBeLessThan(total / 4);
  exchange.resumeReading();
  let received = 0;
  for (let isOpen = true; isOpen; ) {
    const piece = (await exchange.next()).responseBody?.response?.bodyMutation?.streamedResponse;
    received += piece?.body?.length ?? 0;
    isOpen = piece?.endOfStream !== true;
  }
  expect(received).toBe(chunk.length * total);
});

test('a peer that does not read can leave', async () => {
  await using server = await startExtProcServer();
  using client = new ExtProcClient(server.address);
  const exchange = client.open();
  exchange.pauseReading();
  exchange.requestHeaders(POST);
  const body = pattern(32 * MIB);
  for (let at = 0; at < body.length; at += 1 * MIB) {
    exchange.requestBody(body.subarray(at, at + MIB), { endOfStream: at + MIB >= body.length });
  }
  await server.stages.decided();
  exchange.cancel();
  await server.stages.ended();
  expect(server.stages.causes).toEqual(['client-disconnect']);
  expect(server.server.openStreams).toBe(0);
});

test('windows are wide and streams are many', async () => {
  await using server = await startExtProcServer();
  const session: Http2Session = connect(`http://${server.address}`);
  await once(session, 'remoteSettings');
  expect(session.remoteSettings.initialWindowSize).toBe(MIB);
  expect(session.remoteSettings.maxConcurrentStreams).toBeGreaterThanOrEqual(100_000);
  // 65,535 is what a connection starts with; the rest comes as a window update.
  for (let i = 0; i < 50 && (session.state.remoteWindowSize ?? 0) < 16 * MIB; i += 1) {
    await new Promise((resolve) => {
      session.ping(() => resolve(undefined));
    });
  }
  expect(session.state.remoteWindowSize).toBe(16 * MIB);
  session.close();
});

test('frequent pings are welcome', async () => {
  await using server = await startExtProcServer();
  const session = connect(`http://${server.address}`);
  await once(session, 'remoteSettings');
  for (let i = 0; i < 50; i += 1) {
    await new Promise((resolve) => {
      session.ping(() => resolve(undefined));
    });
  }
  expect(session.closed).toBe(false);
  session.close();
});

test('an unknown method is UNIMPLEMENTED', async () => {
  await using server = await startExtProcServer();
  const session = connect(`http://${server.address}`);
  const stream = session.request({
    [constants.HTTP2_HEADER_METHOD]: 'POST',
    [constants.HTTP2_HEADER_PATH]: `${PROCESS_PATH}Twice`,
    [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
  });
  const [headers] = (await once(stream, 'response')) as [Record<string, string>];
  expect(headers['grpc-status']).toBe('12');
  session.close();
});

/** The value once it has not changed for a tenth of a second. */
async function quiet(read: () => number): Promise<number> {
  let last = -1;
  for (let same = 0; same < 10; ) {
    const value = read();
    same = value === last && value > 0 ? same + 1 : 0;
    last = value;
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
  return last;
}
