import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { context, request } from '../../../test/support/builders.ts';
import type { Api, JsonObject, ParsedBody } from '../../framework/body.ts';
import { TOKENIZED_PROMPT, type TokenizedRequest } from '../attributes/tokenized-prompt.ts';
import { tokenProducer } from './token-producer.ts';

interface Options {
  readonly raw?: object;
  readonly headers?: Record<string, string>;
  readonly body?: Partial<ParsedBody>;
}

function tokenize(api: Api, json: ParsedBody['json'], options: Options = {}): TokenizedRequest | undefined {
  const producer = tokenProducer.create(tokenProducer.params.parse(options.raw ?? {}), context());
  const built = request({
    ...(options.headers === undefined ? {} : { headers: options.headers }),
    body: { api, json, ...options.body },
  });
  expect(producer.produce(built)).toBeUndefined();
  return built.attributes.get(TOKENIZED_PROMPT);
}

/** Text of each prompt, without the zeros at the end. */
function texts(tokenized: TokenizedRequest | undefined): string[] {
  return (tokenized?.prompts ?? []).map(({ bytes }) => Buffer.from(bytes).toString().replace(/\0+$/, ''));
}

const chat = (...messages: unknown[]) => ({ messages });

test.each<{ name: string; api: Api; json: JsonObject; want: string[] }>([
  { name: 'a prompt', api: 'completions', json: { prompt: 'Grüße 😀' }, want: ['Grüße 😀'] },
  { name: 'several prompts', api: 'completions', json: { prompt: ['one', '', 'two'] }, want: ['one', 'two'] },
  { name: 'embeddings', api: 'embeddings', json: { input: ['a', 'b'] }, want: ['a', 'b'] },
  { name: 'text for SGLang', api: 'generate', json: { text: 'hello' }, want: ['hello'] },
  { name: 'role and content', api: 'chat', json: chat({ role: 'user', content: 'hi' }), want: ['userhi'] },
  {
    name: 'blocks, with unknown and broken ones',
    api: 'chat',
    json: chat(
      {
        role: 'user',
        content: [{ type: 'text', text: 'a' }, { type: 'x' }, null, { type: 'text', text: 7 }],
      },
      'no message',
      { role: 'assistant', content: null },
    ),
    want: ['useraassistant'],
  },
  {
    name: 'tools before messages',
    api: 'chat',
    json: { messages: [{ role: 'user', content: 'x' }], tools: [{ type: 'function', strict: true, n: 1.5 }] },
    want: ['[{"type":"function","strict":true,"n":1.5}]userx'],
  },
  {
    name: 'reasoning and tool calls',
    api: 'chat',
    json: chat({
      role: 'assistant',
      reasoning_content: 'think.',
      content: 'say.',
      tool_calls: [{ id: 'c1', function: { name: 'f', arguments: '{"a":1}' } }],
    }),
    want: ['assistantthink.say.c1f{"a":1}'],
  },
  {
    name: 'Anthropic messages',
    api: 'messages',
    json: {
      system: [
        { type: 'text', text: 'x-anthropic-billing-header: abc' },
        { type: 'text', text: 'be' },
        { type: 'text', text: 'brief' },
      ],
      messages: [
        { role: 'user', content: 'go' },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'hm' },
            { type: 'text', text: 'ok' },
            { type: 'tool_use', id: 't1', name: 'ls', input: { path: '/' } },
            { type: 'redacted_thinking', data: 'zzz' },
          ],
        },
        {
          role: 'user',
          content: [
            {
              type: 'tool_result',
              content: [
                { type: 'text', text: 'a' },
                { type: 'text', text: 'b' },
              ],
            },
            { type: 'tool_result', content: 'c' },
          ],
        },
      ],
    },
    want: ['bebriefusergoassistanthmokt1ls{"path":"/"}usera\nbc'],
  },
  { name: 'Anthropic system text', api: 'messages', json: { system: 'S', messages: [] }, want: ['S'] },
  {
    name: 'responses',
    api: 'responses',
    json: { input: 'say "hi"', instructions: 'I', tools: null },
    want: ['[{"instructions":"I"},{"input":"say "hi""}]'],
  },
  {
    name: 'responses with items',
    api: 'responses',
    json: { input: [{ role: 'user', content: [{ type: 'input_text', text: 'q' }] }] },
    want: ['[{"input":[{"role":"user","content":[{"type":"input_text","text":"q"}]}]}]'],
  },
  {
    name: 'conversations',
    api: 'conversations',
    json: { items: [{ type: 'message', content: 'x' }] },
    want: ['[{"type":"message","content":"x"}]'],
  },
  { name: 'images', api: 'images', json: { prompt: 'a cat' }, want: [] },
  { name: 'an empty prompt', api: 'completions', json: { prompt: '' }, want: [] },
  { name: 'a prompt of the wrong type', api: 'completions', json: { prompt: 7 }, want: [] },
  { name: 'messages of the wrong type', api: 'chat', json: { messages: { role: 'user' } }, want: [] },
])('token-producer: $name', ({ api, json, want }) => {
  expect(texts(tokenize(api, json))).toEqual(want);
});

