import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { context } from '../../../test/support/builders.ts';
import type { JsonObject } from '../../framework/body.ts';
import { RejectionError } from '../../framework/errors.ts';
import { Usage } from '../../framework/response.ts';
import { openaiParser } from './openai-parser.ts';

const parser = openaiParser.create({}, context());

function parse(path: string, body: unknown) {
  return parser.parse(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), path);
}

/** What a refused body is answered with; undefined when it is taken. */
function refusal(path: string, body: unknown): string | undefined {
  try {
    parse(path, body);
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(RejectionError);
    return error instanceof RejectionError ? `${error.code}: ${error.message}` : '';
  }
}

function ids(path: string, body: unknown): number[][] {
  return parse(path, body).tokenIds.map((prompt) => [...prompt]);
}

const messages = [{ role: 'user', content: 'hi' }];

test.each([
  { path: '/v1/chat/completions', body: { messages }, api: 'chat' },
  { path: '/v1/chat/completions/render', body: { messages }, api: 'chat' },
  { path: '/v1/completions', body: { prompt: 'x' }, api: 'completions' },
  { path: '/v1/completions/render', body: { prompt: 'x' }, api: 'completions' },
  { path: '/anything', body: { prompt: 'x' }, api: 'completions' },
  { path: '/v1/responses', body: { input: 'x' }, api: 'responses' },
  { path: '/v1/conversations', body: { items: [{}] }, api: 'conversations' },
  { path: '/v1/embeddings', body: { input: 'x' }, api: 'embeddings' },
  { path: '/v1/images/generations', body: { prompt: 'x' }, api: 'images' },
])('$path speaks $api', ({ path, body, api }) => {
  const parsed = parse(path, body);
  expect(parsed.api).toBe(api);
  expect(parsed.json).toEqual(body);
  expect(parsed.canRewriteModel).toBe(true);
  expect(parsed.requiresModel).toBe(api !== 'conversations');
  expect(parsed.skipsResponse).toBe(false);
});

test('hints are read where they have the right type', () => {
  const hints = { model: 'm', stream: true, max_tokens: 7, cache_salt: 's' };
  expect(parse('/v1/chat/completions', { messages, ...hints })).toMatchObject({
    model: 'm',
    isStreaming: true,
    maxOutputTokens: 7,
    cacheSalt: 's',
    tokenIds: [],
  });
});

test('hints of the wrong type are absent and never a refusal', () => {
  const wrong = {
    model: 3,
    stream: 'true',
    max_tokens: '9',
    cache_salt: {},
    tools: 'x',
    documents: 1,
    chat_template: [],
  };
  expect(parse('/v1/chat/completions', { messages: [{ role: 5, content: 7 }], ...wrong })).toMatchObject({
    model: '',
    isStreaming: false,
    maxOutputTokens: Number.NaN,
    cacheSalt: '',
  });
});

test.each([
  { name: 'first key in order', body: { max_tokens: 50, max_completion_tokens: 20 }, want: 20 },
  { name: 'negative passed over', body: { max_completion_tokens: -1, max_tokens: 50 }, want: 50 },
  { name: 'fraction passed over', body: { max_completion_tokens: 1.5, max_tokens: 50 }, want: 50 },
  { name: 'zero counts', body: { max_completion_tokens: 0, max_tokens: 50 }, want: 0 },
  { name: 'string passed over', body: { max_tokens: '50' }, want: Number.NaN },
])('chat limit: $name', ({ body, want }) => {
  expect(parse('/v1/chat/completions', { messages, ...body }).maxOutputTokens).toBe(want);
});

test('other APIs have limits of their own', () => {
  const limits = { max_tokens: 1, max_output_tokens: 2, max_completion_tokens: 3 };
  expect(parse('/v1/responses', { input: [], ...limits }).maxOutputTokens).toBe(2);
  expect(parse('/v1/completions', { prompt: 'x', ...limits }).maxOutputTokens).toBe(1);
  expect(parse('/v1/embeddings', { input: 'x', ...limits }).maxOutputTokens).toBeNaN();
});

