import { expect, test } from 'vitest';
import { startGateway } from '../../src/gateway/gateway.ts';
import { startSimulator } from '../../src/sim/simulator.ts';
import { eventually } from '../support/eventually.ts';
import { bodyOf, CHAT, header, LISTEN, refusedAddress } from '../support/gateway.ts';
import { routeTo, startProcessor } from '../support/processor.ts';

test('a server that refuses gives 503, and the picker sees that answer', async () => {
  const refused = await refusedAddress();
  await using processor = await startProcessor(routeTo(() => refused));
  await using gateway = await startGateway({ ...LISTEN, epp: processor.address });
  const response = await fetch(`http://${gateway.address}/x`, { method: 'POST', body: '{}' });
  const text = await response.text();
  expect(response.status).toBe(503);
  expect(text).toMatch(/^upstream connect error or disconnect\/reset before headers\. reset reason: /);
  const messages = processor.streams[0]?.messages ?? [];
  const headers = messages.find((message) => message.responseHeaders !== undefined)?.responseHeaders?.headers;
  expect(header(headers, ':status')).toBe('503');
  expect(bodyOf(messages, 'responseBody')).toBe(text);
});

test('no destination and no endpoints: 503, no healthy upstream', async () => {
  await using processor = await startProcessor((message, stream, history) => {
    if (message.requestHeaders !== undefined) stream.send({ requestHeaders: {} });
    else routeTo(() => '')(message, stream, history);
  });
  await using gateway = await startGateway({ ...LISTEN, epp: processor.address });
  const response = await fetch(`http://${gateway.address}/x`);
  expect([response.status, await response.text()]).toEqual([503, 'no healthy upstream']);
});

test('a picker that is not there: 500, or the endpoints in turn when that is allowed and no body was sent', async () => {
  await using sim = await startSimulator({ port: 0 });
  const epp = await refusedAddress();
  await using strict = await startGateway({ ...LISTEN, epp, endpoints: sim.addresses });
  await using lenient = await startGateway({
    ...LISTEN,
    epp,
    endpoints: sim.addresses,
    failureModeAllow: true,
  });
  expect((await fetch(`http://${strict.address}/v1/models`)).status).toBe(500);
  expect((await fetch(`http://${lenient.address}/v1/models`)).status).toBe(200);
  expect((await fetch(`http://${lenient.address}/v1/models`, { method: 'POST', body: 'x' })).status).toBe(
    500,
  );
});

test.each([
  ['a body mutation that is not streamed', { requestHeaders: undefined, requestBody: { response: {} } }],
  ['a header with value and raw_value', undefined],
])('%s is answered with 500', async (_name, reply) => {
  await using processor = await startProcessor((message, stream) => {
    if (message.requestHeaders !== undefined) {
      const broken = { header: { key: 'x', value: '1', rawValue: Buffer.from('2') }, appendAction: 2 };
      if (reply === undefined)
        stream.send({ requestHeaders: { response: { headerMutation: { setHeaders: [broken] } } } });
      else stream.send({ requestBody: { response: {} } });
    }
  });
  await using gateway = await startGateway({ ...LISTEN, epp: processor.address });
  const response = await fetch(`http://${gateway.address}/x`, { method: 'POST', body: 'x' });
  expect([response.status, await response.text()]).toEqual([500, '']);
});

test('a picker that fails in the middle of a response cuts it', async () => {
  await using sim = await startSimulator({ port: 0, timeScale: 1 });
  await using processor = await startProcessor((message, stream, history) => {
    if (message.responseBody !== undefined) stream.fail();
    else routeTo(() => sim.addresses[0] ?? '')(message, stream, history);
  });
  await using gateway = await startGateway({ ...LISTEN, epp: processor.address });
  const response = await fetch(`http://${gateway.address}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify(CHAT),
  });
  expect(response.status).toBe(200);
  await expect(response.text()).rejects.toThrow();
});

test('a client that leaves cancels the stream and the request to the server', async () => {
  await using sim = await startSimulator({ port: 0, timeScale: 1 });
  await using processor = await startProcessor(routeTo(() => sim.addresses[0] ?? ''));
  await using gateway = await startGateway({ ...LISTEN, epp: processor.address });
  const abort = new AbortController();
  const response = await fetch(`http://${gateway.address}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ ...CHAT, max_tokens: 1000 }),
    signal: abort.signal,
  });
  await response.body?.getReader().read();
  abort.abort();
  await eventually(() => {
    expect(processor.streams[0]?.outcome).toBe('cancelled');
    expect(sim.servers[0]?.engine.running).toBe(0);
  });
});

test('a server that dies in the middle of a response cuts it', async () => {
  await using sim = await startSimulator({ port: 0, timeScale: 0.1 });
  sim.servers[0]?.setFault({ fault: { mode: 'die', afterTokens: 2 } });
  await using processor = await startProcessor(routeTo(() => sim.addresses[0] ?? ''));
  await using gateway = await startGateway({ ...LISTEN, epp: processor.address });
  const response = await fetch(`http://${gateway.address}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify(CHAT),
  });
  await expect(response.text()).rejects.toThrow();
  await eventually(() => expect(processor.streams[0]?.outcome).toBe('cancelled'));
});
