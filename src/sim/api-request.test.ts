import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ApiError } from './api-error.ts';
import { type Api, parseRequest } from './api-request.ts';

const parse = (api: Api, body: unknown) => parseRequest(api, Buffer.from(JSON.stringify(body)));
const chat = (content: unknown, extra = {}) =>
  parse('chat', { messages: [{ role: 'user', content }], ...extra });

describe('parseRequest', () => {
  test('a chat is its messages in order; text parts count as text', () => {
    const plain = chat('hello');
    expect(plain.prompts).toHaveLength(1);
    expect(plain.prompts[0]).toEqual(chat([{ type: 'text', text: 'hello' }]).prompts[0]);
    expect(plain).toMatchObject({
      answers: 1,
      maxTokens: undefined,
      isStream: false,
      hasUsage: false,
      cacheSalt: '',
    });
  });

  test('what comes later in a conversation does not change the tokens before it', () => {
    const messages = [{ role: 'system', content: 'be brief' }];
    const one = parse('chat', { messages: [...messages, { role: 'user', content: 'a' }] }).prompts[0];
    const two = parse('chat', {
      messages: [...messages, { role: 'user', content: 'a' }, { role: 'assistant', content: ' sun sky' }],
    }).prompts[0];
    expect([...(two?.subarray(0, one?.length) ?? [])]).toEqual([...(one ?? [])]);
  });

  test('images, tools and tool calls count, and each differs from another', () => {
    const image = (url: string) => chat([{ type: 'image_url', image_url: { url } }]).prompts[0];
    expect(image('http://a')).not.toEqual(image('http://b'));
    expect(image('http://a')?.length).toBe(image(`http://${'b'.repeat(1000)}`)?.length);
    expect(chat('x', { tools: [{ name: 'f' }] }).prompts[0]).not.toEqual(chat('x').prompts[0]);
    const called = { role: 'assistant', content: null, tool_calls: [{ id: '1' }] };
    expect(parse('chat', { messages: [called] }).prompts[0]).not.toEqual(
      parse('chat', { messages: [{ role: 'assistant' }] }).prompts[0],
    );
  });

  test.each([
    ['text', [Uint32Array.from([0x64636261])]],
    [[5, 6], [Uint32Array.of(5, 6)]],
    [
      ['abcd', [7]],
      [Uint32Array.from([0x64636261]), Uint32Array.of(7)],
    ],
  ])('a completion prompt %j', (prompt, tokens) => {
    const body = { prompt: prompt === 'text' ? 'abcd' : prompt };
    expect(parse('completions', body).prompts).toEqual(tokens);
  });

  test('options are read', () => {
    const options = { include_usage: true, continuous_usage_stats: true };
    expect(
      chat('x', { model: 'm', n: 3, max_tokens: 9, stream: true, stream_options: options, cache_salt: 's' }),
    ).toMatchObject({
      model: 'm',
      answers: 3,
      maxTokens: 9,
      isStream: true,
      hasUsage: true,
      hasContinuousUsage: true,
      cacheSalt: 's',
    });
    expect(chat('x', { max_tokens: 9, max_completion_tokens: 4 }).maxTokens).toBe(4);
    expect(parse('completions', { prompt: 'x' }).maxTokens).toBe(16);
  });

  test.each<[Api, string, string]>([
    ['chat', '{', 'json_invalid'],
    ['chat', '[]', 'json_invalid'],
    ['chat', '{}', 'Field required'],
    ['chat', '{"messages":"nope"}', 'list_type'],
    ['chat', '{"messages":[1]}', 'dict_type'],
    ['chat', '{"messages":[],"max_tokens":"9"}', 'int_parsing'],
    ['chat', '{"messages":[],"max_tokens":0}', 'max_tokens must be at least 1, got 0'],
    ['completions', '{}', 'string_type'],
    ['completions', '{"prompt":[]}', 'string_type'],
    ['completions', '{"prompt":["a",{}]}', 'string_type'],
    ['responses', '{}', 'Field required'],
    ['responses', '{"input":1}', 'string_type'],
    ['responses', '{"input":[1]}', 'dict_type'],
    ['responses', '{"input":"a","max_output_tokens":"9"}', 'body.max_output_tokens'],
    ['generate', '{}', 'Field required'],
    ['generate', '{"token_ids":[]}', 'list_type'],
    ['generate', '{"token_ids":["a"]}', 'list_type'],
    ['generate', '{"token_ids":[1],"sampling_params":{"max_tokens":0}}', 'max_tokens must be at least 1'],
  ])('%s %s is refused: %s', (api, body, text) => {
    try {
      parseRequest(api, Buffer.from(body));
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(ApiError);
      expect(error instanceof ApiError && [error.status, error.body.includes(text)]).toEqual([400, true]);
    }
  });

  test('a response is the same prompt as the chat; items without a role count as they are', () => {
    const input = (value: unknown, extra = {}) => parse('responses', { input: value, ...extra });
    const chats = chat('hello').prompts;
    expect(input('hello').prompts).toEqual(chats);
    expect(input([{ type: 'message', role: 'user', content: 'hello' }]).prompts).toEqual(chats);
    expect(input([{ role: 'user', content: [{ type: 'input_text', text: 'hello' }] }]).prompts).toEqual(
      chats,
    );
    const told = parse('chat', {
      messages: [
        { role: 'system', content: 'be brief' },
        { role: 'user', content: 'hello' },
      ],
    });
    expect(input('hello', { instructions: 'be brief' }).prompts).toEqual(told.prompts);
    const called = input([
      { type: 'function_call_output', output: 'x' },
      { role: 'user', content: 'hello' },
    ]);
    expect(called.prompts).not.toEqual(chats);
    expect(input('a', { max_output_tokens: 7 }).maxTokens).toBe(7);
  });

  test('token ids are the prompt; sampling_params has the limits', () => {
    const one = parse('generate', {
      token_ids: [5, 6],
      sampling_params: { max_tokens: 3, n: 2 },
      max_tokens: 9,
    });
    expect(one).toMatchObject({ prompts: [Uint32Array.of(5, 6)], maxTokens: 3, answers: 2 });
    expect(parse('generate', { token_ids: [5] }).maxTokens).toBe(16);
  });

  test('images and sounds are named, texts are not', () => {
    const image = { type: 'image_url', image_url: { url: 'http://a' } };
    const { assets } = chat([
      { type: 'text', text: 'a' },
      image,
      { type: 'tool_result', content: [] },
      image,
    ]);
    expect(assets).toHaveLength(2);
    expect(assets[0]).toBe(assets[1]);
  });

  test('any body is parsed or refused with ApiError', () => {
    const api = fc.constantFrom<Api>('chat', 'completions', 'messages', 'responses', 'generate');
    const fields = fc.dictionary(
      fc.constantFrom(
        ...[
          'messages',
          'prompt',
          'input',
          'token_ids',
          'sampling_params',
          'n',
          'system',
          'tools',
          'max_tokens',
        ],
        ...['kv_transfer_params', 'ec_transfer_params', 'cache_hit_threshold'],
      ),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(
        api,
        fc.oneof(
          fc.string(),
          fields.map((one) => JSON.stringify(one)),
        ),
        (which, text) => {
          try {
            for (const tokens of parseRequest(which, Buffer.from(text)).prompts)
              expect(tokens.length).toBeGreaterThan(0);
          } catch (error) {
            expect(error).toBeInstanceOf(ApiError);
          }
        },
      ),
    );
  });
});
