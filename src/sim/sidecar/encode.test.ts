import { describe, expect, test } from 'vitest';
import { INSTANT, json, statsOf, USER } from '../../../test/support/decode-server.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { type HttpAnswer, send } from '../../../test/support/http-client.ts';
import { startUpstream, type UpstreamHandler } from '../../../test/support/upstream.ts';
import type { SimOptions } from '../options.ts';
import { startSimulator } from '../simulator.ts';

const image = (name: string) => ({ type: 'image_url', image_url: { url: `http://images/${name}.png` } });
const question = { type: 'text', text: 'what is this?' };
const chat = (...names: string[]) => ({
  messages: [{ role: 'user', content: [question, ...names.map(image)] }],
  max_tokens: 3,
  stream_options: { include_usage: true },
});

/** A simulated decode server and requests to it that name encode servers. */
async function startDecode(options: Partial<SimOptions> = {}) {
  const sim = await startSimulator({ ...INSTANT, sidecar: true, ecConnector: 'ec-nixl', ...options });
  const decode = sim.servers[0];
  if (decode === undefined) throw new Error('no server');
  const ask = (encoders: string, body: object, more: Record<string, string> = {}): Promise<HttpAnswer> =>
    send(`http://${decode.address}`, { body, headers: { 'x-encoder-hosts-ports': encoders, ...more } });
  return { decode, ask, [Symbol.asyncDispose]: () => sim[Symbol.asyncDispose]() };
}

