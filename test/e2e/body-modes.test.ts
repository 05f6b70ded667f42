import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type EnvoyProcess, hasEnvoy, startEnvoy } from '../support/envoy.ts';
import { type EnvoyConfigOptions, envoyConfig } from '../support/envoy-config.ts';
import { chatBody, type HttpAnswer, send } from '../support/http-client.ts';
import { PickerProcess } from '../support/picker-process.ts';
import { expectNothingHeld } from '../support/stack.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';

const MIB = 2 ** 20;
const REWRITE = 'x-llm-d-model-name-rewrite';
const rewriting = { [REWRITE]: 'base-model-2' };

/** JSON of a bit more than 4 MiB whose bytes are all different from their neighbours' copies. */
function largeJson(before: object): Buffer {
  const words: string[] = [];
  for (let i = 0, size = 0; size < 4 * MIB; i += 1) {
    const word = `word${i} ü`;
    words.push(word);
    size += word.length;
  }
  return Buffer.from(JSON.stringify({ ...before, text: words.join(' '), last: true }));
}

/** The same body with the other model name. */
function renamed(body: Buffer): Buffer {
  return Buffer.from(body.toString().replace('"sim-model"', '"base-model-2"'));
}

const prompt = largeJson({ model: 'sim-model', messages: [{ role: 'user', content: 'read this' }] });
const answered = largeJson({ id: 'chatcmpl-1', model: 'sim-model', usage: { total_tokens: 5 } });

describe.skipIf(!hasEnvoy())('bodies of 4 MiB through Envoy', () => {
  const all = new AsyncDisposableStack();
  let upstream: Upstream;
  let picker: PickerProcess;
  /** What the model server answers. */
  let reply = answered;

  beforeAll(async () => {
    upstream = all.use(
      await startUpstream((_request, response) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': reply.length });
        response.end(reply);
      }),
    );
    picker = all.use(
      await PickerProcess.start({
        endpoints: [upstream.address],
      }),
    );
  });
  afterAll(() => all.disposeAsync());

  const envoyWith = (options: Omit<EnvoyConfigOptions, 'picker'>): Promise<EnvoyProcess> =>
    startEnvoy({ config: envoyConfig({ ...options, picker: picker.address }) });

  async function exchange(
    url: string,
    options: { headers?: Record<string, string>; reply?: Buffer; body?: unknown } = {},
  ): Promise<HttpAnswer> {
    upstream.requests.length = 0;
    reply = options.reply ?? answered;
    const answer = await send(url, { body: options.body ?? prompt, headers: options.headers ?? {} });
    await expectNothingHeld(picker);
    return answer;
  }

  test.each<Omit<EnvoyConfigOptions, 'picker'>>([
    { requestBodyMode: 'FULL_DUPLEX_STREAMED' },
    { requestBodyMode: 'STREAMED' },
    { requestBodyMode: 'STREAMED', sendsBodyAhead: true },
    { requestBodyMode: 'BUFFERED', bufferLimitBytes: 8 * MIB },
    { requestBodyMode: 'BUFFERED_PARTIAL', bufferLimitBytes: 8 * MIB },
    { requestBodyMode: 'BUFFERED_PARTIAL', bufferLimitBytes: MIB },
    { requestBodyMode: 'NONE' },
    { responseBodyMode: 'STREAMED' },
    { responseBodyMode: 'BUFFERED', bufferLimitBytes: 8 * MIB },
    { responseBodyMode: 'BUFFERED_PARTIAL', bufferLimitBytes: 8 * MIB },
    { responseBodyMode: 'BUFFERED_PARTIAL', bufferLimitBytes: MIB },
    { responseBodyMode: 'NONE' },
    { requestBodyMode: 'BUFFERED', responseBodyMode: 'BUFFERED', bufferLimitBytes: 8 * MIB },
    { requestBodyMode: 'STREAMED', responseBodyMode: 'STREAMED' },
    { requestBodyMode: 'NONE', responseBodyMode: 'NONE' },
    { file: 'standalone-metadata' },
    { file: 'standalone-metadata', requestBodyMode: 'BUFFERED', bufferLimitBytes: 8 * MIB },
  ])('%j: both bodies arrive as they were sent', async (options) => {
    await using envoy = await envoyWith(options);
    const answer = await exchange(envoy.url);
    expect(answer.status).toBe(200);
    expect(upstream.requests).toHaveLength(1);
    expect(upstream.requests[0]?.body.equals(prompt)).toBe(true);
    expect(answer.isCut).toBe(false);
    expect(answer.body.equals(answered)).toBe(true);
  });

  test.each<Omit<EnvoyConfigOptions, 'picker'>>([
    {},
    { responseBodyMode: 'STREAMED' },
    { requestBodyMode: 'BUFFERED', responseBodyMode: 'BUFFERED', bufferLimitBytes: 8 * MIB },
    { requestBodyMode: 'BUFFERED_PARTIAL', bufferLimitBytes: 8 * MIB },
  ])('%j: a model is rewritten on the way there and restored on the way back', async (options) => {
    await using envoy = await envoyWith(options);
    const answer = await exchange(envoy.url, { headers: rewriting, reply: renamed(answered) });
    expect(answer.status).toBe(200);
    expect(upstream.requests[0]?.body.equals(renamed(prompt))).toBe(true);
    expect(upstream.requests[0]?.headers[REWRITE]).toBeUndefined();
    expect(answer.body.equals(answered)).toBe(true);
  });

  test('streamed ahead, a body of one chunk can be rewritten', async () => {
    await using envoy = await envoyWith({ requestBodyMode: 'STREAMED', sendsBodyAhead: true });
    const body = Buffer.from(JSON.stringify(chatBody('short', 1)));
    const answer = await exchange(envoy.url, { headers: rewriting, reply: renamed(answered), body });
    expect(answer.status).toBe(200);
    expect(upstream.requests[0]?.body.toString()).toBe(renamed(body).toString());
    expect(answer.body.equals(answered)).toBe(true);
  });

  test.each<{ options: Omit<EnvoyConfigOptions, 'picker'>; want: number }>([
    { options: { requestBodyMode: 'BUFFERED_PARTIAL', bufferLimitBytes: MIB }, want: 413 },
    { options: { requestBodyMode: 'NONE' }, want: 500 },
    { options: { requestBodyMode: 'STREAMED' }, want: 500 },
  ])('$options: a rewrite that cannot be done is refused, not left out', async ({ options, want }) => {
    await using envoy = await envoyWith(options);
    const answer = await exchange(envoy.url, { headers: rewriting });
    expect(answer.status).toBe(want);
    expect(JSON.parse(answer.body.toString())).toHaveProperty('error.message');
    expect(upstream.requests).toEqual([]);
  });
});
