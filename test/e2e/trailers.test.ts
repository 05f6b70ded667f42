import { once } from 'node:events';
import {
  connect,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasEnvoy } from '../support/envoy.ts';
import { expectNothingHeld, type Stack, startStack } from '../support/stack.ts';

interface Received {
  body: string;
  trailers: IncomingHttpHeaders;
}

/** An HTTP/2 server that returns each body in two pieces, and trailers after it. */
async function startHttp2Server(received: Received[]): Promise<AsyncDisposable & { address: string }> {
  const server = createServer();
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => {});
  });
  server.on('stream', (stream: ServerHttp2Stream) => {
    const one: Received = { body: '', trailers: {} };
    stream.on('error', () => {});
    stream.setEncoding('utf8').on('data', (text: string) => {
      one.body += text;
    });
    stream.on('trailers', (trailers) => {
      one.trailers = trailers;
    });
    stream.on('end', () => {
      received.push(one);
      stream.respond({ ':status': 200, 'content-type': 'application/json' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-checksum': 'of the response' }));
      stream.write('{"model":"sim-model",');
      stream.end('"choices":[]}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`, // it listens on TCP
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const session of sessions) session.destroy();
      await closed;
    },
  };
}

/** One HTTP/2 request; `trailers` are sent after the body when there are any. */
async function exchange(url: string, pieces: readonly string[], trailers: Record<string, string> = {}) {
  const session = connect(url);
  try {
    const stream = session.request(
      { ':method': 'POST', ':path': '/v1/chat/completions', 'content-type': 'application/json' },
      {
        endStream: pieces.length === 0 && Object.keys(trailers).length === 0,
        waitForTrailers: true,
      } as object,
    );
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    for (const piece of pieces) stream.write(piece);
    stream.end();
    let status = 0;
    let body = '';
    let answerTrailers: IncomingHttpHeaders = {};
    stream.on('response', (headers) => {
      status = headers[':status'] ?? 0;
    });
    stream.on('trailers', (found: IncomingHttpHeaders) => {
      answerTrailers = found;
    });
    stream.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    await once(stream, 'end');
    return { status, body, trailers: answerTrailers };
  } finally {
    session.destroy();
  }
}

describe.skipIf(!hasEnvoy())('trailers through Envoy', () => {
  const all = new AsyncDisposableStack();
  const received: Received[] = [];
  let stack: Stack;

  beforeAll(async () => {
    const server = all.use(await startHttp2Server(received));
    stack = all.use(await startStack({ endpoints: [server.address], envoy: { hasHttp2Upstream: true } }));
  });
  afterAll(() => all.disposeAsync());

  const request = JSON.stringify({ model: 'sim-model', messages: [{ role: 'user', content: 'hi' }] });

  test.each([
    { name: 'one piece', pieces: [request] },
    { name: 'two pieces', pieces: [request.slice(0, 20), request.slice(20)] },
  ])('of requests and responses arrive, body in $name', async ({ pieces }) => {
    received.length = 0;
    const answer = await exchange(stack.url, pieces, { 'x-checksum': 'of the request' });
    expect(answer).toMatchObject({
      status: 200,
      body: '{"model":"sim-model","choices":[]}',
      trailers: { 'x-checksum': 'of the response' },
    });
    expect(received).toMatchObject([{ body: request, trailers: { 'x-checksum': 'of the request' } }]);
    await expectNothingHeld(stack.picker);
  });
});
