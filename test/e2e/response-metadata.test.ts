import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hasEnvoy } from '../support/envoy.ts';
import { GrpcEngine } from '../support/grpc-engine.ts';
import { EngineClient } from '../support/grpc-engine-client.ts';
import { chatBody, send } from '../support/http-client.ts';
import { type StackOptions, startStack } from '../support/stack.ts';
import { startUpstream, type UpstreamHandler } from '../support/upstream.ts';

const CONFIG = `
apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins:
- name: cost
  type: request-attribute-reporter
  parameters:
    attributes:
    - key: {name: x-gateway-inference-request-cost}
      expression: usage.prompt_tokens + 3 * usage.completion_tokens
- name: long-prompts
  type: request-attribute-reporter
  parameters:
    attributes:
    - key: {namespace: billing, name: long}
      expression: usage.prompt_tokens
      condition: usage.prompt_tokens > 100
- type: destination-endpoint-served-verifier
- type: random-picker
- type: openai-parser
- type: vllmgrpc-parser
- type: sglanghttp-parser
requestHandler:
  parsers: [{pluginRef: openai-parser}, {pluginRef: vllmgrpc-parser}, {pluginRef: sglanghttp-parser}]
schedulingProfiles:
- name: default
  plugins: [{pluginRef: random-picker}]
`;
const FORMAT =
  '%RESPONSE_CODE% %DYNAMIC_METADATA(envoy.lb:x-gateway-inference-request-cost)% %DYNAMIC_METADATA(billing:long)%';

function usage(prompt_tokens: number, completion_tokens: number): object {
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}

const asJson: UpstreamHandler = (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.write('{"model":"sim-model","choices":[],');
  response.end(`"usage":${JSON.stringify(usage(7, 10))}}`);
};

const asEvents: UpstreamHandler = (_request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write('data: {"choices":[{}]}\n\n');
  response.end(`data: {"choices":[],"usage":${JSON.stringify(usage(200, 1))}}\n\ndata: [DONE]\n\n`);
};

const withTrailers: UpstreamHandler = (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json', trailer: 'x-checksum' });
  response.write(JSON.stringify({ usage: usage(7, 10) }));
  response.addTrailers({ 'x-checksum': 'y' });
  response.end();
};

const asSglang: UpstreamHandler = (_request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const [completion_tokens, finish_reason] of [
    [1, null],
    [2, { type: 'stop' }],
  ] as const) {
    const meta_info = { id: 'x', finish_reason, prompt_tokens: 5, completion_tokens, cached_tokens: 0 };
    response.write(`data: ${JSON.stringify({ text: 'y', meta_info })}\n\n`);
  }
  response.end('data: [DONE]\n\n');
};
const SGLANG = { path: '/generate', body: { input_ids: [1, 2, 3, 4, 5], stream: true } };

const withoutUsage: UpstreamHandler = (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' }).end('{"choices":[]}');
};

describe.skipIf(!hasEnvoy())('what the picker and Envoy tell each other of a response', () => {
  let folder: string;
  let path: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'epp-test-metadata-'));
    path = join(folder, 'access.log');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** What Envoy is told in these tests beside its usual configuration. */
  function logging(more: StackOptions['envoy'] = {}): StackOptions['envoy'] & object {
    const accessLog = { path, format: FORMAT };
    return { receivingNamespaces: ['envoy.lb', 'billing'], accessLog, ...more };
  }

  /** Lines of the access log, once there are any; Envoy writes them a while after the exchange. */
  async function logged(): Promise<string> {
    await expect
      .poll(() => readFile(path, 'utf8').catch(() => ''), { timeout: 15_000, interval: 50 })
      .not.toBe('');
    return (await readFile(path, 'utf8')).trim();
  }

  test.each([
    { name: 'JSON', handler: asJson, want: '200 37 -' },
    { name: 'events', handler: asEvents, want: '200 203 200' },
    { name: 'a response with trailers', handler: withTrailers, want: '200 37 -' },
    { name: "SGLang's own events", handler: asSglang, request: SGLANG, want: '200 11 -' },
    { name: 'no usage', handler: withoutUsage, want: '200 - -' },
    { name: 'a buffered body', handler: asJson, envoy: { responseBodyMode: 'BUFFERED' }, want: '200 37 -' },
    {
      name: 'a streamed body',
      handler: asEvents,
      envoy: { responseBodyMode: 'STREAMED' },
      want: '200 203 200',
    },
  ] as const)('$name', async ({ handler, want, ...rest }) => {
    await using upstream = await startUpstream(handler);
    const envoy = logging('envoy' in rest ? rest.envoy : {});
    await using stack = await startStack({
      endpoints: [upstream.address],
      picker: { config: CONFIG },
      envoy,
    });
    const answer = await send(stack.url, 'request' in rest ? rest.request : { body: chatBody('x', 5) });
    expect(answer.status).toBe(200);
    expect(await logged()).toBe(want);
  });

  test.each([
    { file: 'override-host', want: undefined },
    { file: 'standalone-metadata', want: 'fail: missing destination endpoint served metadata' },
    { file: 'standalone-header', want: 'fail: missing envoy lb metadata' },
  ] as const)('who served is told as Envoy tells it: $file', async ({ file, want }) => {
    await using upstream = await startUpstream();
    await using stack = await startStack({
      endpoints: [upstream.address],
      picker: { config: CONFIG },
      envoy: { file },
    });
    const { headers } = await send(stack.url, { body: chatBody('x', 5) });
    expect(headers['x-conformance-test-served-endpoint']).toBe(want ?? upstream.address);
  });

  test('a gRPC stream', async () => {
    await using engine = await GrpcEngine.start();
    const envoy = logging({ hasHttp2Upstream: true });
    await using stack = await startStack({ endpoints: [engine.address], picker: { config: CONFIG }, envoy });
    using client = new EngineClient(stack.url);
    await client.generate({ tokenized: { input_ids: [1, 2, 3, 4, 5] }, stream: true });
    expect(await logged()).toBe('200 17 -');
  });
});
