import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { startGateway } from '../../src/gateway/gateway.ts';
import { startSimulator } from '../../src/sim/simulator.ts';
import { eventually } from '../support/eventually.ts';
import { bodyOf, CHAT, header, LISTEN, refusedAddress, startUpstream } from '../support/gateway.ts';
import { routed, routeTo, startProcessor } from '../support/processor.ts';

test('a streamed chat goes to the chosen server and back through the picker, message by message', async () => {
  // tokens far enough apart that a busy machine does not read several at once
  await using sim = await startSimulator({ port: 0, decodeStepMs: 60 });
  const destination = sim.addresses[0] ?? '';
  await using processor = await startProcessor(routeTo(() => destination));
  await using gateway = await startGateway({ ...LISTEN, epp: processor.address });

  const response = await fetch(`http://${gateway.address}/v1/chat/completions?x=1`, {
    method: 'POST',
    body: JSON.stringify(CHAT),
    headers: { 'content-type': 'application/json', 'x-gateway-destination-endpoint': '6.6.6.6:1' },
  });
  const text = await response.text();

  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  const [stream] = processor.streams;
  const messages = stream?.messages ?? [];
  const first = messages[0];
  expect(header(first?.requestHeaders?.headers, ':path')).toBe('/v1/chat/completions?x=1');
  expect(header(first?.requestHeaders?.headers, ':method')).toBe('POST');
  expect(header(first?.requestHeaders?.headers, ':authority')).toBe(gateway.address);
  expect(header(first?.requestHeaders?.headers, 'x-gateway-destination-endpoint')).toBeUndefined();
  expect(header(first?.requestHeaders?.headers, 'x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  expect(first?.protocolConfig).toMatchObject({ requestBodyMode: 4, responseBodyMode: 4 });
  expect(bodyOf(messages, 'requestBody')).toBe(JSON.stringify(CHAT));
  expect(bodyOf(messages, 'responseBody')).toBe(text);
  const headersAt = messages.findIndex((message) => message.responseHeaders !== undefined);
  expect(header(messages[headersAt]?.responseHeaders?.headers, ':status')).toBe('200');
  const lb = messages[headersAt]?.metadataContext?.filterMetadata?.['envoy.lb']?.fields;
  expect(lb?.['x-gateway-destination-endpoint-served']?.stringValue).toBe(destination);
  expect(lb?.['x-gateway-destination-endpoint']?.stringValue).toBe(destination);
  expect(messages.filter((message) => message.responseBody !== undefined).length).toBeGreaterThan(4);
  expect(messages.at(-1)?.responseBody?.endOfStream).toBe(true);
  await eventually(() => expect(stream?.outcome).toBe('half-closed'));
});

test('body chunks reach the picker before it has answered the headers, and its own chunks go upstream', async () => {
  const received: string[] = [];
  await using upstream = await startUpstream((request, response) => {
    request.setEncoding('utf8').on('data', (chunk: string) => received.push(chunk));
    request.on('end', () => response.end(request.headers['transfer-encoding']));
  });
  await using processor = await startProcessor((message, stream, history) => {
    if (message.requestBody?.endOfStream === true) {
      stream.send(routed(upstream.address));
      const whole = bodyOf(history, 'requestBody').toUpperCase();
      stream.send({
        requestBody: {
          response: { bodyMutation: { streamedResponse: { body: Buffer.from(whole.slice(0, 3)) } } },
        },
      });
      stream.send({
        requestBody: {
          response: {
            bodyMutation: { streamedResponse: { body: Buffer.from(whole.slice(3)), endOfStream: true } },
          },
        },
      });
    } else if (message.responseHeaders !== undefined || message.responseBody !== undefined) {
      routeTo(() => '')(message, stream, history);
    }
  });
  await using gateway = await startGateway({ ...LISTEN, epp: processor.address });

  const request = httpRequest(`http://${gateway.address}/x`, { method: 'POST' });
  request.write('abc');
  await eventually(() => expect(processor.streams[0]?.messages).toHaveLength(2));
  request.end('def');
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const answer = (await response.setEncoding('utf8').toArray()).join('');

  expect(received.join('')).toBe('ABCDEF');
  expect(answer).toBe('chunked');
});

test.each([0, 1, 70_000, 3_000_000])('a body of %i bytes comes back unchanged', async (size) => {
  await using upstream = await startUpstream((request, response) => void request.pipe(response));
  await using processor = await startProcessor(routeTo(() => upstream.address));
  await using gateway = await startGateway({ ...LISTEN, epp: processor.address });
  const body = Buffer.alloc(size, 'abcdefghijk');
  const response = await fetch(`http://${gateway.address}/echo`, { method: 'POST', body });
  expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
});

test('header mutations of both directions are applied by their action', async () => {
  let seen: IncomingMessage['headers'] = {};
  await using upstream = await startUpstream((request, response) => {
    seen = request.headers;
    response.writeHead(200, { 'x-drop': '1', 'x-keep': '1' }).end('ok');
  });
  const set = (key: string, value: string, appendAction: number) => ({
    header: { key, rawValue: Buffer.from(value) },
    appendAction,
  });
  await using processor = await startProcessor((message, stream, history) => {
    const reply = routed(upstream.address).requestHeaders?.response;
    const setHeaders = [
      ...(reply?.headerMutation?.setHeaders ?? []),
      set('x-a', 'replaced', 0),
      set('x-b', 'ignored', 1),
      set('x-new', 'added', 1),
      set('x-absent', 'ignored', 3),
      set('x-envoy-y', 'ignored', 2),
      set(':path', '/other', 2),
    ];
    if (message.requestHeaders !== undefined) {
      stream.send({
        requestHeaders: { response: { headerMutation: { setHeaders, removeHeaders: ['x-gone', 'host'] } } },
      });
    } else if (message.responseHeaders !== undefined) {
      stream.send({
        responseHeaders: {
          response: { headerMutation: { setHeaders: [set('x-more', '2', 2)], removeHeaders: ['x-drop'] } },
        },
      });
    } else routeTo(() => '')(message, stream, history);
  });
  await using gateway = await startGateway({ ...LISTEN, epp: processor.address });

  const response = await fetch(`http://${gateway.address}/x`, {
    headers: { 'x-a': 'first', 'x-b': 'kept', 'x-gone': '1' },
  });
  expect(await response.text()).toBe('ok');
  expect(seen).toMatchObject({ 'x-a': 'replaced', 'x-b': 'kept', 'x-new': 'added', host: gateway.address });
  expect(Object.keys(seen)).not.toContain('x-absent');
  expect(Object.keys(seen)).not.toContain('x-gone');
  expect(Object.keys(seen)).not.toContain('x-envoy-y');
  expect(response.headers.get('x-more')).toBe('2');
  expect(response.headers.has('x-drop')).toBe(false);
  expect(response.headers.get('x-keep')).toBe('1');
});

test('an immediate response is the answer, with its headers', async () => {
  await using processor = await startProcessor((message, stream) => {
    if (message.requestBody?.endOfStream !== true) return;
    const setHeaders = [{ header: { key: 'retry-after', rawValue: Buffer.from('1') }, appendAction: 2 }];
    stream.send({
      immediateResponse: { status: { code: 429 }, headers: { setHeaders }, body: Buffer.from('busy') },
    });
    stream.end();
  });
  await using gateway = await startGateway({ ...LISTEN, epp: processor.address });
  const response = await fetch(`http://${gateway.address}/x`, { method: 'POST', body: 'x' });
  expect([response.status, await response.text()]).toEqual([429, 'busy']);
  expect(response.headers.get('content-type')).toBe('text/plain');
  expect(response.headers.get('retry-after')).toBe('1');
});

test('a list of destinations is walked when the first refuses', async () => {
  const refused = await refusedAddress();
  await using upstream = await startUpstream((request, response) => void request.pipe(response));
  await using processor = await startProcessor(routeTo(() => `${refused},${upstream.address}`));
  await using gateway = await startGateway({ ...LISTEN, epp: processor.address });
  const response = await fetch(`http://${gateway.address}/x`, { method: 'POST', body: 'whole' });
  expect([response.status, await response.text()]).toEqual([200, 'whole']);
});

test('trailers travel in both directions', async () => {
  await using upstream = await startUpstream((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(200, { trailer: 'x-end' });
      response.write('ok');
      response.addTrailers({ 'x-end': request.trailers['x-sum'] ?? 'none' });
      response.end();
    });
  });
  await using processor = await startProcessor(routeTo(() => upstream.address));
  await using gateway = await startGateway({ ...LISTEN, epp: processor.address });
  const request = httpRequest(`http://${gateway.address}/x`, {
    method: 'POST',
    headers: { trailer: 'x-sum' },
  });
  request.write('data');
  request.addTrailers({ 'x-sum': '42' });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  await response.toArray();
  expect(response.trailers).toEqual({ 'x-end': '42' });
  const kinds = (processor.streams[0]?.messages ?? []).map((message) => Object.keys(message)[0]);
  expect(kinds).toContain('requestTrailers');
  expect(kinds).toContain('responseTrailers');
});

