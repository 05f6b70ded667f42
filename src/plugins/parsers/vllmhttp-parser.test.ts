import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context } from '../../../test/support/builders.ts';
import { RejectionError } from '../../framework/errors.ts';
import type { Parser } from '../../framework/parser.ts';
import { Usage } from '../../framework/response.ts';
import { vllmhttpParser } from './vllmhttp-parser.ts';

const parser: Parser = vllmhttpParser.create({}, context());
const PATH = '/inference/v1/generate';

function parse(body: string) {
  return parser.parse(Buffer.from(body), PATH);
}

test('a generate request and its hints', () => {
  const body = {
    model: 'm',
    token_ids: [1, 2, 3],
    sampling_params: { max_tokens: 3 },
    stream: true,
    cache_salt: 's',
  };
  expect(parse(JSON.stringify(body))).toEqual({
    api: 'generate',
    json: body,
    model: 'm',
    isStreaming: true,
    maxOutputTokens: 3,
    cacheSalt: 's',
    tokenIds: [Uint32Array.of(1, 2, 3)],
    canRewriteModel: true,
    requiresModel: true,
    skipsResponse: false,
  });
});

test('hints of the wrong type are absent and never a refusal', () => {
  const parsed = parse('{"token_ids":[1],"sampling_params":[],"features":"x","model":1,"stream":"true"}');
  expect(parsed).toMatchObject({ model: '', isStreaming: false, maxOutputTokens: Number.NaN });
});

test.each([
  { body: '{}', want: 'invalid generate request: must have non-empty token_ids field' },
  { body: '{"token_ids":[]}', want: 'invalid generate request: must have non-empty token_ids field' },
  { body: '{"token_ids":"1"}', want: 'invalid generate request: must have non-empty token_ids field' },
  { body: '{"token_ids":[1,-1]}', want: 'invalid generate request: token_ids[1]: invalid value -1' },
  { body: '{"token_ids":[1.5]}', want: 'invalid generate request: token_ids[0]: invalid value 1.5' },
  {
    body: '{"token_ids":[4294967296]}',
    want: 'invalid generate request: token_ids[0]: invalid value 4294967296',
  },
  {
    body: '{"token_ids":[1,2,"secret"]}',
    want: 'invalid generate request: token_ids[2]: invalid value string',
  },
  { body: '{"token_ids":[[1]]}', want: 'invalid generate request: token_ids[0]: invalid value array' },
  { body: '{"token_ids":[null]}', want: 'invalid generate request: token_ids[0]: invalid value null' },
  { body: '{', want: 'invalid JSON at position 1' },
  { body: '', want: 'unexpected end of JSON input' },
  { body: '[]', want: 'must be a JSON object, got array' },
])('$body is refused', ({ body, want }) => {
  expect(() => parse(body)).toThrow(new RejectionError('bad-request', want));
});

test('every uint32 is a token id, and nothing else', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(0xffff_ffff), { minLength: 1 }), (ids) => {
      expect([...(parse(JSON.stringify({ token_ids: ids })).tokenIds[0] ?? [])]).toEqual(ids);
    }),
  );
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const isId = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
      const run = () => parse(JSON.stringify({ token_ids: [value] }));
      if (isId) expect(run()).toHaveProperty('api', 'generate');
      else expect(run).toThrow(RejectionError);
    }),
  );
});

test('usage is read as OpenAI reports it', () => {
  const usage = new Usage();
  parser.readUsage({ usage: { prompt_tokens: 57, completion_tokens: 3, total_tokens: 60 } }, false, usage);
  expect([usage.promptTokens, usage.completionTokens, usage.totalTokens]).toEqual([57, 3, 60]);
});