describe.each([
  {
    path: '/v1/completions',
    key: 'prompt',
    complaint: 'invalid completions request: must have prompt field',
  },
  { path: '/v1/embeddings', key: 'input', complaint: 'invalid embeddings request: must have input field' },
])('$path', ({ path, key, complaint }) => {
  test.each([
    { name: 'text', value: 'x', want: [] },
    { name: 'texts', value: ['a', 'b'], want: [] },
    { name: 'texts, some empty', value: ['', 'b'], want: [] },
    { name: 'token ids', value: [1, 2, 3], want: [[1, 2, 3]] },
    { name: 'the largest id', value: [4294967295], want: [[4294967295]] },
    { name: 'a batch of token ids', value: [[1, 2], [3]], want: [[1, 2], [3]] },
  ])('takes $name', ({ value, want }) => {
    expect(ids(path, { [key]: value })).toEqual(want);
  });

  test.each([
    '""',
    '[]',
    'null',
    '7',
    '{}',
    'true',
    '[1.5]',
    '["a",1]',
    '[1,"a"]',
    '[-1]',
    '[4294967296]',
    '[[]]',
    '[[1],"a"]',
    '[[1],[1.5]]',
    '[null]',
  ])('refuses %s', (value) => {
    expect(refusal(path, `{"${key}":${value}}`)).toBe(`bad-request: ${complaint}`);
  });
});

test.each([
  { path: '/v1/completions', want: 'invalid completions request: must have prompt field' },
  { path: '/v1/embeddings', want: 'invalid embeddings request: must have input field' },
  { path: '/v1/responses', want: 'invalid responses request: must have input field' },
  { path: '/v1/conversations', want: 'invalid conversations request: must have items field' },
  { path: '/v1/chat/completions', want: 'invalid chat completions request: must have valid messages field' },
  { path: '/v1/images/generations', want: 'invalid images generations request: must have prompt field' },
])('$path without its content', ({ path, want }) => {
  expect(refusal(path, { model: 'm' })).toBe(`bad-request: ${want}`);
  expect(refusal(path, { input: null, prompt: [], messages: 'nope', items: [] })).toBe(
    `bad-request: ${want}`,
  );
});

test('what vLLM takes in place of a prompt is taken', () => {
  expect(refusal('/v1/completions', { prompt_embeds: 'AAAA' })).toBeUndefined();
  expect(refusal('/v1/completions', { prompt_embeds: null })).toContain('prompt');
  expect(refusal('/v1/embeddings', { messages })).toBeUndefined();
});

test.each([
  { body: 'no healthy upstream', want: 'invalid JSON' },
  { body: '', want: 'unexpected end of JSON input' },
  { body: '{"model":"secret"', want: 'at position' },
  { body: '[1]', want: 'must be a JSON object, got array' },
  { body: 'null', want: 'must be a JSON object, got null' },
  { body: '"secret"', want: 'must be a JSON object, got string' },
])('$body is refused without being quoted', ({ body, want }) => {
  const text = refusal('/v1/completions', body);
  expect(text).toMatch(/^bad-request: error unmarshaling request bodyMap: /);
  expect(text).toContain(want);
  expect(text).not.toContain('secret');
});

test('names are case-sensitive and the last duplicate counts', () => {
  expect(parse('/v1/completions', '{"Model":"A","model":"a","model":"b","prompt":"x"}').model).toBe('b');
});

