import { describe, expect, test } from 'vitest';
import { INSTANT, json, REQUESTS, startDecode, statsOf, USER } from '../../../test/support/decode-server.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { HttpExchange, send } from '../../../test/support/http-client.ts';
import { startUpstream } from '../../../test/support/upstream.ts';
import { startSimulator } from '../simulator.ts';

/** An answer without what differs from request to request: ids, times, numbers of cached tokens. */
function comparable(text: string): string {
  return text
    .replace(/"(id|request_id|item_id)":"[^"]*"/g, '"$1":""')
    .replace(/"(created|created_at)":\d+/g, '"$1":0')
    .replace(/"(cached_tokens|created_cache_tokens|cache_read_input_tokens)":\d+/g, '"$1":0');
}

describe('nixlv2', () => {
  describe.each(REQUESTS)('$api', ({ path, body, usage }) => {
    test.each([false, true])('the answer is that of one server; stream: %s', async (stream) => {
      await using prefill = await startSimulator(INSTANT);
      await using pd = await startDecode();
      await using alone = await startSimulator(INSTANT);
      const options = stream && path !== '/v1/responses' ? { stream_options: { include_usage: true } } : {};
      const request = { ...body, stream, ...options };
      const answer = await pd.ask(prefill.addresses[0] ?? '', path, request);
      const want = await send(`http://${alone.addresses[0]}`, { path, body: request });
      expect(answer.status).toBe(200);
      expect(answer.headers['content-type']).toBe(want.headers['content-type']);
      expect(comparable(answer.body.toString())).toBe(comparable(want.body.toString()));
      const stats = statsOf(prefill);
      const { stats: decoded } = pd.decode.engine;
      expect([stats.finishedLength, stats.generationTokens]).toEqual([1, 1]);
      expect(decoded.generationTokens).toBe(5);
      expect(decoded.promptTokens).toBe(stats.promptTokens);
      expect(decoded.remotePromptTokens).toBe(stats.promptTokens - 1);
      if (!stream) expect(json(answer)['usage']).toMatchObject({ [usage]: stats.promptTokens });
    });
  });

  test('the prefill request: one token, in one piece, an id of its own; the decode request: what came back', async () => {
    const params = {
      do_remote_prefill: true,
      remote_block_ids: [1],
      remote_engine_id: 'e',
      extra: { deep: [1] },
    };
    await using peer = await startUpstream((_request, response) => {
      response.end(JSON.stringify({ kv_transfer_params: params, usage: {} }));
    });
    await using pd = await startDecode();
    const body = {
      model: 'm',
      messages: [USER],
      max_tokens: 3,
      stream: true,
      stream_options: { include_usage: true },
    };
    const answer = await send(`http://${pd.decode.address}`, {
      body,
      headers: { 'x-prefiller-host-port': `${peer.address},10.255.255.1:1`, 'x-request-id': 'mine' },
    });
    expect(answer.status).toBe(200);
    const [request] = peer.requests;
    expect(request?.path).toBe('/v1/chat/completions');
    const id = request?.headers['x-request-id'] ?? '';
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(answer.body.toString()).toContain(`"id":"chatcmpl-${id}"`);
    expect(Object.keys(request?.headers ?? {}).filter((name) => name.endsWith('host-port'))).toEqual([]);
    expect(JSON.parse(request?.body.toString() ?? '')).toEqual({
      model: 'm',
      messages: [USER],
      stream: false,
      max_tokens: 1,
      max_completion_tokens: 1,
      min_tokens: 1,
      kv_transfer_params: {
        do_remote_decode: true,
        do_remote_prefill: false,
        remote_engine_id: null,
        remote_block_ids: null,
        remote_host: null,
        remote_port: null,
      },
    });
    expect(peer.requests).toHaveLength(1);
  });

  test('a prefill server says where its blocks lie', async () => {
    await using prefill = await startSimulator(INSTANT);
    const address = prefill.addresses[0] ?? '';
    const body = { messages: [USER], max_tokens: 1, kv_transfer_params: { do_remote_decode: true } };
    const { kv_transfer_params: params } = json(await send(`http://${address}`, { body }));
    expect(params).toEqual({
      do_remote_prefill: true,
      do_remote_decode: false,
      remote_block_ids: expect.any(Array) as unknown,
      remote_engine_id: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown,
      remote_host: '127.0.0.1',
      remote_port: Number(address.split(':')[1]),
    });
    expect(params).toHaveProperty('remote_block_ids.length', 13);
    const plain = json(await send(`http://${address}`, { body: { messages: [USER], max_tokens: 1 } }));
    expect(plain['kv_transfer_params']).toBeNull();
  });

  test('the usage tells what the prefill server had cached', async () => {
    await using prefill = await startSimulator(INSTANT);
    await using pd = await startDecode({ prefixCaching: false });
    const cached = async () => {
      const answer = await pd.ask(prefill.addresses[0] ?? '', '/v1/chat/completions', {
        messages: [USER],
        max_tokens: 2,
      });
      return json(answer)['usage'];
    };
    expect(await cached()).toMatchObject({ prompt_tokens_details: { cached_tokens: 0 } });
    expect(await cached()).toMatchObject({ prompt_tokens_details: { cached_tokens: 192 } });
  });

  test('the pages of both servers tell where prompt tokens came from', async () => {
    await using prefill = await startSimulator(INSTANT);
    await using pd = await startDecode();
    const prefiller = prefill.addresses[0] ?? '';
    const body = { messages: [USER], max_tokens: 3 };
    for (let i = 0; i < 2; i += 1) await pd.ask(prefiller, '/v1/chat/completions', body);
    const families = [
      'prompt_tokens_by_source',
      'prompt_tokens_cached',
      'prompt_tokens',
      'generation_tokens',
    ];
    families.push('external_prefix_cache_queries', 'external_prefix_cache_hits', 'prefix_cache_hits');
    const page = async (address: string) => {
      const text = await (await fetch(`http://${address}/metrics`)).text();
      const values: Record<string, number> = {};
      for (const [, family = '', source, value] of text.matchAll(
        /^vllm:(\w+)_total\{[^}]*?(?:source="(\w+)")?\} (\S+)$/gm,
      )) {
        if (families.includes(family)) values[source ?? family] = Number(value);
      }
      return values;
    };
    const none = { external_kv_transfer: 0, external_prefix_cache_queries: 0, external_prefix_cache_hits: 0 };
    // Two prompts of 206 tokens, 192 of them in full blocks.
    const prompts = { prompt_tokens: 412, local_cache_hit: 192, prefix_cache_hits: 192 };
    expect(await page(prefiller)).toEqual({
      ...prompts,
      ...none,
      local_compute: 220,
      prompt_tokens_cached: 192,
      generation_tokens: 2,
    });
    expect(await page(pd.decode.address)).toEqual({
      ...prompts,
      local_compute: 2,
      external_kv_transfer: 218,
      prompt_tokens_cached: 410,
      external_prefix_cache_queries: 220,
      external_prefix_cache_hits: 218,
      generation_tokens: 6,
    });
  });

  test('decoding does not wait for a prompt that came', async () => {
    const slow = { timeScale: 1, jitter: 0, prefillTokensPerSecond: 50, decodeStepMs: 1 };
    await using prefill = await startSimulator(INSTANT);
    await using pd = await startDecode(slow);
    const startMs = performance.now();
    await pd.ask(prefill.addresses[0] ?? '', '/v1/chat/completions', { messages: [USER], max_tokens: 2 });
    // 206 tokens at 50 a second would take four seconds.
    expect(performance.now() - startMs).toBeLessThan(2000);
  });

  test.each([400, 429, 500, 503])('a prefill server that answers %i is quoted', async (status) => {
    await using peer = await startUpstream((_request, response) => {
      response.writeHead(status, { 'content-type': 'text/x-why' }).end('because');
    });
    await using pd = await startDecode();
    const answer = await pd.ask(peer.address, '/v1/chat/completions', { messages: [USER] });
    expect([answer.status, answer.headers['content-type'], answer.body.toString()]).toEqual([
      status,
      'text/x-why',
      'because',
    ]);
    expect(pd.decode.engine.stats.promptTokens).toBe(0);
  });

  test('a prefill server that is away is 502, one that is no address too', async () => {
    await using pd = await startDecode();
    for (const address of ['127.0.0.1:1', 'no address']) {
      const answer = await pd.ask(address, '/v1/chat/completions', { messages: [USER] });
      expect(answer.status).toBe(502);
      expect(answer.body.toString()).toContain(`no answer from ${address}`);
    }
  });

  test.each(['{}', 'no json', '[]'])('a prefill answer %j lets the decode server compute', async (text) => {
    await using peer = await startUpstream((_request, response) => response.end(text));
    await using pd = await startDecode();
    const answer = await pd.ask(peer.address, '/v1/chat/completions', { messages: [USER], max_tokens: 2 });
    expect(answer.status).toBe(200);
    expect(pd.decode.engine.stats.remotePromptTokens).toBe(0);
  });

  test('retries 502, 503 and 504 as often as it is told', async () => {
    const statuses = [503, 502, 504];
    await using peer = await startUpstream((_request, response) => {
      response.writeHead(statuses.shift() ?? 200).end('{}');
    });
    await using pd = await startDecode({ prefillMaxRetries: 3 });
    const answer = await pd.ask(peer.address, '/v1/chat/completions', { messages: [USER], max_tokens: 1 });
    expect([answer.status, peer.requests.length]).toEqual([200, 4]);
    statuses.push(503, 503, 503, 503);
    const refused = await pd.ask(peer.address, '/v1/chat/completions', { messages: [USER], max_tokens: 1 });
    expect([refused.status, peer.requests.length]).toEqual([503, 8]);
  });

  test('a client that leaves ends the prefill', async () => {
    await using prefill = await startSimulator({
      ...INSTANT,
      timeScale: 1,
      prefillTokensPerSecond: 1,
    });
    await using pd = await startDecode();
    const exchange = new HttpExchange(`http://${pd.decode.address}`, {
      body: { messages: [USER] },
      headers: { 'x-prefiller-host-port': prefill.addresses[0] ?? '' },
    });
    await eventually(() => expect(prefill.servers[0]?.engine.running).toBe(1));
    exchange.leave();
    await eventually(() => expect(statsOf(prefill).finishedAbort).toBe(1));
    expect(pd.decode.engine.stats.promptTokens).toBe(0);
  });
});

