import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BODY_SEND_MODE, type ProcessingResponse } from '../../src/extproc/codec.ts';
import { RejectionError } from '../../src/framework/errors.ts';
import { decision } from '../support/exchange-stages.ts';
import { brief } from '../support/exchange-wire.ts';
import { type ExchangeClient, ExtProcClient, metadata } from '../support/extproc-client.ts';
import { startExtProcServer } from '../support/extproc-server.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

const POST = { ':method': 'POST', ':path': '/v1/chat/completions', 'content-type': 'application/json' };
const SSE = { ':status': '200', 'content-type': 'text/event-stream' };

async function next(exchange: ExchangeClient): Promise<string> {
  return brief(await exchange.next());
}

describe('sequences over gRPC', () => {
  test('streaming chat completion, each reply in step', async () => {
    await using server = await startExtProcServer();
    using client = new ExtProcClient(server.address);
    const exchange = client.open();
    exchange
      .requestHeaders(POST)
      .requestBody('{"model":')
      .requestBody('"m"}')
      .requestBody('', { endOfStream: true });
    expect(await next(exchange)).toBe('requestHeaders ->10.0.0.1:8000 content-length=13 +metadata');
    expect(await next(exchange)).toBe('requestBody "{"model":"m"}" eos');
    exchange.responseHeaders(SSE);
    expect(await next(exchange)).toBe('responseHeaders');
    for (const event of ['data: {}\n\n', 'data: [DONE]\n\n']) {
      exchange.responseBody(event);
      expect(await next(exchange)).toBe(`responseBody "${event}"`);
    }
    exchange.responseBody('', { endOfStream: true });
    expect(await next(exchange)).toBe('responseBody "" eos');
    exchange.halfClose();
    expect((await exchange.ended).code).toBe(0);
    expect(server.stages.causes).toEqual(['natural']);
  });

  test('request and response with trailers', async () => {
    await using server = await startExtProcServer();
    using client = new ExtProcClient(server.address);
    const exchange = client.open();
    exchange.requestHeaders(POST).requestBody('frame').requestTrailers({ 'x-t': '1' });
    expect(await next(exchange)).toBe('requestHeaders ->10.0.0.1:8000 +metadata');
    expect(await next(exchange)).toBe('requestBody "frame"');
    expect(await next(exchange)).toBe('requestTrailers');
    exchange.responseHeaders({ ':status': '200' }).responseBody('fra').responseBody('me');
    exchange.responseTrailers({ 'grpc-status': '0' });
    const replies: string[] = [];
    for (let i = 0; i < 4; i += 1) replies.push(await next(exchange));
    expect(replies).toEqual([
      'responseHeaders',
      'responseBody "fra"',
      'responseBody "me"',
      'responseTrailers',
    ]);
    exchange.halfClose();
    expect((await exchange.ended).code).toBe(0);
    expect(server.stages.causes).toEqual(['natural']);
  });

  test('request without body', async () => {
    await using server = await startExtProcServer();
    using client = new ExtProcClient(server.address);
    const exchange = client.open();
    const routed = await exchange.route({
      headers: { ':method': 'GET', ':path': '/v1/models' },
      metadata: metadata('envoy.lb.subset_hint', 'x-gateway-destination-endpoint-subset', ['10.0.0.1']),
    });
    expect(routed.clearsRouteCache).toBe(true);
    expect(routed.setHeaders.has('content-length')).toBe(false);
    expect(routed.metadata).toEqual({ 'x-gateway-destination-endpoint': { stringValue: '10.0.0.1:8000' } });
    expect(server.stages.contexts[0]?.subset).toEqual(['10.0.0.1']);
    expect((await exchange.respond({ chunks: ['{}'] })).body.toString()).toBe('{}');
  });

  test('a refusal ends the stream with OK', async () => {
    await using server = await startExtProcServer();
    server.stages.onDecide = () => {
      throw new RejectionError('unavailable', 'failed to find endpoint candidates for serving the request', {
        reason: 'rejected-no-endpoints',
      });
    };
    using client = new ExtProcClient(server.address);
    const exchange = client.open();
    const { immediate } = await exchange.route({ body: '{}' });
    expect(immediate?.status.code).toBe(503);
    expect(Buffer.from(immediate?.body ?? []).toString()).toContain(
      'inference error: ServiceUnavailable - failed to find endpoint candidates for serving the request',
    );
    expect((await exchange.ended).code).toBe(0);
    expect(exchange.replies).toHaveLength(1);
  });

  test('a decision that waits does not hold up other exchanges', async () => {
    await using server = await startExtProcServer();
    const { promise, resolve } = Promise.withResolvers<ReturnType<typeof decision>>();
    server.stages.onDecide = (_context, request) =>
      request.headers.get('x-wait') === undefined ? decision() : promise;
    using client = new ExtProcClient(server.address);
    const slow = client.open();
    const slowRoute = slow.route({ headers: { ...POST, 'x-wait': '1' }, body: '{}' });
    await server.stages.decided();
    expect((await client.open().route({ body: '{}' })).destination).toBe('10.0.0.1:8000');
    resolve(decision('10.0.0.2:8000'));
    expect((await slowRoute).destination).toBe('10.0.0.2:8000');
  });
});