test('a byte order mark, bad UTF-8 and deep nesting are taken', () => {
  expect(parse('/v1/completions', '\ufeff{"prompt":"x","model":"m"}').model).toBe('m');
  const broken = Buffer.concat([
    Buffer.from('{"prompt":"'),
    Buffer.from([0xff]),
    Buffer.from('","model":"m"}'),
  ]);
  expect(parser.parse(broken, '/v1/completions').model).toBe('m');
  const deep = `{"prompt":"x","a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
  expect(refusal('/v1/completions', deep)).toBeUndefined();
});

test('any bytes are parsed or refused as bad-request', () => {
  const paths = fc.constantFrom(
    '/v1/completions',
    '/v1/chat/completions',
    '/v1/embeddings',
    '/v1/responses',
    '/',
  );
  const bodies = fc.oneof(
    fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
    fc.json().map((text) => Buffer.from(text)),
    fc
      .dictionary(
        fc.constantFrom('model', 'prompt', 'input', 'messages', 'stream', 'max_tokens'),
        fc.jsonValue(),
      )
      .map((body) => Buffer.from(JSON.stringify(body))),
  );
  fc.assert(
    fc.property(paths, bodies, (path, bytes) => {
      const before = Buffer.from(bytes);
      try {
        expect(typeof parser.parse(bytes, path).model).toBe('string');
      } catch (error) {
        expect(error).toBeInstanceOf(RejectionError);
        expect(error).toHaveProperty('code', 'bad-request');
      }
      expect(bytes).toEqual(before);
    }),
  );
});

function usageOf(documents: readonly unknown[], isEvent = false): (number | undefined)[] {
  const usage = new Usage();
  for (const document of documents) parser.readUsage(document as JsonObject, isEvent, usage);
  return [usage.promptTokens, usage.completionTokens, usage.totalTokens, usage.cachedTokens].map((count) =>
    Number.isNaN(count) ? undefined : count,
  );
}

const none = undefined;

test.each([
  { name: 'none', usage: none, want: [none, none, none, none] },
  { name: 'null', usage: null, want: [none, none, none, none] },
  {
    name: 'chat',
    usage: { prompt_tokens: 7, completion_tokens: 10, total_tokens: 17 },
    want: [7, 10, 17, none],
  },
  {
    name: 'responses',
    usage: {
      input_tokens: 31,
      output_tokens: 3,
      total_tokens: 34,
      input_tokens_details: { cached_tokens: 16 },
    },
    want: [31, 3, 34, 16],
  },
  { name: 'embeddings', usage: { prompt_tokens: 8, total_tokens: 8 }, want: [8, none, 8, none] },
  {
    name: 'cached zero is reported',
    usage: { prompt_tokens: 8, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 0 } },
    want: [8, 1, 9, 0],
  },
  {
    name: 'null falls to the other name',
    usage: { prompt_tokens: null, input_tokens: 4, output_tokens: 2 },
    want: [4, 2, 6, none],
  },
  {
    name: 'both details',
    usage: {
      prompt_tokens: 1,
      prompt_tokens_details: { cached_tokens: 5 },
      input_tokens_details: { cached_tokens: 6 },
    },
    want: [1, none, 1, 6],
  },
  {
    name: 'text and fractions',
    usage: { prompt_tokens: '12', completion_tokens: 3.9 },
    want: [12, 3, 15, none],
  },
  { name: 'nonsense counts 0', usage: { prompt_tokens: {}, completion_tokens: -4 }, want: [0, 0, 0, none] },
])('usage: $name', ({ usage, want }) => {
  expect(usageOf([{ usage }])).toEqual(want);
});

test('usage of events is merged: non-zero counts replace, zeros do not', () => {
  const first = { prompt_tokens: 433, completion_tokens: 0, total_tokens: 433 };
  const last = {
    prompt_tokens: 433,
    completion_tokens: 4,
    total_tokens: 437,
    prompt_tokens_details: { cached_tokens: 384 },
  };
  expect(usageOf([{ usage: first }, { usage: last }, { usage: first }], true)).toEqual([433, 4, 437, 384]);
});

test.each(['response.completed', 'response.incomplete', 'response.failed'])('usage of %s', (type) => {
  const response = { usage: { input_tokens: 22, output_tokens: 5, total_tokens: 27 } };
  expect(usageOf([{ type, response }], true)).toEqual([22, 5, 27, none]);
  expect(usageOf([{ type, response }], false)).toEqual([none, none, none, none]);
  expect(usageOf([{ type: 'response.created', response }], true)).toEqual([none, none, none, none]);
});

test('usage of any document is read without a throw', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom('usage', 'type', 'response', 'x'), fc.jsonValue()),
      fc.boolean(),
      (document, isEvent) => {
        for (const count of usageOf([document], isEvent)) {
          if (count !== undefined) expect(Number.isInteger(count) && count >= 0).toBe(true);
        }
      },
    ),
  );
});

test('every request that a real vLLM answered is taken', () => {
  const file = new URL('../../../test/fixtures/vllm-0.32.0/requests.json', import.meta.url);
  const requests = JSON.parse(readFileSync(file, 'utf8')) as Record<
    string,
    { path: string; body: JsonObject }
  >;
  let taken = 0;
  for (const [name, { path, body }] of Object.entries(requests)) {
    if (
      !parser.pathSuffixes.some((suffix) => path.endsWith(`/${suffix}`)) ||
      name === 'error-validation.json'
    )
      continue;
    const parsed = parse(path, body);
    expect(parsed).toMatchObject({ model: body['model'], isStreaming: name.endsWith('.sse') });
    taken += 1;
  }
  expect(taken).toBeGreaterThan(12);
});
