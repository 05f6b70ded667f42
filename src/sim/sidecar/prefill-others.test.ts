import { describe, expect, test } from 'vitest';
import { INSTANT, json, REQUESTS, startDecode, statsOf, USER } from '../../../test/support/decode-server.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { HttpExchange, send } from '../../../test/support/http-client.ts';
import { startUpstream } from '../../../test/support/upstream.ts';
import { startSimulator } from '../simulator.ts';

describe('sglang', () => {
  const SGLANG = { kvConnector: 'sglang' };

  test('both get the bootstrap fields at once; decoding begins when the prompt is there', async () => {
    let finish: () => void = () => {};
    await using peer = await startUpstream((_request, response) => {
      finish = () => response.end('{}');
    });
    await using pd = await startDecode(SGLANG);
    const body = { messages: [USER], max_tokens: 4, stream: true };
    const exchange = new HttpExchange(`http://${pd.decode.address}`, {
      body,
      headers: { 'x-prefiller-host-port': peer.address },
    });
    await eventually(() => expect([peer.requests.length, pd.decode.engine.waiting]).toEqual([1, 1]));
    expect(JSON.parse(peer.requests[0]?.body.toString() ?? '')).toEqual({
      ...body,
      bootstrap_host: '127.0.0.1',
      bootstrap_port: 8998,
      bootstrap_room: expect.any(Number) as unknown,
    });
    await eventually(() => expect(exchange.status).toBe(200));
    expect(pd.decode.engine.stats.generationTokens).toBe(0);
    finish();
    const answer = await exchange.ended;
    expect(answer.body.toString().endsWith('data: [DONE]\n\n')).toBe(true);
    const { stats } = pd.decode.engine;
    expect([stats.generationTokens, stats.remotePromptTokens]).toEqual([4, stats.promptTokens - 1]);
  });

  test('the prefill server makes one token whatever is asked for', async () => {
    await using prefill = await startSimulator({ ...INSTANT, ...SGLANG });
    await using pd = await startDecode(SGLANG);
    const answer = await pd.ask(prefill.addresses[0] ?? '', '/v1/chat/completions', {
      messages: [USER],
      max_tokens: 50,
    });
    expect(json(answer)['usage']).toMatchObject({ completion_tokens: 50 });
    expect(statsOf(prefill).generationTokens).toBe(1);
  });

  test.each([false, true])('a failed prefill fails the decode request; stream: %s', async (stream) => {
    await using peer = await startUpstream((_request, response) => response.writeHead(503).end());
    await using pd = await startDecode(SGLANG);
    const answer = await pd.ask(peer.address, '/v1/chat/completions', { messages: [USER], stream });
    if (stream) expect(answer.isCut).toBe(true);
    else
      expect([answer.status, answer.body.toString()]).toEqual([500, expect.stringContaining('answered 503')]);
    expect(pd.decode.engine.waiting).toBe(0);
  });

  test('a client that leaves ends the wait, not the prefill', async () => {
    await using prefill = await startSimulator({
      ...INSTANT,
      ...SGLANG,
      timeScale: 1,
      prefillTokensPerSecond: 1000,
    });
    await using pd = await startDecode(SGLANG);
    const exchange = new HttpExchange(`http://${pd.decode.address}`, {
      body: { messages: [USER] },
      headers: { 'x-prefiller-host-port': prefill.addresses[0] ?? '' },
    });
    await eventually(() => expect(prefill.servers[0]?.engine.running).toBe(1));
    exchange.leave();
    await eventually(() => expect(pd.decode.engine.stats.finishedAbort).toBe(1));
    await eventually(() => expect(statsOf(prefill).finishedLength).toBe(1));
  });

  test('what the decode engine refuses is refused at once', async () => {
    await using peer = await startUpstream((_request, response) => response.writeHead(404).end());
    await using pd = await startDecode(SGLANG);
    const answer = await pd.ask(peer.address, '/v1/chat/completions', { model: 'other', messages: [USER] });
    expect(answer.status).toBe(404);
  });
});

describe('shared-storage', () => {
  /** One server that is asked to prefill, one that decodes; both use one store. */
  async function startShared() {
    const sim = await startSimulator({ ...INSTANT, sidecar: true, kvConnector: 'shared-storage', count: 2 });
    const [prefill, decode] = sim.servers;
    if (prefill === undefined || decode === undefined) throw new Error('no servers');
    const ask = async (body: object) =>
      await send(`http://${decode.address}`, { body, headers: { 'x-prefiller-host-port': prefill.address } });
    return { prefill, decode, ask, [Symbol.asyncDispose]: () => sim[Symbol.asyncDispose]() };
  }

  test('the decode server takes the prompt from the store', async () => {
    await using pair = await startShared();
    const answer = await pair.ask({ messages: [USER], max_tokens: 3 });
    expect(json(answer)['usage']).toMatchObject({ prompt_tokens: 206, completion_tokens: 3 });
    expect(pair.prefill.engine.stats.generationTokens).toBe(1);
    expect(pair.decode.engine.stats.remotePromptTokens).toBe(192);
  });

  test('a threshold that the cache reaches spares the prefill', async () => {
    await using pair = await startShared();
    const body = { messages: [USER], max_tokens: 3, cache_hit_threshold: 0.9 };
    expect((await pair.ask(body)).status).toBe(200);
    expect(pair.prefill.engine.stats.finishedLength).toBe(1);
    expect((await pair.ask(body)).status).toBe(200);
    expect(pair.prefill.engine.stats.finishedLength).toBe(1);
    expect(pair.decode.engine.stats.finishedLength).toBe(2);
    await pair.ask({ messages: [USER], max_tokens: 3 });
    expect(pair.prefill.engine.stats.finishedLength).toBe(2);
  });

  test('a failed prefill is quoted', async () => {
    await using pair = await startShared();
    pair.prefill.setFault({ fault: { mode: 'status', status: 503 } });
    expect((await pair.ask({ messages: [USER] })).status).toBe(503);
  });

  test.each(REQUESTS)(
    'an engine refuses $api below the threshold with an empty answer',
    async ({ path, body }) => {
      await using sim = await startSimulator(INSTANT);
      for (const stream of [false, true]) {
        const answer = await send(`http://${sim.addresses[0]}`, {
          path,
          body: { ...body, stream, cache_hit_threshold: 0.5 },
        });
        expect(answer.status).toBe(200);
      }
      expect(statsOf(sim).promptTokens).toBe(0);
    },
  );

  test('and says why', async () => {
    await using sim = await startSimulator(INSTANT);
    const body = { messages: [USER], n: 2, cache_hit_threshold: 0.5 };
    const empty = (index: number) => ({ index, finish_reason: 'cache_threshold' });
    const answer = json(await send(`http://${sim.addresses[0]}`, { body }));
    expect(answer['choices']).toMatchObject([empty(0), empty(1)]);
    const stream = await send(`http://${sim.addresses[0]}`, { body: { ...body, stream: true } });
    expect(stream.body.toString().match(/"finish_reason":"cache_threshold"/g)).toHaveLength(2);
  });
});
