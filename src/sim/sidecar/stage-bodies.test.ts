import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Api } from '../api-request.ts';
import { cachedTokensOf, encodeBody, nixlPrefillBody, oneToken } from './stage-bodies.ts';

const CAPS = { max_tokens: 1, max_completion_tokens: 1, min_tokens: 1 };

describe('oneToken', () => {
  test.each<{ api: Api; body: object; want: object }>([
    {
      api: 'chat',
      body: { messages: [], stream: true, stream_options: { include_usage: true }, max_tokens: 9 },
      want: { messages: [], stream: false, ...CAPS },
    },
    {
      api: 'completions',
      body: { prompt: 'a', min_tokens: 4 },
      want: { prompt: 'a', stream: false, ...CAPS },
    },
    { api: 'messages', body: { messages: [] }, want: { messages: [], stream: false, ...CAPS } },
    {
      api: 'responses',
      body: { input: 'a', max_output_tokens: 5 },
      want: { input: 'a', stream: false, max_output_tokens: 1 },
    },
    {
      api: 'generate',
      body: { token_ids: [1], sampling_params: { temperature: 0, max_tokens: 7 } },
      want: {
        token_ids: [1],
        stream: false,
        sampling_params: { temperature: 0, max_tokens: 1, min_tokens: 1 },
      },
    },
    {
      api: 'generate',
      body: { token_ids: [1] },
      want: { token_ids: [1], stream: false, sampling_params: { max_tokens: 1, min_tokens: 1 } },
    },
  ])('$api', ({ api, body, want }) => {
    expect(oneToken(api, { ...body })).toEqual(want);
  });

  test('the original stays as it is', () => {
    const api = fc.constantFrom<Api>('chat', 'completions', 'messages', 'responses', 'generate');
    fc.assert(
      fc.property(api, fc.dictionary(fc.string(), fc.jsonValue()), (which, body) => {
        const before = JSON.stringify(body);
        nixlPrefillBody(which, body);
        encodeBody(body, { type: 'image_url' });
        expect(JSON.stringify(body)).toBe(before);
      }),
    );
  });
});

test('a prefill request asks for a remote decode and names nothing yet', () => {
  expect(nixlPrefillBody('completions', { prompt: 'a' })['kv_transfer_params']).toEqual({
    do_remote_decode: true,
    do_remote_prefill: false,
    remote_engine_id: null,
    remote_block_ids: null,
    remote_host: null,
    remote_port: null,
  });
});

test('an encode request has one item and no text', () => {
  const item = { type: 'image_url', image_url: { url: 'http://a' } };
  const body = { model: 'm', messages: [{ role: 'user', content: [{ type: 'text', text: 'what?' }, item] }] };
  expect(encodeBody(body, item)).toEqual({
    model: 'm',
    stream: false,
    ...CAPS,
    messages: [{ role: 'user', content: [item] }],
  });
});

test.each([
  [{ usage: { prompt_tokens_details: { cached_tokens: 5 } } }, 5],
  [{ usage: { input_tokens_details: { cached_tokens: 6 } } }, 6],
  [{ usage: { cache_read_input_tokens: 7 } }, 7],
  [{ usage: { prompt_tokens_details: null } }, undefined],
  [{ usage: { prompt_tokens_details: {} } }, undefined],
  [{ usage: null }, undefined],
  [{}, undefined],
])('cached tokens of %j are %s', (answer, want) => {
  expect(cachedTokensOf(answer)).toBe(want);
});
