import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { simCommand } from '../../src/sim/command.ts';
import { startSimulator } from '../../src/sim/simulator.ts';
import { commandIo } from '../support/command-io.ts';
import { eventually } from '../support/eventually.ts';

const FIXTURES = 'test/fixtures/vllm-0.32.0';
const FAST = { port: 0, timeScale: 0, model: 'tiny', loraModules: ['food-review', 'sql'], maxModelLen: 8192 };

interface CapturedRequest {
  readonly path: string;
  readonly body: object;
}

const captured = new Map(
  Object.entries(
    JSON.parse(readFileSync(`${FIXTURES}/requests.json`, 'utf8')) as Record<string, CapturedRequest>,
  ),
);

function post(
  address: string,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`http://${address}${path}`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers,
  });
}

/** A value with its numbers and most strings replaced by their type: what two servers must agree on. */
function shape(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => shape(item));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, shape(item, name)]));
  }
  if (typeof value === 'number') return 'number';
  if (['id', 'request_id', 'item_id'].includes(key)) {
    return typeof value === 'string' ? value.replace(/[-_].*$/, '') : value;
  }
  if (['content', 'text', 'delta', 'system_fingerprint'].includes(key)) return typeof value;
  return value;
}

/** The events of a stream: name and data, repetitions of the same shape once. */
function events(text: string): unknown[] {
  const shapes: unknown[] = [];
  for (const block of text.split('\n\n')) {
    if (block.trim() === '') continue;
    const name = /^event: (.*)$/m.exec(block)?.[1];
    const data = /^data: (.*)$/m.exec(block)?.[1] ?? '';
    const one = { name, data: data === '[DONE]' ? data : shape(JSON.parse(data)) };
    if (JSON.stringify(one) !== JSON.stringify(shapes.at(-1))) shapes.push(one);
  }
  return shapes;
}

describe('answers have the form of captured ones', () => {
  test.each([
    'chat.json',
    'completion.json',
    'completion-tokens.json',
    'completion-batch.json',
    'completion-lora.json',
    'completion-cache-salt.json',
    'messages.json',
    'generate.json',
    'error-model-not-found.json',
    'error-too-long.json',
    'error-validation.json',
    'embeddings-unsupported.json',
  ])('%s', async (name) => {
    await using sim = await startSimulator(
      name === 'error-model-not-found.json' ? { ...FAST, loraModules: [] } : FAST,
    );
    const { path = '', body = {} } = captured.get(name) ?? {};
    const response = await post(sim.addresses[0] ?? '', path, body);
    const head = readFileSync(`${FIXTURES}/${name}.head`, 'utf8').split('\n');
    expect(response.status).toBe(Number(head[0]));
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(response.headers.get('server')).toBe('uvicorn');
    const real: unknown = JSON.parse(readFileSync(`${FIXTURES}/${name}`, 'utf8'));
    expect(shape(await response.json())).toEqual(shape(real));
  });

  test('error-bad-json.json, whole', async () => {
    await using sim = await startSimulator(FAST);
    const response = await post(sim.addresses[0] ?? '', '/v1/completions', '{"model": "tiny", "prompt": ');
    expect([response.status, await response.text()]).toEqual([
      400,
      readFileSync(`${FIXTURES}/error-bad-json.json`, 'utf8'),
    ]);
  });

  test.each([
    'chat-stream.sse',
    'chat-stream-usage.sse',
    'chat-stream-continuous-usage.sse',
    'completion-stream-usage.sse',
    'responses-stream.sse',
  ])('%s', async (name) => {
    await using sim = await startSimulator(FAST);
    const { path = '', body = {} } = captured.get(name) ?? {};
    const response = await post(sim.addresses[0] ?? '', path, body);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(events(await response.text())).toEqual(events(readFileSync(`${FIXTURES}/${name}`, 'utf8')));
  });

  test('messages-stream.sse, which has no text, plus the events of text', async () => {
    await using sim = await startSimulator(FAST);
    const { path = '', body = {} } = captured.get('messages-stream.sse') ?? {};
    const ours = events(await (await post(sim.addresses[0] ?? '', path, body)).text()) as { name: string }[];
    expect(ours.map(({ name }) => name)).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    const withoutText = ours.filter(({ name }) => !name.startsWith('content_block'));
    expect(withoutText).toEqual(events(readFileSync(`${FIXTURES}/messages-stream.sse`, 'utf8')));
  });

  test('responses.json, which has no text, plus the part of text', async () => {
    await using sim = await startSimulator(FAST);
    const { path = '', body = {} } = captured.get('responses.json') ?? {};
    const ours = shape(await (await post(sim.addresses[0] ?? '', path, body)).json());
    const real = shape(JSON.parse(readFileSync(`${FIXTURES}/responses.json`, 'utf8'))) as {
      output: { content: object[] }[];
    };
    real.output[0]?.content.push({ annotations: [], text: 'string', type: 'output_text', logprobs: null });
    expect(ours).toEqual(real);
  });

  test('models.json, without permissions', async () => {
    await using sim = await startSimulator(FAST);
    const models = (await (await fetch(`http://${sim.addresses[0]}/v1/models`)).json()) as { data: object[] };
    const real = JSON.parse(readFileSync(`${FIXTURES}/models.json`, 'utf8')) as {
      data: { root: string; permission: unknown }[];
    };
    for (const model of real.data) model.permission = [];
    const rootless = (data: readonly object[]) =>
      data.map((model) => ({ ...(shape(model) as object), root: '' }));
    expect(rootless(models.data)).toEqual(rootless(real.data));
  });
});

