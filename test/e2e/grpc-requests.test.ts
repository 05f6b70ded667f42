import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { hasEnvoy } from '../support/envoy.ts';
import { frame, GZIP, requestBytes, VLLM } from '../support/grpc-bodies.ts';
import { GrpcEngine } from '../support/grpc-engine.ts';
import { EngineClient, sendRawGrpc } from '../support/grpc-engine-client.ts';
import { expectNothingHeld, type Stack, startStack } from '../support/stack.ts';

const CONFIG = `
apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: vllmgrpc-parser
- type: prefix-cache-scorer
- type: approx-prefix-cache-producer
  parameters: {blockSizeTokens: 16, autoTune: false}
requestHandler:
  parsers:
  - pluginRef: vllmgrpc-parser
schedulingProfiles:
- name: default
  plugins:
  - pluginRef: prefix-cache-scorer
`;
const GENERATE = '/vllm.grpc.engine.VllmEngine/Generate';
const MAX_BODY_BYTES = 65_536;

/** Token ids of a prompt of its own. */
function ids(prompt: number, length = 64): number[] {
  return Array.from({ length }, (_, i) => prompt * 100_000 + i);
}

describe.skipIf(!hasEnvoy())("gRPC requests of vLLM's engine through Envoy", () => {
  const all = new AsyncDisposableStack();
  let engines: GrpcEngine[];
  let stack: Stack;
  let client: EngineClient;

  beforeAll(async () => {
    engines = await Promise.all([1, 2, 3].map(() => GrpcEngine.start()));
    for (const engine of engines) all.use(engine);
    stack = all.use(
      await startStack({
        endpoints: engines.map(({ address }) => address),
        picker: { config: CONFIG, args: [`--max-request-body=${MAX_BODY_BYTES}`] },
        envoy: { hasHttp2Upstream: true },
      }),
    );
    client = all.use(new EngineClient(stack.url));
  });
  beforeEach(() => {
    for (const engine of engines) engine.requests.length = 0;
  });
  afterAll(() => all.disposeAsync());

  test('a stream arrives message by message, with the status of the engine', async () => {
    const answers = await client.generate({ tokenized: { input_ids: ids(1) }, stream: true });
    expect(answers.map(({ response }) => response)).toEqual(['chunk', 'chunk', 'chunk', 'complete']);
    await expect(client.generate({ text: 'fail' })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: 'told to fail',
    });
    await expectNothingHeld(stack.picker);
  });

  test('a request reaches the engine as the client sent it', async () => {
    await client.generate({ tokenized: { input_ids: ids(2, 5) } });
    await client.embed({ tokenized: { input_ids: [7, 8] } });
    const received = engines.flatMap(({ requests }) => requests.map(({ tokenized }) => tokenized?.input_ids));
    expect(received).toHaveLength(2);
    expect(received).toEqual(expect.arrayContaining([ids(2, 5), [7, 8]]));
  });

  test.each([
    { name: 'token ids', request: (prompt: number) => ({ tokenized: { input_ids: ids(prompt) } }) },
    { name: 'text', request: (prompt: number) => ({ text: `${prompt} `.repeat(200), stream: true }) },
  ])('the same $name go to the same engine, whose cache holds them', async ({ request }) => {
    const homes = new Set<string>();
    for (const prompt of [11, 12, 13, 14, 15, 16, 17, 18]) {
      const home = await client.servedBy(request(prompt));
      homes.add(home);
      for (let i = 0; i < 4; i += 1) expect(await client.servedBy(request(prompt))).toBe(home);
    }
    expect(homes.size).toBeGreaterThan(1);
  });

  test('what was generated for token ids is known when they are embedded', async () => {
    const home = await client.servedBy({ tokenized: { input_ids: ids(21) } });
    for (let i = 0; i < 4; i += 1) {
      const answer = await client.embed({ tokenized: { input_ids: ids(21) } });
      expect(answer).toMatchObject({ embedding: [0.5, 0.25], prompt_tokens: 64 });
    }
    const requests = engines.map((engine) => [engine.address, engine.requests.length]);
    expect(requests).toContainEqual([home, 5]);
  });

  test('compressed requests are read, and answers arrive', async () => {
    using compressing = new EngineClient(stack.url, { compresses: true });
    const home = await client.servedBy({ tokenized: { input_ids: ids(31) } });
    for (let i = 0; i < 4; i += 1) {
      expect(await compressing.servedBy({ tokenized: { input_ids: ids(31) } })).toBe(home);
    }
  });

  test('tokens are counted once for each answer, streamed or not', async () => {
    const { picker } = stack;
    const sums = () =>
      Promise.all(
        ['input', 'output', 'cached'].map((kind) => picker.total(`llm_d_epp_request_${kind}_tokens_sum`)),
      );
    await expectNothingHeld(picker);
    const before = await sums();
    await client.generate({ tokenized: { input_ids: ids(41, 50) }, stream: true });
    await client.generate({ tokenized: { input_ids: ids(42, 30) } });
    await client.embed({ tokenized: { input_ids: ids(43, 20) } });
    await expect
      .poll(async () => (await sums()).map((sum, i) => sum - (before[i] ?? 0)), {
        timeout: 5000,
        interval: 20,
      })
      .toEqual([100, 8, 4]);
  });

  test('a refusal is a gRPC status for the client', async () => {
    await expect(client.generate({})).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining('not supported request inputType') as string,
    });
    await expect(client.embed({})).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining('missing tokenized input in EmbedRequest') as string,
    });
    await expect(client.generate({ text: 'x'.repeat(MAX_BODY_BYTES) })).rejects.toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
    });
    expect(engines.flatMap(({ requests }) => requests)).toEqual([]);
    await expectNothingHeld(stack.picker);
  });

  test.each([
    { name: 'no frame', body: Buffer.from('{}'), want: /invalid or unsupported gRPC payload/ },
    {
      name: 'a frame that claims 4 GiB',
      body: Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]),
      want: /invalid or unsupported gRPC payload/,
    },
    { name: 'no protobuf', body: frame(Buffer.from([0xff, 0xff])), want: /unmarshaling GenerateRequest/ },
    {
      name: 'compression nobody named',
      body: frame(requestBytes(VLLM, 'Generate', { text: 'x' }), GZIP),
      want: /invalid or unsupported gRPC payload/,
    },
    {
      name: 'another service',
      path: '/some.Service/Method',
      body: frame(Buffer.alloc(0)),
      want: /no parser registered/,
    },
  ])('refused with status 3: $name', async ({ body, want, path = GENERATE }) => {
    const answer = await sendRawGrpc(stack.url, path, body);
    expect(answer).toMatchObject({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '3' });
    expect(decodeURIComponent(String(answer['grpc-message']))).toMatch(want);
    await expectNothingHeld(stack.picker);
  });
});
