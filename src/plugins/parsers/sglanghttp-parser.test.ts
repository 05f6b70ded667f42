import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context } from '../../../test/support/builders.ts';
import { RejectionError } from '../../framework/errors.ts';
import { Usage } from '../../framework/response.ts';
import { EventUsageReader } from '../../response/sse.ts';
import { DocumentUsageReader } from '../../response/usage-reader.ts';
import { sglanghttpParser } from './sglanghttp-parser.ts';

const parser = sglanghttpParser.create({}, context());

function parse(body: unknown) {
  return parser.parse(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)));
}

const ids = (...values: number[]) => Uint32Array.from(values);

test.each([
  { name: 'token ids', body: { input_ids: [1, 2, 4294967295] }, tokenIds: [ids(1, 2, 4294967295)] },
  { name: 'a batch of token ids', body: { input_ids: [[1, 2], [3]] }, tokenIds: [ids(1, 2), ids(3)] },
  { name: 'text', body: { text: 'hi' }, tokenIds: [] },
  { name: 'a batch of texts', body: { text: ['hi', 'you'] }, tokenIds: [] },
  { name: 'embeddings', body: { input_embeds: [[0.5]] }, tokenIds: [] },
  { name: 'ids beside text', body: { text: 'hi', input_ids: [1] }, tokenIds: [ids(1)] },
])('$name', ({ body, tokenIds }) => {
  expect(parse(body)).toMatchObject({ api: 'generate', json: body, tokenIds, model: '' });
});

test('hints, and what is never done with such a body', () => {
  const body = {
    text: 'hi',
    stream: true,
    sampling_params: { max_new_tokens: 9 },
    extra_key: 'k',
    model: 'm',
  };
  expect(parse(body)).toEqual({
    api: 'generate',
    json: body,
    longTexts: undefined,
    model: '',
    isStreaming: true,
    maxOutputTokens: 9,
    cacheSalt: 'k',
    tokenIds: [],
    canRewriteModel: false,
    requiresModel: false,
    skipsResponse: false,
  });
});

test('events of a batch that differ in numbers alone are added up', () => {
  const usage = new Usage();
  const reader = new EventUsageReader(parser, usage);
  const event = (id: number, finish: string | null, completion: number) => {
    const info = {
      id: `req${id}`,
      finish_reason: finish,
      prompt_tokens: 5 + id,
      completion_tokens: completion,
    };
    reader.push(Buffer.from(`data: ${JSON.stringify({ text: 'x', meta_info: info })}\n\n`));
  };
  event(1, null, 1);
  event(2, null, 1);
  event(1, 'stop', 7);
  event(2, 'stop', 7);
  reader.finish();
  expect(usage).toMatchObject({ promptTokens: 13, completionTokens: 14, totalTokens: 27 });
});

test.each([
  { sampling: { max_new_tokens: 0 }, want: 0 },
  { sampling: { max_new_tokens: -1 }, want: Number.NaN },
  { sampling: { max_new_tokens: '5' }, want: Number.NaN },
  { sampling: [{ max_new_tokens: 5 }], want: Number.NaN },
  { sampling: null, want: Number.NaN },
])('limit of $sampling', ({ sampling, want }) => {
  expect(parse({ text: 'hi', sampling_params: sampling }).maxOutputTokens).toBe(want);
});

test.each([
  { key: null, want: '' },
  { key: ['a', 'a'], want: 'a' },
  { key: ['a', 'b'], want: 'a\nb' },
  { key: [], want: '' },
])('salt of $key', ({ key, want }) => {
  expect(parse({ text: ['x', 'y'], extra_key: key }).cacheSalt).toBe(want);
});

test.each([
  { body: {}, want: 'invalid generate request: input_ids must be provided' },
  { body: { input_ids: null }, want: 'invalid generate request: input_ids must be provided' },
  { body: { text: '' }, want: 'invalid generate request: input_ids must be provided' },
  { body: { text: [1, 2] }, want: 'invalid generate request: input_ids must be provided' },
  {
    body: { input_ids: 'x' },
    want: 'invalid generate request: input_ids must be an array of uint32 integers',
  },
  {
    body: { input_ids: [1.5] },
    want: 'invalid generate request: input_ids must be an array of uint32 integers',
  },
  {
    body: { input_ids: [-1] },
    want: 'invalid generate request: input_ids must be an array of uint32 integers',
  },
  {
    body: { input_ids: [[1], 2] },
    want: 'invalid generate request: input_ids must be an array of uint32 integers',
  },
  { body: { input_ids: [] }, want: 'invalid generate request: input_ids cannot be empty' },
  { body: { input_ids: [[1], []] }, want: 'invalid generate request: input_ids cannot be empty' },
  {
    body: { input_ids: [1], extra_key: 5 },
    want: 'unsupported generate request: extra_key must be a string',
  },
  {
    body: { input_ids: [1], extra_key: [5] },
    want: 'unsupported generate request: extra_key must be a string',
  },
  { body: { input_ids: [1], stream: 'yes' }, want: 'invalid generate request: stream must be a boolean' },
  { body: [], want: 'invalid generate request: must be a JSON object, got array' },
])('refused: $body', ({ body, want }) => {
  expect(() => parse(body)).toThrow(new RejectionError('bad-request', want));
});