describe('a simulated server', () => {
  const prompt = 'the quick brown fox '.repeat(40);
  const chat = { model: 'tiny', messages: [{ role: 'user', content: prompt }], max_tokens: 4 };

  test('reports cached tokens on the second request, in the answer and on the metrics page', async () => {
    await using sim = await startSimulator(FAST);
    const [address = ''] = sim.addresses;
    const usage = async () => {
      const answer = (await (await post(address, '/v1/chat/completions', chat)).json()) as {
        usage: { prompt_tokens: number; prompt_tokens_details: object };
      };
      return answer.usage;
    };
    const first = await usage();
    expect(first.prompt_tokens).toBe(206);
    expect(first.prompt_tokens_details).toMatchObject({ cached_tokens: 0, created_cache_tokens: 192 });
    expect((await usage()).prompt_tokens_details).toMatchObject({
      cached_tokens: 192,
      created_cache_tokens: 0,
    });
    const page = await (await fetch(`http://${address}/metrics`)).text();
    expect(page).toContain('vllm:prefix_cache_queries_total{engine="0",model_name="tiny"} 412.0\n');
    expect(page).toContain('vllm:prefix_cache_hits_total{engine="0",model_name="tiny"} 192.0\n');
    expect(page).toContain('finished_reason="length",model_name="tiny"} 2.0\n');
    expect(page).toContain('vllm:time_to_first_token_seconds_count{engine="0",model_name="tiny"} 2.0\n');
    expect((await fetch(`http://${address}/reset_prefix_cache`, { method: 'POST' })).status).toBe(200);
    expect((await usage()).prompt_tokens_details).toMatchObject({ cached_tokens: 0 });
  });

  test('gives the same answer from every server of a seed, another with another seed', async () => {
    await using sim = await startSimulator({ ...FAST, count: 2 });
    await using other = await startSimulator({ ...FAST, seed: 2 });
    const texts = await Promise.all(
      [...sim.addresses, ...other.addresses].map(async (address) => {
        const answer = (await (await post(address, '/v1/chat/completions', chat)).json()) as {
          choices: { message: { content: string } }[];
        };
        return answer.choices[0]?.message.content;
      }),
    );
    expect(texts[0]).toHaveLength(16);
    expect(texts[1]).toBe(texts[0]);
    expect(texts[2]).not.toBe(texts[0]);
  });

  test('ends by itself without max_tokens, and keeps the request id', async () => {
    await using sim = await startSimulator({ ...FAST, outputTokens: 20 });
    const { max_tokens: _, ...open } = chat;
    const response = await post(sim.addresses[0] ?? '', '/v1/chat/completions', open, {
      'x-request-id': 'r-1',
    });
    expect(await response.json()).toMatchObject({ id: 'chatcmpl-r-1', choices: [{ finish_reason: 'stop' }] });
  });

  test('shows running and waiting requests and adapters while they are', async () => {
    await using sim = await startSimulator({ ...FAST, timeScale: 1, maxNumSeqs: 1 });
    const [address = ''] = sim.addresses;
    const abort = new AbortController();
    const open = ['tiny', 'sql'].map((model) =>
      fetch(`http://${address}/v1/chat/completions`, {
        method: 'POST',
        body: JSON.stringify({ ...chat, model, max_tokens: 500, stream: true }),
        signal: abort.signal,
      }),
    );
    await Promise.all(open);
    const page = await (await fetch(`http://${address}/metrics`)).text();
    expect(page).toContain('vllm:num_requests_running{engine="0",model_name="tiny"} 1.0\n');
    expect(page).toContain('vllm:num_requests_waiting{engine="0",model_name="tiny"} 1.0\n');
    expect(page).toMatch(
      /vllm:lora_requests_info\{max_lora="4",running_lora_adapters="(sql)?",waiting_lora_adapters="(sql)?"\}/,
    );
    abort.abort();
    await eventually(() => expect(sim.servers[0]?.engine.running).toBe(0));
    expect(sim.servers[0]?.engine.waiting).toBe(0);
  });

  test.each([
    ['GET', '/v1/chat/completions', 405],
    ['POST', '/metrics', 405],
    ['GET', '/nope', 404],
    ['GET', '/health', 200],
    ['GET', '/version', 200],
    ['GET', '/reset_prefix_cache', 405],
    ['GET', '/sim/reset', 405],
    ['GET', '/sim/nope', 404],
  ])('%s %s answers %i', async (method, path, status) => {
    await using sim = await startSimulator(FAST);
    expect((await fetch(`http://${sim.addresses[0]}${path}`, { method })).status).toBe(status);
  });

  test('a request for more than the context holds is refused', async () => {
    await using sim = await startSimulator({ ...FAST, numGpuBlocks: 16 });
    const response = await post(sim.addresses[0] ?? '', '/v1/chat/completions', { ...chat, max_tokens: 100 });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain("'max_tokens' or 'max_completion_tokens' is too large: 100");
  });

  test('misbehaves when told to, as often as told', async () => {
    await using sim = await startSimulator(FAST);
    const [address = ''] = sim.addresses;
    const send = () => post(address, '/v1/chat/completions', { ...chat, stream: true, max_tokens: 50 });
    const fault = (setting: object) => post(address, '/sim/fault', setting);
    await fault({ mode: 'refuse', count: 1 });
    await expect(send()).rejects.toThrow();
    expect((await send()).status).toBe(200);
    await fault({ mode: 'status', status: 429 });
    expect((await send()).status).toBe(429);
    expect((await fetch(`http://${address}/health`)).status).toBe(200);
    await fault({ mode: 'die', afterTokens: 3, count: 1 });
    await expect((await send()).text()).rejects.toThrow();
    expect((await (await send()).text()).endsWith('data: [DONE]\n\n')).toBe(true);
    await fault({ mode: 'hang', scope: 'all' });
    await expect(fetch(`http://${address}/health`, { signal: AbortSignal.timeout(100) })).rejects.toThrow();
    expect((await fault({ mode: 'bogus' })).status).toBe(400);
    await fault({ mode: 'none' });
    expect((await fetch(`http://${address}/health`)).status).toBe(200);
  });

  test('is as new after a reset', async () => {
    await using sim = await startSimulator({ ...FAST, timeScale: 1 });
    const [address = ''] = sim.addresses;
    const open = await post(address, '/v1/chat/completions', { ...chat, stream: true, max_tokens: 500 });
    const cut = expect(open.text()).rejects.toThrow();
    await post(address, '/sim/reset', '');
    await cut;
    const state: unknown = await (await fetch(`http://${address}/sim/state`)).json();
    expect(state).toMatchObject({ running: 0, waiting: 0, finished: 0, prefixCache: { queriedTokens: 0 } });
  });
});

describe('epp sim', () => {
  test('serves until it is stopped', async () => {
    const io = commandIo();
    const done = simCommand(['--ports', '0,0', '--model', 'm'], io);
    await eventually(() =>
      expect(io.written.match(/^model server on http:\/\/127\.0\.0\.1:\d+$/gm)).toHaveLength(2),
    );
    io.stop();
    expect(await done).toBe(0);
  });

  test.each([
    [['--help'], 0, '--max-num-seqs'],
    [['--nope'], 2, 'unknown option "--nope"'],
    [['--ports', 'x'], 1, 'ports: got "x"'],
  ])('%j exits with %i', async (argv, code, text) => {
    const io = commandIo();
    expect(await simCommand(argv, io)).toBe(code);
    expect(io.written).toContain(text);
  });

  test('a taken port is told, and nothing stays open', async () => {
    await using sim = await startSimulator(FAST);
    const io = commandIo();
    const port = sim.addresses[0]?.split(':')[1] ?? '';
    expect(await simCommand(['--ports', `0,${port}`], io)).toBe(1);
    expect(io.written).toContain('EADDRINUSE');
  });
});