test('token-producer: nothing is written for a body it cannot read', () => {
  expect(tokenize('opaque', undefined)).toBeUndefined();
  expect(tokenize('chat', {})).toBeUndefined();
});

test('token-producer: token ids of the client pass unchanged', () => {
  const ids = Uint32Array.from([1, 0xffff_ffff]).subarray(0, 2);
  const got = tokenize('completions', { prompt: 'ignored' }, { body: { tokenIds: [ids, ids.subarray(1)] } });
  expect(got?.count).toBe(3);
  expect(got?.prompts.map(({ bytes }) => [...bytes])).toEqual([
    [1, 0, 0, 0, 255, 255, 255, 255],
    [255, 255, 255, 255],
  ]);
});

test('token-producer: media that came with token ids, sorted, broken ones left out', () => {
  const features = {
    mm_hashes: { image: ['b', 'a', 'c'], audio: ['d'] },
    mm_placeholders: {
      image: [
        { offset: 9, length: 2 },
        { offset: 1, length: 3 },
      ],
      audio: [{ offset: 'x', length: 1 }],
    },
  };
  const got = tokenize('generate', { features }, { body: { tokenIds: [Uint32Array.of(1, 2)] } });
  expect(got?.prompts[0]?.features).toEqual([
    { modality: 'image', hash: 'a', offset: 1, length: 3 },
    { modality: 'image', hash: 'b', offset: 9, length: 2 },
  ]);
});

test('token-producer: the salt goes along', () => {
  expect(tokenize('completions', { prompt: 'x' }, { body: { cacheSalt: 's' } })?.cacheSalt).toBe('s');
});

test('token-producer: a request that has tokens keeps them', () => {
  const producer = tokenProducer.create(tokenProducer.params.parse({}), context());
  const built = request({ body: { api: 'completions', json: { prompt: 'other' } } });
  const first: TokenizedRequest = { prompts: [], count: 1, cacheSalt: '' };
  built.attributes.set(TOKENIZED_PROMPT, first);
  producer.produce(built);
  expect(built.attributes.get(TOKENIZED_PROMPT)).toBe(first);
});

test('token-producer: tokens stay as they are while later requests come', () => {
  const producer = tokenProducer.create(tokenProducer.params.parse({}), context());
  const first = request({ body: { api: 'completions', json: { prompt: 'a'.repeat(500) } } });
  const second = request({ body: { api: 'completions', json: { prompt: 'b'.repeat(100_000) } } });
  producer.produce(first);
  producer.produce(second);
  expect(texts(first.attributes.get(TOKENIZED_PROMPT))).toEqual(['a'.repeat(500)]);
  expect(second.attributes.get(TOKENIZED_PROMPT)?.count).toBe(25_000);
});

test('token-producer: any text comes out as its UTF-8, padded with zeros to whole tokens', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 60 }), { minLength: 1 }), (parts) => {
      const messages = parts.map((content) => ({ role: '', content }));
      const want = Buffer.from(parts.map((part) => Buffer.from(part).toString()).join(''));
      const got = tokenize('chat', { messages });
      const bytes = Buffer.from(got?.prompts[0]?.bytes ?? []);
      expect(bytes.length).toBe(4 * Math.ceil(want.length / 4));
      expect(bytes.subarray(0, want.length).equals(want)).toBe(true);
      expect(bytes.subarray(want.length).every((byte) => byte === 0)).toBe(true);
      expect(got?.count ?? 0).toBe(bytes.length / 4);
    }),
  );
});

test('token-producer: no JSON makes it throw', () => {
  const apis: Api[] = [
    'completions',
    'chat',
    'messages',
    'responses',
    'conversations',
    'embeddings',
    'generate',
  ];
  const names = [
    'messages',
    'content',
    'tools',
    'input',
    'items',
    'prompt',
    'system',
    'type',
    'text',
    'image_url',
  ];
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      fc.jsonValue(),
      fc.constantFrom('text', 'image_url', 'image', 'tool_use', 'tool_result', 'input_audio', 'user'),
      fc.array(tie('tree')),
      fc.dictionary(fc.constantFrom(...names), tie('tree')),
    ),
  }));
  fc.assert(
    fc.property(fc.constantFrom(...apis), fc.dictionary(fc.constantFrom(...names), tree), (api, json) => {
      const got = tokenize(api, json);
      if (got !== undefined) expect(got.count).toBeGreaterThan(0);
    }),
  );
});