describe('the client leaves', () => {
  const steps: readonly ((exchange: ExchangeClient) => Promise<void>)[] = [
    async (exchange) => void exchange.requestHeaders(POST),
    async (exchange) => void exchange.requestBody('{}'),
    async (exchange) => {
      exchange.requestBody('', { endOfStream: true });
      await exchange.routed();
    },
    async (exchange) => {
      exchange.responseHeaders(SSE);
      await exchange.next();
    },
    async (exchange) => {
      exchange.responseBody('data: {}\n\n');
      await exchange.next();
    },
  ];

  test.each(
    [1, 2, 3, 4, 5].flatMap((count) => [
      { count, how: 'cancel' as const },
      { count, how: 'halfClose' as const },
    ]),
  )('$how after step $count: one end, as client-disconnect', async ({ count, how }) => {
    await using server = await startExtProcServer();
    const { promise: accepted, resolve } = Promise.withResolvers<void>();
    server.stages.onAccept = () => resolve();
    using client = new ExtProcClient(server.address);
    const exchange = client.open();
    for (const step of steps.slice(0, count)) await step(exchange);
    await accepted;
    exchange[how]();
    await server.stages.ended();
    await exchange.ended;
    expect(server.stages.causes).toEqual(['client-disconnect']);
    expect(server.server.openStreams).toBe(0);
  });

  test('while a decision waits: its signal aborts', async () => {
    await using server = await startExtProcServer();
    const { promise: aborted, resolve } = Promise.withResolvers<void>();
    server.stages.onDecide = (context) =>
      new Promise((_resolve, reject) => {
        context.signal.addEventListener('abort', () => {
          resolve();
          reject(
            new RejectionError('unavailable', 'client disconnected', {
              reason: 'rejected-context-cancelled',
            }),
          );
        });
      });
    using client = new ExtProcClient(server.address);
    const exchange = client.open();
    exchange.requestHeaders(POST).requestBody('{}', { endOfStream: true });
    await server.stages.decided();
    exchange.cancel();
    await aborted;
    await server.stages.ended();
    expect(server.stages.causes).toEqual(['client-disconnect']);
  });

  test('its connection breaks: every exchange on it ends', async () => {
    await using server = await startExtProcServer();
    await using wire = await startTcpProxy(server.server.port);
    using client = new ExtProcClient(wire.address);
    await Promise.all(Array.from({ length: 20 }, () => client.open().route({ body: '{}' })));
    wire.cut();
    await server.stages.ended(20);
    expect(new Set(server.stages.causes)).toEqual(new Set(['client-disconnect']));
    expect(server.server.openStreams).toBe(0);
  });
});

