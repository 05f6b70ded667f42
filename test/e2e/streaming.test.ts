import { globSync, readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { basename } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../../src/sim/simulator.ts';
import { hasEnvoy } from '../support/envoy.ts';
import { eventually } from '../support/eventually.ts';
import { chatBody, HttpExchange, type HttpRequest, send } from '../support/http-client.ts';
import { expectNothingHeld, type Stack, startStack } from '../support/stack.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';

const FIXTURES = 'test/fixtures/vllm-0.32.0';
const captures = globSync(`${FIXTURES}/*.head`).map((file) => basename(file, '.head'));
const requests = JSON.parse(readFileSync(`${FIXTURES}/requests.json`, 'utf8')) as Record<string, HttpRequest>;

/** Bytes in which captured answers are written, so that lines and events are cut anywhere. */
const PIECE_BYTES = 97;

describe.skipIf(!hasEnvoy())('answers through Envoy', () => {
  const all = new AsyncDisposableStack();
  let simulator: Simulator;
  let upstream: Upstream;
  let simulated: Stack;
  let scripted: Stack;

  beforeAll(async () => {
    simulator = all.use(
      await startSimulator({ port: 0, count: 2, decodeStepMs: 20, decodeMsPerSequence: 0, jitter: 0 }),
    );
    upstream = all.use(await startUpstream());
    simulated = all.use(await startStack({ endpoints: simulator.addresses }));
    scripted = all.use(await startStack({ endpoints: [upstream.address] }));
  });
  afterAll(() => all.disposeAsync());

  test('an event reaches the client before the next one exists', async () => {
    let response: ServerResponse | undefined;
    upstream.handler = (_request, answer) => {
      response = answer.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
    };
    const exchange = new HttpExchange(scripted.url, { body: chatBody('x', 5, { stream: true }) });
    await eventually(() => expect(exchange.status).toBe(200));
    let sent = '';
    for (let event = 0; event < 20; event += 1) {
      const text = `data: {"id":"${event}","model":"sim-model","choices":[]}\n\n`;
      sent += text;
      response?.write(text);
      await eventually(() => expect(received(exchange)).toBe(sent));
    }
    response?.end('data: [DONE]\n\n');
    expect((await exchange.ended).body.toString()).toBe(`${sent}data: [DONE]\n\n`);
    await expectNothingHeld(scripted.picker);
  });

  test('tokens arrive at the pace at which they are generated', async () => {
    const answer = await send(simulated.url, { body: chatBody('hello', 30, { stream: true }) });
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    expect(answer.body.toString()).toMatch(/data: \[DONE\]\n\n$/);
    const times = answer.chunks.map(({ atMs }) => atMs);
    expect(times.length).toBeGreaterThan(5);
    // 30 tokens 20 ms apart: a picker or proxy that collects them would deliver all within a few milliseconds.
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(400);
    await expectNothingHeld(simulated.picker);
  });

  test.each(captures)('vLLM answer %s arrives byte for byte, and so does the request', async (name) => {
    const { status, headers } = parseHead(readFileSync(`${FIXTURES}/${name}.head`, 'utf8'));
    const body = readFileSync(`${FIXTURES}/${name}`);
    upstream.handler = (_request, response) => {
      response.writeHead(status, headers);
      for (let at = 0; at < body.length; at += PIECE_BYTES)
        response.write(body.subarray(at, at + PIECE_BYTES));
      response.end();
    };
    // The picker itself refuses the request that drew this one answer.
    const request = name === 'error-validation.json' ? { body: chatBody('x', 1) } : requests[name];
    const sent = request?.body === undefined ? '' : JSON.stringify(request.body);
    upstream.requests.length = 0;
    const answer = await send(scripted.url, request ?? { path: '/v1/models' });
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toBe(headers['content-type']);
    expect(answer.isCut).toBe(false);
    expect(answer.body.equals(body)).toBe(true);
    expect(upstream.requests.map((one) => one.body.toString())).toEqual([sent]);
    await expectNothingHeld(scripted.picker);
  });

  test('an answer that is not streamed is whole JSON', async () => {
    const answer = await send(simulated.url, { body: chatBody('hello', 3) });
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(JSON.parse(answer.body.toString())).toMatchObject({ usage: { completion_tokens: 3 } });
  });

  test.each([false, true])('the Anthropic API works, streaming %s', async (stream) => {
    const answer = await send(simulated.url, {
      path: '/v1/messages',
      body: chatBody('hello', 4, { stream }),
    });
    expect(answer.status).toBe(200);
    const text = answer.body.toString();
    if (stream) expect(text).toMatch(/event: message_start[\s\S]*event: message_stop/);
    else expect(JSON.parse(text)).toMatchObject({ type: 'message', usage: { output_tokens: 4 } });
  });

  test('requests without body are routed', async () => {
    const models = await send(simulated.url, { path: '/v1/models' });
    expect(models.status).toBe(200);
    expect(JSON.parse(models.body.toString())).toMatchObject({ data: [{ id: 'sim-model' }] });

    const head = await send(simulated.url, { method: 'HEAD', path: '/v1/models' });
    expect([head.status, head.body.length, head.isCut]).toEqual([200, 0, false]);

    const post = await send(simulated.url, { method: 'POST', path: '/reset_prefix_cache' });
    expect(post.status).toBe(200);
    await expectNothingHeld(simulated.picker);
  });

  test('a chat request without body is the client’s mistake, which the model server tells', async () => {
    const answer = await send(simulated.url, { method: 'POST' });
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body.toString())).toMatchObject({ error: { type: 'Bad Request' } });
    await expectNothingHeld(simulated.picker);
  });

  test('an error of the model server passes through', async () => {
    const answer = await send(simulated.url, { body: { ...chatBody('x', 1), model: 'nobody' } });
    expect(answer.status).toBe(404);
    expect(answer.body.toString()).toContain('does not exist');
    await expectNothingHeld(simulated.picker);
  });
});

function received({ chunks }: HttpExchange): string {
  return Buffer.concat(chunks.map(({ bytes }) => bytes)).toString();
}

/** First line the status, then `Name: value`. Framing is the business of each connection. */
function parseHead(text: string): { status: number; headers: Record<string, string> } {
  const [status = '', ...lines] = text.trim().split('\n');
  const pairs = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
  const headers = Object.fromEntries(pairs.filter(([name]) => name !== 'transfer-encoding'));
  return { status: Number(status), headers };
}