test('token-producer: a deeply nested value ends instead of exhausting the stack', () => {
  const input: unknown = JSON.parse('['.repeat(200_000) + ']'.repeat(200_000));
  expect(tokenize('responses', { input })?.count).toBeLessThan(100);
  expect(tokenize('chat', { tools: [input], messages: [] })?.count).toBeUndefined();
});

function png(width: number, height: number): string {
  const header = Buffer.alloc(33);
  header.write('\x89PNG\r\n\x1a\n', 0, 'latin1');
  header.writeUInt32BE(13, 8);
  header.write('IHDR', 12, 'latin1');
  header.writeUInt32BE(width, 16);
  header.writeUInt32BE(height, 20);
  return header.toString('base64');
}

/** A JPEG with `padding` bytes of application data before its size. */
function jpeg(width: number, height: number, padding: number): string {
  const parts = [Buffer.from([0xff, 0xd8])];
  for (let left = padding; left > 0; left -= 60_000) {
    const size = Math.min(left, 60_000);
    const segment = Buffer.alloc(4 + size);
    segment.set([0xff, 0xe2, (size + 2) >> 8, (size + 2) & 255]);
    parts.push(segment);
  }
  const frame = Buffer.alloc(32);
  frame.set([0xff, 0xc0, 0, 17, 8, height >> 8, height & 255, width >> 8, width & 255, 3]);
  parts.push(frame, Buffer.alloc(200_000));
  return Buffer.concat(parts).toString('base64');
}

describe('token-producer: images', () => {
  const lengths = (url: unknown, raw: object = {}) =>
    tokenize('chat', chat({ role: '', content: [{ type: 'image_url', image_url: url }] }), { raw })
      ?.prompts[0]?.features;

  test.each([
    { name: 'a URL counts as the default resolution', url: 'https://example.com/cat.png', want: 225 },
    { name: 'a PNG inside is measured', url: `data:image/png;base64,${png(1024, 512)}`, want: 512 },
    { name: 'at least one token', url: `data:image/png;base64,${png(3, 2)}`, want: 1 },
    { name: 'a JPEG is measured', url: `data:image/jpeg;base64,${jpeg(640, 480, 14)}`, want: 300 },
    { name: 'behind a preview too', url: `data:image/jpeg;base64,${jpeg(640, 480, 150_000)}`, want: 300 },
    { name: 'broken data counts as the default', url: 'data:image/png;base64,AAAA', want: 225 },
    {
      name: 'cut data counts as the default',
      url: `data:image/png;base64,${png(9, 9).slice(0, 20)}`,
      want: 225,
    },
    { name: 'text in a data URL is not measured', url: 'data:image/svg+xml,<svg width="9"/>', want: 225 },
    { name: 'a forged size is bounded', url: `data:image/png;base64,${png(4e9, 4e9)}`, want: 1_048_576 },
  ])('$name', ({ url, want }) => {
    const [feature] = lengths({ url }) ?? [];
    expect(feature?.modality).toBe('image');
    expect(feature?.length).toBe(want);
    expect(lengths(url)).toEqual([feature]);
  });

  test('static mode, another factor, another resolution', () => {
    const fixed = { estimate: { image: { mode: 'static', static: { staticToken: 7 } } } };
    expect(lengths({ url: 'x' }, fixed)?.[0]?.length).toBe(7);
    const image = { defaultResolution: { width: 100, height: 100 }, dynamic: { factor: 10 } };
    expect(lengths({ url: 'x' }, { estimate: { image } })?.[0]?.length).toBe(1000);
  });

  test('Anthropic images: address, or data of their own', () => {
    const content = [
      { type: 'image', source: { type: 'url', url: 'https://example.com/cat.png' } },
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: png(64, 64) } },
      {
        type: 'tool_result',
        content: [
          { type: 'image', source: { url: 'u' } },
          { type: 'text', text: 'seen' },
        ],
      },
    ];
    const prompt = tokenize('messages', chat({ role: 'user', content }))?.prompts[0];
    expect(prompt?.features.map(({ offset, length }) => [offset, length])).toEqual([
      [1, 225],
      [226, 4],
      [231, 225],
    ]);
    expect(prompt?.features[0]?.hash).toBe('4585d6895fac9f64');
  });
});

