import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, request } from '../../../test/support/builders.ts';
import { frame, GZIP, requestBytes, responseBytes, VLLM } from '../../../test/support/grpc-bodies.ts';
import { NO_BODY } from '../../framework/body.ts';
import { RejectionError } from '../../framework/errors.ts';
import { Headers } from '../../framework/headers.ts';
import { InferenceResponse } from '../../framework/response.ts';
import { vllmgrpcParser } from './vllmgrpc-parser.ts';

const parser = vllmgrpcParser.create({}, context());
const GENERATE = '/vllm.grpc.engine.VllmEngine/Generate';
const EMBED = '/vllm.grpc.engine.VllmEngine/Embed';

function headersOf(encoding?: string): Headers {
  const headers = new Headers();
  headers.receive('content-type', 'application/grpc');
  if (encoding !== undefined) headers.receive('grpc-encoding', encoding);
  return headers;
}

function generate(message: object) {
  return parser.parse(frame(requestBytes(VLLM, 'Generate', message)), GENERATE, headersOf());
}

test.each([
  {
    name: 'text is the prompt of a completion',
    message: { request_id: 'r', text: 'ab', stream: true, sampling_params: { max_tokens: 7 } },
    want: { api: 'completions', json: { prompt: 'ab' }, isStreaming: true, maxOutputTokens: 7, tokenIds: [] },
  },
  {
    name: 'a limit of 0 is one',
    message: { text: 'ab', sampling_params: { max_tokens: 0 } },
    want: { api: 'completions', json: { prompt: 'ab' }, maxOutputTokens: 0 },
  },
  {
    name: 'no limit',
    message: { text: 'ab', sampling_params: {} },
    want: { maxOutputTokens: Number.NaN, isStreaming: false },
  },
  {
    name: 'token ids',
    message: { tokenized: { original_text: 'x', input_ids: [1, 300, 4294967295] } },
    want: { api: 'generate', json: undefined, tokenIds: [Uint32Array.of(1, 300, 4294967295)] },
  },
  {
    name: 'media, a hash to each placeholder',
    message: {
      tokenized: { input_ids: [1] },
      mm_inputs: { mm_placeholders: [{ offset: 4, length: 8 }, { length: 2 }], mm_hashes: ['aa'] },
    },
    want: {
      json: {
        features: {
          mm_hashes: { image: ['aa', ''] },
          mm_placeholders: {
            image: [
              { offset: 4, length: 8 },
              { offset: 0, length: 2 },
            ],
          },
        },
      },
    },
  },
])('generate: $name', ({ message, want }) => {
  const body = generate(message);
  expect(body).toMatchObject(want);
  expect(body).toMatchObject({
    model: '',
    cacheSalt: '',
    canRewriteModel: false,
    requiresModel: false,
    skipsResponse: false,
  });
});

test('of two inputs the last one counts', () => {
  const text = requestBytes(VLLM, 'Generate', { text: 'ab' });
  const tokens = requestBytes(VLLM, 'Generate', { tokenized: { input_ids: [1] } });
  const both = [Buffer.concat([text, tokens]), Buffer.concat([tokens, text])];
  expect(both.map((message) => parser.parse(frame(message), GENERATE).api)).toEqual([
    'generate',
    'completions',
  ]);
});

test('embed: token ids, without features or limit', () => {
  const message = requestBytes(VLLM, 'Embed', { tokenized: { input_ids: [5, 6] } });
  expect(parser.parse(frame(message), EMBED)).toEqual({
    ...NO_BODY,
    api: 'embeddings',
    tokenIds: [Uint32Array.of(5, 6)],
  });
});

test('another method is routed unread, and its answer is not followed', () => {
  expect(parser.parse(Buffer.from('x'), '/vllm.grpc.engine.VllmEngine/Abort')).toEqual({
    ...NO_BODY,
    skipsResponse: true,
  });
});

test('compressed messages are read where grpc-encoding says how', () => {
  const message = requestBytes(VLLM, 'Generate', { text: 'ab'.repeat(1000) });
  const body = parser.parse(frame(message, GZIP), GENERATE, headersOf('gzip'));
  expect(body.json).toEqual({ prompt: 'ab'.repeat(1000) });
});

const BOMB = frame(Buffer.alloc(17 << 20), GZIP);

test.each([
  {
    name: 'no frame',
    path: GENERATE,
    body: Buffer.from('{}'),
    want: /^invalid or unsupported gRPC payload: /,
  },
  {
    name: 'a compressed frame without encoding',
    path: GENERATE,
    body: frame(Buffer.from([]), GZIP),
    want: /^invalid or unsupported gRPC payload: /,
  },
  {
    name: 'a cut frame',
    path: EMBED,
    body: frame(Buffer.from('abc')).subarray(0, 6),
    want: /^invalid or unsup/,
  },
  {
    name: 'no input',
    path: GENERATE,
    body: frame(Buffer.from([])),
    want: /^not supported request inputType$/,
  },
  {
    name: 'no input to embed',
    path: EMBED,
    body: frame(Buffer.from([])),
    want: /^missing tokenized input in Emb/,
  },
  {
    name: 'no protobuf',
    path: GENERATE,
    body: frame(Buffer.from([0xff])),
    want: /^unmarshaling GenerateRequest: varint without end$/,
  },
  {
    name: 'no protobuf to embed',
    path: EMBED,
    body: frame(Buffer.from([0x12, 9])),
    want: /^unmarshaling EmbedRequest: field 2 is cut off$/,
  },
])('refused: $name', ({ path, body, want }) => {
  expect(() => parser.parse(body, path, headersOf())).toThrow(
    expect.objectContaining({ code: 'bad-request', message: expect.stringMatching(want) as string }),
  );
});