test('the subset hint is sent as metadata', async () => {
  await using sim = await startSimulator({ port: 0 });
  await using processor = await startProcessor(routeTo(() => sim.addresses[0] ?? ''));
  await using gateway = await startGateway({ ...LISTEN, epp: processor.address, subset: ['10.0.0.1:8000'] });
  expect((await fetch(`http://${gateway.address}/health`)).status).toBe(200);
  const metadata = processor.streams[0]?.messages[0]?.metadataContext?.filterMetadata;
  expect(metadata?.['envoy.lb.subset_hint']?.fields?.['x-gateway-destination-endpoint-subset']).toEqual({
    listValue: { values: [{ stringValue: '10.0.0.1:8000' }] },
  });
});

test('without a picker the endpoints take turns', async () => {
  await using sim = await startSimulator({ port: 0, count: 3, timeScale: 0 });
  await using gateway = await startGateway({ ...LISTEN, endpoints: sim.addresses });
  for (let i = 0; i < 6; i += 1) {
    const response = await fetch(`http://${gateway.address}/v1/completions`, {
      method: 'POST',
      body: JSON.stringify({ prompt: 'x', max_tokens: 1 }),
    });
    expect(response.status).toBe(200);
    await response.text();
  }
  expect(sim.servers.map((server) => server.engine.stats.finishedLength)).toEqual([2, 2, 2]);
});