describe('a sidecar', () => {
  test('refuses a prefill server that is not allowed', async () => {
    await using peer = await startUpstream();
    await using pd = await startDecode({ allowedHosts: ['10.0.0.1'] });
    const answer = await pd.ask(peer.address, '/v1/chat/completions', { messages: [USER] });
    expect([answer.status, peer.requests.length]).toEqual([403, 0]);
  });

  test('refuses a body that is none before it asks anybody', async () => {
    await using peer = await startUpstream();
    await using pd = await startDecode();
    const answer = await send(`http://${pd.decode.address}`, {
      body: '{',
      headers: { 'x-prefiller-host-port': peer.address },
    });
    expect([answer.status, peer.requests.length]).toEqual([400, 0]);
  });

  test('serves alone without a header, and keeps the id of the client', async () => {
    await using pd = await startDecode();
    const headers = { 'x-request-id': 'mine', 'x-kv-cache-source-host-port': '127.0.0.1:1' };
    const body = { messages: [USER], max_tokens: 1 };
    const answer = json(await send(`http://${pd.decode.address}`, { body, headers }));
    expect(answer['id']).toBe('chatcmpl-mine');
  });

  test('a server without one ignores the headers', async () => {
    await using pd = await startDecode({ sidecar: false });
    const answer = await pd.ask('127.0.0.1:1', '/v1/chat/completions', { messages: [USER], max_tokens: 1 });
    expect(answer.status).toBe(200);
  });
});
