import { expect, test } from 'vitest';
import { NO_BODY, type ParsedBody } from '../../src/framework/body.ts';
import { Headers } from '../../src/framework/headers.ts';
import type { DataProducer } from '../../src/framework/hooks.ts';
import type { Parser } from '../../src/framework/parser.ts';
import { InferenceRequest } from '../../src/framework/request.ts';
import { TOKENIZED_PROMPT } from '../../src/plugins/attributes/tokenized-prompt.ts';
import { openaiParser } from '../../src/plugins/parsers/openai-parser.ts';
import { sglanghttpParser } from '../../src/plugins/parsers/sglanghttp-parser.ts';
import { vertexaiParser } from '../../src/plugins/parsers/vertexai-parser.ts';
import { vllmgrpcParser } from '../../src/plugins/parsers/vllmgrpc-parser.ts';
import { vllmhttpParser } from '../../src/plugins/parsers/vllmhttp-parser.ts';
import { tokenProducer } from '../../src/plugins/producers/token-producer.ts';
import { context } from '../support/builders.ts';
import { frame, requestBytes, VERTEX, VLLM } from '../support/grpc-bodies.ts';

const TEXT = 'once upon a time '.repeat(20);
const LONG = 'there was a very long prompt '.repeat(2000);
const IDS = Array.from({ length: 40 }, (_, i) => 1000 + i);
const MESSAGES = [{ role: 'user', content: TEXT }];
const LONG_MESSAGES = [{ role: 'user', content: LONG }];

/** What prefix hashing and the counting of tokens get to see of a body. */
function tokensOf(parser: Parser, path: string, body: Buffer) {
  const request = new InferenceRequest(new Headers(), 0);
  const parsed: ParsedBody = parser.parse(body, path, request.headers);
  request.body = parsed;
  const producer: DataProducer = tokenProducer.create(tokenProducer.params.parse({}), context());
  void producer.produce(request, [], { signal: new AbortController().signal });
  const tokenized = request.attributes.get(TOKENIZED_PROMPT);
  return tokenized?.prompts.map(({ bytes, features }) => ({
    bytes: Buffer.from(bytes).toString('hex'),
    features,
  }));
}

const openai = (path: string, body: object) =>
  tokensOf(openaiParser.create({}, context()), path, Buffer.from(JSON.stringify(body)));
const vllm = (body: object) =>
  tokensOf(vllmhttpParser.create({}, context()), '/inference/v1/generate', Buffer.from(JSON.stringify(body)));
const sglang = (body: object) =>
  tokensOf(sglanghttpParser.create({}, context()), '/generate', Buffer.from(JSON.stringify(body)));
const engine = (method: string, body: object) =>
  tokensOf(
    vllmgrpcParser.create({}, context()),
    `/vllm.grpc.engine.VllmEngine/${method}`,
    frame(requestBytes(VLLM, method, body)),
  );
const vertex = (method: string, body: object) =>
  tokensOf(
    vertexaiParser.create({}, context()),
    `/google.cloud.aiplatform.v1beta1.PredictionService/${method}`,
    frame(
      requestBytes(VERTEX, method, {
        http_body: { content_type: 'application/json', data: Buffer.from(JSON.stringify(body)) },
      }),
    ),
  );

test.each([
  { name: 'short', text: TEXT, messages: MESSAGES },
  { name: 'long', text: LONG, messages: LONG_MESSAGES },
])('a $name text is the same prompt in every API', ({ text, messages }) => {
  const want = openai('/v1/completions', { prompt: text });
  expect(want).toHaveLength(1);
  expect(sglang({ text })).toEqual(want);
  expect(engine('Generate', { text })).toEqual(want);
  const chat = openai('/v1/chat/completions', { messages });
  expect(vertex('ChatCompletions', { messages })).toEqual(chat);
  const responses = openai('/v1/responses', { input: text });
  expect(vertex('RawPredict', { input: text })).toEqual(responses);
  expect(vertex('StreamRawPredict', { input: text })).toEqual(responses);
});

test('token ids are the same prompt in every API', () => {
  const want = vllm({ token_ids: IDS });
  expect(want?.[0]?.bytes).toHaveLength(2 * 4 * IDS.length);
  expect(sglang({ input_ids: IDS })).toEqual(want);
  expect(engine('Generate', { tokenized: { input_ids: IDS } })).toEqual(want);
  expect(engine('Embed', { tokenized: { input_ids: IDS } })).toEqual(want);
  expect(openai('/v1/completions', { prompt: IDS })).toEqual(want);
});

test('each prompt of a batch is one of its own', () => {
  const one = sglang({ text: TEXT });
  expect(sglang({ text: [TEXT, TEXT] })).toEqual([...(one ?? []), ...(one ?? [])]);
  expect(sglang({ input_ids: [IDS, [1, 2]] })).toHaveLength(2);
});

test('media of token ids are told apart by their hashes, as in the HTTP API', () => {
  const mm_inputs = {
    mm_placeholders: [
      { offset: 20, length: 4 },
      { offset: 3, length: 8 },
    ],
    mm_hashes: ['bb', 'aa'],
  };
  const features = {
    mm_hashes: { image: mm_inputs.mm_hashes },
    mm_placeholders: { image: mm_inputs.mm_placeholders },
  };
  const found = engine('Generate', { tokenized: { input_ids: IDS }, mm_inputs });
  expect(found).toEqual(vllm({ token_ids: IDS, features }));
  expect(found?.[0]?.features).toEqual([
    { modality: 'image', hash: 'aa', offset: 3, length: 8 },
    { modality: 'image', hash: 'bb', offset: 20, length: 4 },
  ]);
});

test('a body of none of these is no prompt', () => {
  const parser = vllmgrpcParser.create({}, context());
  expect(parser.parse(Buffer.alloc(0), '/vllm.grpc.engine.VllmEngine/Abort')).toEqual({
    ...NO_BODY,
    skipsResponse: true,
  });
  expect(sglang({ input_embeds: [[0.5]] })).toBeUndefined();
});
