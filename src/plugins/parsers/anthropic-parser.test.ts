import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context } from '../../../test/support/builders.ts';
import type { JsonObject } from '../../framework/body.ts';
import { RejectionError } from '../../framework/errors.ts';
import { Usage } from '../../framework/response.ts';
import { anthropicParser } from './anthropic-parser.ts';

const parser = anthropicParser.create(anthropicParser.params.parse({}), context());
const messages = [{ role: 'user', content: 'hi' }];

function parse(path: string, body: unknown) {
  return parser.parse(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), path);
}

test('a messages request and its hints', () => {
  const body = { model: 'm', messages, stream: true, max_tokens: 5, cache_salt: 's', system: 'be brief' };
  expect(parse('/v1/messages', body)).toEqual({
    api: 'messages',
    json: body,
    model: 'm',
    isStreaming: true,
    maxOutputTokens: 5,
    cacheSalt: 's',
    tokenIds: [],
    canRewriteModel: true,
    requiresModel: true,
    skipsResponse: false,
  });
});

test('hints of the wrong type are absent and never a refusal', () => {
  const body = { model: 1, messages: [7], stream: 1, max_tokens: '5', cache_salt: 2, system: 3, tools: 'x' };
  expect(parse('/v1/messages', body)).toMatchObject({ model: '', isStreaming: false, cacheSalt: '' });
});

test.each([
  {
    path: '/v1/messages',
    body: '{"messages":[]}',
    want: 'invalid messages request: must have at least one message',
  },
  {
    path: '/v1/messages',
    body: '{"messages":null}',
    want: 'invalid messages request: must have at least one message',
  },
  { path: '/v1/messages', body: '{}', want: 'invalid messages request: must have at least one message' },
  {
    path: '/v1/messages',
    body: '{"messages":"x"}',
    want: 'error parsing messages request: messages must be an array',
  },
  {
    path: '/v1/messages',
    body: '[]',
    want: 'error unmarshaling request body: must be a JSON object, got array',
  },
  { path: '/v1/messages', body: '', want: 'error unmarshaling request body: unexpected end of JSON input' },
  { path: '/v1/other', body: '{}', want: 'unsupported API endpoint: /v1/other' },
])('$path with $body is refused', ({ path, body, want }) => {
  expect(() => parse(path, body)).toThrow(new RejectionError('bad-request', want));
});

test('counting tokens hides the prompt, but the model can be rewritten', () => {
  expect(parse('/v1/messages/count_tokens', { model: 'm', messages })).toMatchObject({
    api: 'opaque',
    json: undefined,
    model: 'm',
    canRewriteModel: true,
    requiresModel: false,
    skipsResponse: true,
  });
});

test('counting tokens of a body that is no JSON is left to the model server', () => {
  expect(parse('/v1/messages/count_tokens', 'x')).toMatchObject({ model: '', canRewriteModel: false });
});

function usageOf(
  documents: readonly unknown[],
  isEvent: boolean,
  promptIncludesCache = false,
): (number | undefined)[] {
  const usage = new Usage();
  const reader = anthropicParser.create({ promptIncludesCache }, context());
  for (const document of documents) reader.readUsage(document as JsonObject, isEvent, usage);
  return [usage.promptTokens, usage.completionTokens, usage.totalTokens, usage.cachedTokens].map((count) =>
    Number.isNaN(count) ? undefined : count,
  );
}

const none = undefined;

test.each([
  { name: 'none', usage: none, want: [none, none, none, none] },
  { name: 'plain', usage: { input_tokens: 22, output_tokens: 5 }, want: [22, 5, 27, none] },
  {
    name: 'cached',
    usage: { input_tokens: 22, output_tokens: 5, cache_read_input_tokens: 16 },
    want: [22, 5, 27, 16],
  },
  { name: 'numbers only', usage: { input_tokens: '22', output_tokens: 5.5 }, want: [none, 5, 5, none] },
])('usage of a message: $name', ({ usage, want }) => {
  expect(usageOf([{ usage }], false)).toEqual(want);
});

const start = {
  type: 'message_start',
  message: {
    usage: {
      input_tokens: 1000,
      output_tokens: 1,
      cache_read_input_tokens: 800,
      cache_creation_input_tokens: 30,
    },
  },
};

test('usage of a stream: the prompt from its start, the completion from its end', () => {
  const delta = { type: 'message_delta', usage: { output_tokens: 200 } };
  expect(usageOf([start, { type: 'content_block_delta', usage: { output_tokens: 9 } }, delta], true)).toEqual(
    [1000, 200, 1200, 800],
  );
  expect(usageOf([start], true)).toEqual([1000, none, 1000, 800]);
});

test('usage of a stream of vLLM: the last event repeats the prompt with its cached part', () => {
  const first = { type: 'message_start', message: { usage: { input_tokens: 22, output_tokens: 0 } } };
  const last = {
    type: 'message_delta',
    usage: { input_tokens: 22, output_tokens: 5, cache_read_input_tokens: 16 },
  };
  expect(usageOf([first, last], true)).toEqual([22, 5, 27, 16]);
});

test('promptIncludesCache adds what input_tokens leaves out', () => {
  const delta = { type: 'message_delta', usage: { output_tokens: 200 } };
  expect(usageOf([start, delta], true, true)).toEqual([1830, 200, 2030, 800]);
  expect(usageOf([{ usage: { input_tokens: 5, output_tokens: 1 } }], false, true)).toEqual([5, 1, 6, none]);
});

test('any bytes are parsed or refused as bad-request; any document is read', () => {
  const paths = fc.constantFrom('/v1/messages', '/v1/messages/count_tokens', '/other');
  const keys = fc.constantFrom('usage', 'type', 'message', 'messages', 'model');
  fc.assert(
    fc.property(paths, fc.dictionary(keys, fc.jsonValue()), fc.uint8Array(), (path, document, bytes) => {
      for (const body of [Buffer.from(bytes), Buffer.from(JSON.stringify(document))]) {
        try {
          expect(typeof parser.parse(body, path).model).toBe('string');
        } catch (error) {
          expect(error).toHaveProperty('code', 'bad-request');
        }
      }
      for (const count of usageOf([document], true))
        if (count !== undefined) expect(count).toBeGreaterThanOrEqual(0);
    }),
  );
});
