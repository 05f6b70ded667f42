import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, request } from '../../../test/support/builders.ts';
import { frame, GZIP, requestBytes, responseBytes, VERTEX } from '../../../test/support/grpc-bodies.ts';
import { NO_BODY } from '../../framework/body.ts';
import { RejectionError } from '../../framework/errors.ts';
import { Headers } from '../../framework/headers.ts';
import { InferenceResponse } from '../../framework/response.ts';
import { vertexaiParser } from './vertexai-parser.ts';

const parser = vertexaiParser.create({}, context());
const SERVICE = '/google.cloud.aiplatform.v1beta1.PredictionService/';
const METHODS = ['ChatCompletions', 'StreamRawPredict', 'RawPredict'] as const;
type Method = (typeof METHODS)[number];

function body(method: Method, inner: string): Buffer {
  const http_body = { content_type: 'application/json', data: Buffer.from(inner) };
  return frame(requestBytes(VERTEX, method, { endpoint: 'projects/p', http_body }));
}

function headersOf(encoding?: string): Headers {
  const headers = new Headers();
  headers.receive('content-type', 'application/grpc+proto');
  if (encoding !== undefined) headers.receive('grpc-encoding', encoding);
  return headers;
}

test.each([
  {
    method: 'ChatCompletions',
    inner: { model: 'm', messages: [{ role: 'user', content: 'hi' }], max_tokens: 5 },
    want: { api: 'chat', model: 'm', maxOutputTokens: 5, isStreaming: false },
  },
  {
    method: 'ChatCompletions',
    inner: { messages: [{}], stream: true, cache_salt: 's' },
    want: { api: 'chat', model: '', isStreaming: true, cacheSalt: 's' },
  },
  {
    method: 'RawPredict',
    inner: { model: 'm', input: 'hi', max_output_tokens: 3 },
    want: { api: 'responses', model: 'm', maxOutputTokens: 3, isStreaming: false },
  },
  { method: 'StreamRawPredict', inner: { input: 'hi' }, want: { api: 'responses', isStreaming: true } },
] as const)('$method speaks $want.api', ({ method, inner, want }) => {
  const parsed = parser.parse(body(method, JSON.stringify(inner)), SERVICE + method);
  expect(parsed).toMatchObject({ ...want, json: inner });
  expect(parsed).toMatchObject({ canRewriteModel: false, requiresModel: false, skipsResponse: false });
});

test('another method is routed unread, and its answer is not followed', () => {
  expect(parser.parse(Buffer.from('x'), `${SERVICE}Predict`)).toEqual({ ...NO_BODY, skipsResponse: true });
});

test('a compressed message is read', () => {
  const message = body('RawPredict', '{"input":"hi"}').subarray(5);
  expect(parser.parse(frame(message, GZIP), `${SERVICE}RawPredict`, headersOf('gzip')).json).toEqual({
    input: 'hi',
  });
});

test.each([
  { method: 'ChatCompletions', bytes: Buffer.from('x'), want: /^invalid or unsupported gRPC payload: / },
  {
    method: 'RawPredict',
    bytes: frame(Buffer.from([0xff])),
    want: /^unmarshaling RawPredictRequest: varint/,
  },
  {
    method: 'ChatCompletions',
    bytes: frame(Buffer.alloc(0)),
    want: /^ChatCompletionsRequest has no HttpBody$/,
  },
  {
    method: 'StreamRawPredict',
    bytes: body('StreamRawPredict', '{}'),
    want: /^parsing StreamRawPredictRequest: invalid responses request: must have input field$/,
  },
  {
    method: 'ChatCompletions',
    bytes: body('ChatCompletions', 'null'),
    want: /^parsing ChatCompletionsRequest: error unmarshaling request bodyMap: /,
  },
])('refused: $method, $want', ({ method, bytes, want }) => {
  expect(() => parser.parse(bytes, SERVICE + method)).toThrow(
    expect.objectContaining({ code: 'bad-request', message: expect.stringMatching(want) as string }),
  );
});

/** Prompt, completion, total and cached tokens after messages with these contents. */
function usageOf(contents: readonly (string | Buffer)[]) {
  const response = new InferenceResponse();
  response.headers = headersOf();
  const reader = parser.createResponseReader(request(), response);
  for (const data of contents) {
    reader?.push(frame(responseBytes(VERTEX, 'RawPredict', { data: Buffer.from(data) })), false);
  }
  reader?.finish();
  const { promptTokens, completionTokens, totalTokens, cachedTokens } = response.usage;
  return [promptTokens, completionTokens, totalTokens, cachedTokens].map((count) =>
    Number.isNaN(count) ? undefined : count,
  );
}

const USAGE =
  '"usage":{"prompt_tokens":7,"completion_tokens":10,"total_tokens":17,"prompt_tokens_details":{"cached_tokens":4}}';
const EVENTS = `data: {"choices":[{}]}\n\ndata: {"choices":[],${USAGE}}\n\ndata: [DONE]\n\n`;
const WHOLE = [7, 10, 17, 4];
const NONE = [undefined, undefined, undefined, undefined];

test.each([
  { name: 'nothing', contents: [], want: NONE },
  { name: 'empty messages', contents: ['', ''], want: NONE },
  { name: 'one document', contents: [`{${USAGE}}`], want: WHOLE },
  {
    name: 'a document to each message',
    contents: ['{"choices":[]}', '{"usage":null}', `{${USAGE}}`],
    want: WHOLE,
  },
  { name: 'one document in three messages', contents: ['{"a":"}', '",', `${USAGE}}`], want: WHOLE },
  { name: 'events in one message', contents: [EVENTS], want: WHOLE },
  { name: 'an event to each message', contents: EVENTS.split(/(?<=\n\n)/), want: WHOLE },
  {
    name: 'the final event of the Responses API',
    contents: [
      'event: response.completed\n',
      'data: {"type":"response.completed","response":{"usage":{"input_tokens":31,"output_tokens":3,"total_tokens":34,"input_tokens_details":{"cached_tokens":16}}}}\n\n',
    ],
    want: [31, 3, 34, 16],
  },
  { name: 'what is no JSON', contents: ['usage', '{"usage":}'], want: NONE },
])('usage: $name', ({ contents, want }) => {
  expect(usageOf(contents)).toEqual(want);
});

test('usage of events is the same wherever they are cut', () => {
  const bytes = Buffer.from(EVENTS);
  fc.assert(
    fc.property(fc.nat(bytes.length), fc.nat(bytes.length), (a, b) => {
      const [from, to] = [Math.min(a, b), Math.max(a, b)];
      expect(usageOf([bytes.subarray(0, from), bytes.subarray(from, to), bytes.subarray(to)])).toEqual(WHOLE);
    }),
  );
});

test('of a long stream the end is kept, where usage is', () => {
  const event = `data: {"text":"${'x'.repeat(60_000)}"}\n\n`;
  expect(usageOf([...Array.from({ length: 40 }, () => event), EVENTS])).toEqual(WHOLE);
});

test('any bytes are parsed or refused, and any answer is read', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.constantFrom(...METHODS), (bytes, method) => {
      for (const one of [
        Buffer.from(bytes),
        frame(bytes),
        body(method, Buffer.from(bytes).toString('latin1')),
      ]) {
        try {
          parser.parse(one, SERVICE + method, headersOf('gzip'));
        } catch (error) {
          expect(error).toBeInstanceOf(RejectionError);
        }
      }
      usageOf([Buffer.from(bytes), Buffer.from(bytes)]);
    }),
  );
});
