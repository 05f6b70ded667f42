import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../../src/sim/simulator.ts';
import { hasEnvoy } from '../support/envoy.ts';
import { eventually } from '../support/eventually.ts';
import { chatBody, HttpExchange, send } from '../support/http-client.ts';
import { expectNothingHeld, type Stack, startStack } from '../support/stack.ts';
import { startUpstream, type UpstreamRequest } from '../support/upstream.ts';

describe.skipIf(!hasEnvoy())('many exchanges at once', () => {
  const all = new AsyncDisposableStack();
  let simulator: Simulator;
  let stack: Stack;

  beforeAll(async () => {
    simulator = all.use(await startSimulator({ port: 0, count: 4, decodeStepMs: 20 }));
    stack = all.use(await startStack({ endpoints: simulator.addresses }));
  });
  afterAll(() => all.disposeAsync());

  /** Sequences the model servers have not finished. */
  const generating = () =>
    simulator.servers.reduce((sum, { engine }) => sum + engine.running + engine.waiting, 0);

  test('200 streams at once complete, and nothing is held after them', async () => {
    const responses: ServerResponse[] = [];
    const open = (_request: UpstreamRequest, response: ServerResponse) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: {"choices":[]}\n\n');
      responses.push(response);
    };
    await using first = await startUpstream(open);
    await using second = await startUpstream(open);
    await using held = await startStack({ endpoints: [first.address, second.address] });
    const exchanges = Array.from(
      { length: 200 },
      (_, i) => new HttpExchange(held.url, { body: chatBody(`question ${i}`, 60, { stream: true }) }),
    );
    await expect
      .poll(() => held.picker.held(), { timeout: 15_000, interval: 20 })
      .toEqual({ openStreams: 200, inFlight: 200, running: 200 });
    await eventually(() => {
      expect(exchanges.filter(({ chunks }) => chunks.length > 0)).toHaveLength(200);
    }, 10_000);
    const inFlight = (await held.picker.endpoints()).map(({ inFlightRequests }) => inFlightRequests);
    expect(inFlight).toEqual([first.requests.length, second.requests.length]);
    for (const response of responses) response.end('data: [DONE]\n\n');
    for (const { ended } of exchanges) {
      const { status, isCut, body } = await ended;
      expect({ status, isCut }).toEqual({ status: 200, isCut: false });
      expect(body.toString()).toBe('data: {"choices":[]}\n\ndata: [DONE]\n\n');
    }
    await expectNothingHeld(held.picker);
  });

  test('an Envoy that resets every exchange, as older ones do, is served like any other', async () => {
    await using upstream = await startUpstream();
    await using resetting = await startStack({
      endpoints: [upstream.address],
      envoy: { resetsStreams: true },
    });
    let left = 2500; // node:http2 gives a connection up after 1,000 unless told otherwise
    const client = async () => {
      for (; left > 0; left -= 1) {
        const { status, isCut } = await send(resetting.url, { body: chatBody('x', 1) });
        expect({ status, isCut }).toEqual({ status: 200, isCut: false });
      }
    };
    await Promise.all(Array.from({ length: 8 }, client));
    await expectNothingHeld(resetting.picker);
    const { picker } = resetting;
    expect(await picker.metric('llm_d_epp_extproc_streams_total{code="Canceled"}')).toBeGreaterThan(2000);
    expect(await picker.total('llm_d_epp_request_error_total')).toBe(0);
  });

  test('clients that leave in the middle of a stream take everything with them', async () => {
    const exchanges = Array.from(
      { length: 20 },
      (_, i) => new HttpExchange(stack.url, { body: chatBody(`long ${i}`, 5000, { stream: true }) }),
    );
    await eventually(() => {
      for (const { chunks } of exchanges) expect(chunks.length).toBeGreaterThan(1);
    }, 10_000);
    for (const exchange of exchanges) exchange.leave();
    await expectNothingHeld(stack.picker);
    await eventually(() => expect(generating()).toBe(0));
  });

  test('clients that leave before the answer begins do too', async () => {
    for (const server of simulator.servers) server.setFault({ fault: { mode: 'hang' }, count: 10 });
    const exchanges = Array.from(
      { length: 10 },
      (_, i) => new HttpExchange(stack.url, { body: chatBody(`waits ${i}`, 5) }),
    );
    await expect.poll(async () => (await stack.picker.held()).inFlight, { timeout: 5000 }).toBe(10);
    for (const exchange of exchanges) exchange.leave();
    await expectNothingHeld(stack.picker);
    for (const server of simulator.servers) server.setFault({ fault: { mode: 'none' } });
  });

  test('clients that leave within their request do too', async () => {
    const { hostname, port } = new URL(stack.url);
    const sockets = Array.from({ length: 10 }, () => connect(Number(port), hostname));
    for (const socket of sockets) {
      await once(socket, 'connect');
      socket.write(
        'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n' +
          'content-length: 1000\r\n\r\n{"model":"sim-model","messages":[',
      );
    }
    await expect.poll(async () => (await stack.picker.held()).openStreams, { timeout: 5000 }).toBe(10);
    for (const socket of sockets) socket.destroy();
    await expectNothingHeld(stack.picker);
    expect((await send(stack.url, { body: chatBody('still works', 1) })).status).toBe(200);
  });
});