test('a message that inflates beyond all bounds is refused as too large', () => {
  expect(() => parser.parse(BOMB, GENERATE, headersOf('gzip'))).toThrow(
    expect.objectContaining({ code: 'too-large' }),
  );
});

/** Prompt, completion, total and cached tokens after `chunks`; undefined where there are none. */
function usageOf(api: 'generate' | 'embeddings', chunks: readonly Buffer[], encoding?: string) {
  const response = new InferenceResponse();
  response.headers = headersOf(encoding);
  const reader = parser.createResponseReader(request({ body: { api } }), response);
  for (const chunk of chunks) reader?.push(chunk, false);
  reader?.finish();
  const { promptTokens, completionTokens, totalTokens, cachedTokens } = response.usage;
  return [promptTokens, completionTokens, totalTokens, cachedTokens].map((count) =>
    Number.isNaN(count) ? undefined : count,
  );
}

function answers(...messages: object[]): Buffer[] {
  return messages.map((message) => responseBytes(VLLM, 'Generate', message));
}

const NONE = [undefined, undefined, undefined, undefined];
const FIRST = { chunk: { token_ids: [1], prompt_tokens: 9, completion_tokens: 1, cached_tokens: 4 } };
const SECOND = { chunk: { token_ids: [2, 3], completion_tokens: 3, cached_tokens: 4 } };
const LAST = {
  complete: { finish_reason: 'stop', prompt_tokens: 9, completion_tokens: 5, cached_tokens: 4 },
};

test.each([
  { name: 'nothing', messages: [], want: NONE },
  { name: 'a chunk without counts', messages: [{ chunk: { token_ids: [1, 2] } }], want: NONE },
  { name: 'one chunk', messages: [FIRST], want: [9, 1, 10, 4] },
  { name: 'later chunks replace counts that they tell', messages: [FIRST, SECOND], want: [9, 3, 12, 4] },
  { name: 'a stream to its end', messages: [FIRST, SECOND, LAST], want: [9, 5, 14, 4] },
  { name: 'a whole answer', messages: [{ complete: { prompt_tokens: 2 } }], want: [2, 0, 2, 0] },
])('usage of generate: $name', ({ messages, want }) => {
  const frames = answers(...messages).map((message) => frame(message));
  expect(usageOf('generate', frames)).toEqual(want);
  expect(usageOf('generate', [Buffer.concat(frames)])).toEqual(want);
  const compressed = answers(...messages).map((message) => frame(message, GZIP));
  expect(usageOf('generate', compressed, 'gzip')).toEqual(want);
  expect(usageOf('generate', compressed)).toEqual(NONE);
});

test('usage of embed: the prompt alone', () => {
  const message = responseBytes(VLLM, 'Embed', { embedding: [0.5, 1], prompt_tokens: 6, embedding_dim: 2 });
  expect(usageOf('embeddings', [frame(message)])).toEqual([6, undefined, 6, undefined]);
  expect(usageOf('embeddings', [frame(responseBytes(VLLM, 'Embed', {}))])).toEqual(NONE);
});

test('usage is the same however the answer is cut', () => {
  const body = Buffer.concat(answers(FIRST, SECOND, LAST).map((message) => frame(message)));
  fc.assert(
    fc.property(fc.nat(body.length), fc.nat(body.length), (a, b) => {
      const [from, to] = [Math.min(a, b), Math.max(a, b)];
      const chunks = [body.subarray(0, from), body.subarray(from, to), body.subarray(to)];
      expect(usageOf('generate', chunks)).toEqual([9, 5, 14, 4]);
    }),
  );
});

test('an answer that is no gRPC is not read', () => {
  const response = new InferenceResponse();
  expect(parser.createResponseReader(request(), response)).toBeUndefined();
  response.headers = new Headers();
  response.headers.receive('content-type', 'text/plain');
  expect(parser.createResponseReader(request(), response)).toBeUndefined();
});

test('any bytes are parsed or refused, and any answer is read', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.constantFrom(GENERATE, EMBED), (bytes, path) => {
      for (const body of [Buffer.from(bytes), frame(bytes)]) {
        try {
          parser.parse(body, path, headersOf('gzip'));
        } catch (error) {
          expect(error).toBeInstanceOf(RejectionError);
        }
        usageOf(path === EMBED ? 'embeddings' : 'generate', [body]);
      }
    }),
  );
});

test('an answer that broke a message leaves the counts of those before', () => {
  const [first = Buffer.alloc(0)] = answers(FIRST);
  expect(
    usageOf('generate', [frame(first), frame(Buffer.from([0xff])), frame(first).subarray(0, 7)]),
  ).toEqual([9, 1, 10, 4]);
});