describe('bytes in are bytes out, in order', () => {
  const cuts = fc.array(fc.integer({ min: 0, max: 70_000 }), { minLength: 1, maxLength: 8 });
  const { NONE, STREAMED, BUFFERED, BUFFERED_PARTIAL, FULL_DUPLEX_STREAMED, GRPC } = BODY_SEND_MODE;

  test.each([
    { name: 'full duplex', mode: FULL_DUPLEX_STREAMED },
    { name: 'grpc', mode: GRPC },
    { name: 'streamed', mode: STREAMED },
    { name: 'buffered', mode: BUFFERED },
    { name: 'buffered partial', mode: BUFFERED_PARTIAL },
    { name: 'none', mode: NONE },
  ])('$name, however they are cut', async ({ mode }) => {
    await using server = await startExtProcServer();
    using client = new ExtProcClient(server.address);
    const isDuplex = mode === FULL_DUPLEX_STREAMED || mode === GRPC;
    const isBuffered = mode === BUFFERED || mode === BUFFERED_PARTIAL;
    await fc.assert(
      fc.asyncProperty(cuts, fc.boolean(), fc.boolean(), async (lengths, sendsAhead, endsWithTrailers) => {
        const chunks = (isBuffered ? lengths.slice(0, 1) : lengths).map((length, i) =>
          Buffer.alloc(length, i + 65),
        );
        const whole = Buffer.concat(chunks);
        const exchange = client.open();
        const hasTrailers = endsWithTrailers && mode !== BUFFERED_PARTIAL;
        exchange.requestHeaders(POST, {
          config: {
            requestBodyMode: mode,
            responseBodyMode: mode,
            sendBodyWithoutWaitingForHeaderResponse: sendsAhead,
          },
        });
        if (mode !== NONE) {
          for (const [i, chunk] of chunks.entries()) {
            exchange.requestBody(chunk, { endOfStream: !hasTrailers && i === chunks.length - 1 });
          }
        }
        if (hasTrailers) exchange.requestTrailers();
        const answered = isDuplex ? await collect(exchange, 'requestBody', hasTrailers, whole) : whole;
        if (!isDuplex) {
          // One answer per message: headers, chunks, trailers; bodies stay where they are.
          const count = 1 + (mode === NONE ? 0 : chunks.length) + (hasTrailers ? 1 : 0);
          for (let i = 0; i < count; i += 1) expect(await next(exchange)).not.toContain('"');
        }
        expect(answered.equals(whole)).toBe(true);
        exchange.responseHeaders(SSE);
        expect(await next(exchange)).toBe('responseHeaders');
        if (mode !== NONE) {
          for (const [i, chunk] of chunks.entries()) {
            exchange.responseBody(chunk, { endOfStream: !hasTrailers && i === chunks.length - 1 });
          }
          if (hasTrailers) exchange.responseTrailers();
          if (isDuplex) {
            const forwarded = await collect(exchange, 'responseBody', hasTrailers, whole);
            expect(forwarded.equals(whole)).toBe(true);
          } else {
            for (const _ of chunks) expect(await next(exchange)).toBe('responseBody');
            if (hasTrailers) expect(await next(exchange)).toBe('responseTrailers');
          }
        }
        exchange.halfClose();
        expect((await exchange.ended).code).toBe(0);
        expect(server.stages.causes.splice(0)).toEqual(['natural']);
      }),
      { numRuns: 25 },
    );
  });

  /** Reads streamed pieces up to the end of the stream or the trailers; headers are skipped. */
  async function collect(
    exchange: ExchangeClient,
    part: 'requestBody' | 'responseBody',
    hasTrailers: boolean,
    want: Buffer,
  ): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for (;;) {
      const reply: ProcessingResponse = await exchange.next();
      if (reply.requestTrailers !== undefined || reply.responseTrailers !== undefined) {
        expect(hasTrailers).toBe(true);
        return Buffer.concat(parts);
      }
      const piece = reply[part]?.response?.bodyMutation?.streamedResponse;
      if (piece === undefined) continue;
      parts.push(piece.body ?? Buffer.alloc(0));
      expect(piece.body?.length ?? 0).toBeLessThanOrEqual(62_000);
      if (piece.endOfStream === true) {
        expect(hasTrailers).toBe(false);
        return Buffer.concat(parts);
      }
      expect(parts.reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(want.length);
    }
  }
});