/** Prompt, completion, total and cached tokens of an answer in these chunks. */
function usageOf(isEvents: boolean, chunks: readonly string[]) {
  const usage = new Usage();
  const reader = isEvents ? new EventUsageReader(parser, usage) : new DocumentUsageReader(parser, usage);
  for (const [i, chunk] of chunks.entries()) reader.push(Buffer.from(chunk), i === chunks.length - 1);
  reader.finish();
  return [usage.promptTokens, usage.completionTokens, usage.totalTokens, usage.cachedTokens].map((count) =>
    Number.isNaN(count) ? undefined : count,
  );
}

const NONE = [undefined, undefined, undefined, undefined];

function meta(prompt: number, completion: number, cached: number, finish: object | null): object {
  return {
    id: 'x',
    finish_reason: finish,
    prompt_tokens: prompt,
    completion_tokens: completion,
    cached_tokens: cached,
  };
}

const STOP = { type: 'stop', matched: 2 };
const ONE = JSON.stringify({ text: 'out', meta_info: meta(12, 3, 8, STOP) });
const BATCH = JSON.stringify([
  { text: 'a', meta_info: meta(12, 3, 8, STOP) },
  { text: 'b', meta_info: meta(5, 4, 0, { type: 'length', length: 4 }) },
  'x',
]);

test.each([
  { name: 'one answer', chunks: [ONE], want: [12, 3, 15, 8] },
  { name: 'one answer in two chunks', chunks: [ONE.slice(0, 20), ONE.slice(20)], want: [12, 3, 15, 8] },
  { name: 'a batch', chunks: [BATCH], want: [17, 7, 24, 8] },
  { name: 'a batch in two chunks', chunks: [BATCH.slice(0, 9), BATCH.slice(9)], want: [17, 7, 24, 8] },
  { name: 'half a batch', chunks: [BATCH.slice(0, 90)], want: NONE },
  { name: 'no counts', chunks: ['{"meta_info":{"id":"x"}}'], want: NONE },
  { name: 'one count', chunks: ['{"meta_info":{"prompt_tokens":3}}'], want: [3, 0, 3, undefined] },
  { name: 'another document', chunks: ['{"usage":{"prompt_tokens":3}}'], want: NONE },
  { name: 'no JSON', chunks: ['oops'], want: NONE },
])('usage of JSON: $name', ({ chunks, want }) => {
  expect(usageOf(false, chunks)).toEqual(want);
});

function event(info: object, index?: number): string {
  return `data: ${JSON.stringify({ text: 't', meta_info: info, ...(index !== undefined && { index }) })}\n\n`;
}

test.each([
  { name: 'no end', events: [event(meta(12, 1, 8, null)), event(meta(12, 2, 8, null))], want: NONE },
  {
    name: 'the end of one prompt',
    events: [
      event(meta(12, 1, 8, null)),
      event(meta(12, 2, 8, null)),
      event(meta(12, 3, 8, STOP)),
      'data: [DONE]\n\n',
    ],
    want: [12, 3, 15, 8],
  },
  {
    name: 'the ends of a batch, which look alike',
    events: [1, 2, 3].map((index) => event(meta(10 + index, 2, 1, STOP), index)),
    want: [36, 6, 42, 3],
  },
])('usage of events: $name', ({ events, want }) => {
  expect(usageOf(true, events)).toEqual(want);
  expect(usageOf(true, [events.join('')])).toEqual(want);
});

test('any bytes are parsed or refused', () => {
  const keys = fc.constantFrom('input_ids', 'text', 'extra_key', 'stream', 'sampling_params', 'meta_info');
  fc.assert(
    fc.property(fc.dictionary(keys, fc.jsonValue()), fc.uint8Array(), (document, bytes) => {
      for (const body of [JSON.stringify(document), Buffer.from(bytes).toString('latin1')]) {
        try {
          parse(body);
        } catch (error) {
          expect(error).toHaveProperty('code', 'bad-request');
        }
      }
      usageOf(false, [JSON.stringify([document])]);
      usageOf(true, [`data: ${JSON.stringify(document)}\n\n`]);
    }),
  );
});