test('token-producer: audio counts a quarter of its length, and URLs differ', () => {
  const content = [
    { type: 'input_audio', input_audio: { data: 'A'.repeat(37), format: 'wav' } },
    { type: 'audio_url', audio_url: { url: 'https://a' } },
    { type: 'audio_url', audio_url: 'https://b' },
  ];
  const features = tokenize('chat', chat({ role: '', content }))?.prompts[0]?.features ?? [];
  expect(features.map(({ modality, length }) => [modality, length])).toEqual([
    ['audio', 10],
    ['audio', 3],
    ['audio', 3],
  ]);
  expect(new Set(features.map(({ hash }) => hash)).size).toBe(3);
});

describe('token-producer: videos', () => {
  const json = chat({ role: '', content: [{ type: 'video_url', video_url: { url: 'https://v' } }] });
  const tokens = (video: object, headers: Record<string, string> = {}) =>
    tokenize('chat', json, { raw: { estimate: { video } }, headers })?.prompts[0]?.features[0]?.length;

  test.each([
    { name: 'defaults: 10 s at 2 frames of 225', video: {}, headers: {}, want: 4500 },
    {
      name: 'duration from the header',
      video: {},
      headers: { 'x-llm-d-video-duration-seconds': '1.9' },
      want: 675,
    },
    {
      name: 'resolution from the header',
      video: {},
      headers: { 'x-llm-d-video-resolution': '64X64' },
      want: 80,
    },
    {
      name: 'malformed headers do not count',
      video: {},
      headers: { 'x-llm-d-video-resolution': '64*64', 'x-llm-d-video-duration-seconds': '-3' },
      want: 4500,
    },
    {
      name: 'fps does not matter when sampled',
      video: {},
      headers: { 'x-llm-d-video-fps': '99' },
      want: 4500,
    },
    { name: 'most frames', video: { frames: { maxFrames: 3 } }, headers: {}, want: 675 },
    { name: 'fewest frames', video: { frames: { minFrames: 30 } }, headers: {}, want: 6750 },
    {
      name: 'merged frames',
      video: { frames: { maxFrames: 7, sampled: { temporalPatchSize: 2 } } },
      headers: {},
      want: 675,
    },
    {
      name: 'strided',
      video: { frames: { mode: 'strided', strided: { frameStride: 100 } } },
      headers: { 'x-llm-d-video-fps': '30' },
      want: 675,
    },
    {
      name: 'static tokens per frame',
      video: { tokensPerFrame: { mode: 'static', static: { numTokensPerFrame: 3 } } },
      headers: {},
      want: 60,
    },
    { name: 'a cap', video: { maxVideoTokens: 100 }, headers: {}, want: 100 },
    { name: 'at least one', video: {}, headers: { 'x-llm-d-video-duration-seconds': '0.1' }, want: 1 },
    {
      name: 'a header cannot ask for more than the bound',
      video: {},
      headers: { 'x-llm-d-video-duration-seconds': '1e300' },
      want: 1_048_576,
    },
  ])('$name', ({ video, headers, want }) => {
    expect(tokens(video, headers as Record<string, string>)).toBe(want);
  });
});

test.each([
  {
    raw: { modelName: 'm' },
    message: /"modelName"[^}]*vllm renderer backend.* not available.* remove 'modelName' and 'vllm'/,
  },
  { raw: { vllm: { url: 'http://x' } }, message: /"vllm"[^}]*vllm renderer backend/ },
  {
    raw: { udsTokenizerConfig: { socketFile: '/x' } },
    message: /"udsTokenizerConfig"[^}]*side car.* not available/,
  },
  { raw: { estimate: {}, modelName: 'm' }, message: /only one of/ },
  { raw: { vllm: {}, udsTokenizerConfig: {} }, message: /only one of/ },
  { raw: { estimate: { image: { factor: 1 } } }, message: /factor/ },
  { raw: { estimate: { image: { mode: 'huge' } } }, message: /mode/ },
  { raw: { vllm: { timeout: 'soon' } }, message: /duration/ },
  { raw: { estimates: {} }, message: /estimates/ },
])('token-producer: $raw does not parse', ({ raw, message }) => {
  const parsed = tokenProducer.params.safeParse(raw);
  expect(parsed.success).toBe(false);
  expect(String(parsed.error)).toMatch(message);
});

test('token-producer: 0 means the default, as in the reference', () => {
  const image = { defaultResolution: { width: 0, height: 0 }, dynamic: { factor: 0 } };
  expect(tokenProducer.params.parse({ estimate: { image } })).toEqual(
    tokenProducer.params.parse({ estimate: {} }),
  );
});