describe('the encode stage', () => {
  test('one request per distinct item, by turns, each with its item alone', async () => {
    const answer: UpstreamHandler = (request, response) => {
      const { messages } = JSON.parse(request.body.toString()) as {
        messages: { content: { image_url: { url: string } }[] }[];
      };
      const url = messages[0]?.content[0]?.image_url.url ?? '';
      response.end(JSON.stringify({ ec_transfer_params: { [url]: { size: 1 } } }));
    };
    await using one = await startUpstream(answer);
    await using two = await startUpstream(answer);
    await using prefill = await startUpstream((_request, response) => response.end('{}'));
    await using epd = await startDecode();
    const reply = await epd.ask(`${one.address}, ${two.address}`, chat('a', 'b', 'a', 'c'), {
      'x-prefiller-host-port': prefill.address,
    });
    expect(reply.status).toBe(200);
    const bodies = [...one.requests, ...two.requests].map(
      ({ body }) => JSON.parse(body.toString()) as object,
    );
    const encoded = (name: string) => ({
      messages: [{ role: 'user', content: [image(name)] }],
      stream: false,
      max_tokens: 1,
      max_completion_tokens: 1,
      min_tokens: 1,
    });
    expect(bodies).toEqual([encoded('a'), encoded('c'), encoded('b')]);
    const [sent] = prefill.requests;
    const id = sent?.headers['x-request-id'] ?? '';
    expect([...one.requests, ...two.requests].map(({ headers }) => headers['x-request-id'])).toEqual([
      `${id}-enc-0`,
      `${id}-enc-2`,
      `${id}-enc-1`,
    ]);
    const entries = ['a', 'b', 'c'].map((name) => [image(name).image_url.url, { size: 1 }]);
    expect(JSON.parse(sent?.body.toString() ?? '')).toMatchObject({
      ec_transfer_params: Object.fromEntries(entries) as unknown,
      cache_hit_threshold: 0,
      max_tokens: 1,
    });
  });

  test('what encoders have encoded is not encoded again: encode, prefill, decode', async () => {
    await using encode = await startSimulator({ ...INSTANT, ecConnector: 'ec-nixl' });
    await using prefill = await startSimulator(INSTANT);
    await using epd = await startDecode();
    const headers = { 'x-prefiller-host-port': prefill.addresses[0] ?? '' };
    const answer = await epd.ask(encode.addresses[0] ?? '', chat('a', 'b'), headers);
    expect(answer.status).toBe(200);
    expect(json(answer)['usage']).toMatchObject({ completion_tokens: 3 });
    const did = () => [encode, prefill].map(statsOf).map((one) => [one.finishedLength, one.encodedAssets]);
    expect(did()).toEqual([
      [2, 2],
      [1, 0],
    ]);
    const { stats } = epd.decode.engine;
    expect([stats.encodedAssets, stats.remotePromptTokens]).toEqual([0, stats.promptTokens - 1]);
    await send(`http://${prefill.addresses[0]}`, { body: chat('other') });
    expect(did()[1]).toEqual([2, 1]);
  });

  test('without a prefill server the decode server computes the prompt', async () => {
    await using encode = await startSimulator({ ...INSTANT, ecConnector: 'ec-nixl' });
    await using epd = await startDecode();
    const answer = await epd.ask(encode.addresses[0] ?? '', chat('a', 'b'));
    expect(answer.status).toBe(200);
    expect(statsOf(encode).finishedLength).toBe(2);
    const { stats } = epd.decode.engine;
    expect([stats.remotePromptTokens, stats.encodedAssets]).toEqual([0, 0]);
  });

  test('many images are encoded at once', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error) => warnings.push(warning);
    process.on('warning', note);
    await using encode = await startSimulator({ ...INSTANT, ecConnector: 'ec-nixl' });
    await using epd = await startDecode();
    const names = Array.from({ length: 30 }, (_, i) => `image-${i}`);
    expect((await epd.ask(encode.addresses[0] ?? '', chat(...names))).status).toBe(200);
    process.off('warning', note);
    expect(statsOf(encode).encodedAssets).toBe(30);
    expect(warnings).toEqual([]);
  });

  test('ec-example only fills the store', async () => {
    await using sim = await startSimulator({
      ...INSTANT,
      ecConnector: 'ec-example',
      sidecar: true,
      count: 2,
    });
    const [encode = '', decode = ''] = sim.addresses;
    const encoded = () => sim.servers.map(({ engine }) => engine.stats.encodedAssets);
    const headers = { 'x-encoder-hosts-ports': encode };
    const answer = await send(`http://${decode}`, { body: chat('a'), headers });
    expect(json(answer)['ec_transfer_params']).toBeNull();
    expect(encoded()).toEqual([1, 0]);
    await send(`http://${decode}`, { body: chat('b') });
    expect(encoded()).toEqual([1, 1]);
    expect(await (await fetch(`http://${decode}/sim/state`)).json()).toMatchObject({ encodedAssets: 1 });
  });

  test('an encoder that fails is 502, and the other requests are given up', async () => {
    await using bad = await startUpstream((_request, response) => response.writeHead(400).end());
    await using slow = await startSimulator({ ...INSTANT, timeScale: 1, encodeMs: 60_000 });
    await using epd = await startDecode();
    const answer = await epd.ask(`${slow.addresses[0]},${bad.address}`, chat('a', 'b'));
    expect([answer.status, answer.body.toString()]).toEqual([502, expect.stringContaining('answered 400')]);
    await eventually(() => expect(slow.servers[0]?.engine.stats.finishedAbort).toBe(1));
    expect(epd.decode.engine.stats.promptTokens).toBe(0);
  });

  test.each([
    ['no JSON', 502],
    ['{}', 200],
    ['{"ec_transfer_params":null}', 200],
    ['{"ec_transfer_params":[]}', 200],
  ])('an encoder that answers %s is %i', async (text, status) => {
    await using encode = await startUpstream((_request, response) => response.end(text));
    await using epd = await startDecode();
    expect((await epd.ask(encode.address, chat('a'))).status).toBe(status);
  });

  test('an encoder that is away is 502', async () => {
    await using epd = await startDecode();
    expect((await epd.ask('127.0.0.1:1', chat('a'))).status).toBe(502);
  });

  test('no encoder is asked for a text, without a connector, or when it is not allowed', async () => {
    await using encode = await startUpstream();
    await using epd = await startDecode();
    expect((await epd.ask(encode.address, { messages: [USER], max_tokens: 1 })).status).toBe(200);
    await using without = await startDecode({ ecConnector: '' });
    expect((await without.ask(encode.address, chat('a'))).status).toBe(200);
    await using strict = await startDecode({ allowedHosts: ['10.0.0.1'] });
    expect((await strict.ask(encode.address, chat('a'))).status).toBe(200);
    expect(encode.requests).toEqual([]);
  });
});
