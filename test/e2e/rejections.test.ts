import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type EnvoyProcess, hasEnvoy, startEnvoy } from '../support/envoy.ts';
import { envoyConfig, subsetHint } from '../support/envoy-config.ts';
import { chatBody, type HttpAnswer, type HttpRequest, send } from '../support/http-client.ts';
import { expectNothingHeld, type Stack, startStack } from '../support/stack.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';

const DROP_REASON = 'x-llm-d-request-dropped-reason';

/** A pool in a file that the test may change. */
class PoolFile implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'epp-test-pool-'));
  readonly path = join(this.#folder, 'pool.yaml');

  constructor(ports: readonly number[]) {
    this.write(ports);
  }

  write(ports: readonly number[]): void {
    const endpoints = ports.map((port) => ({ name: `server-${port}`, address: '127.0.0.1', port }));
    const objectives = [{ name: 'batch', priority: -1 }];
    writeFileSync(this.path, JSON.stringify({ endpoints, objectives }));
  }

  get config(): string {
    return `
apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins:
- name: pool
  type: file-discovery
  parameters: {path: '${this.path}', watchFile: true}
- type: queue-scorer
dataLayer:
  discovery: {pluginRef: pool}
schedulingProfiles:
- name: default
  plugins:
  - pluginRef: queue-scorer
`;
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }
}

function portOf({ address }: Upstream): number {
  return Number(address.split(':')[1]);
}

/** What a client can tell from a refusal. */
interface Refusal {
  readonly status: number;
  readonly reason?: string;
  readonly retryAfter?: string;
  readonly body: object;
}

function refusal({ status, headers, body }: HttpAnswer): Refusal {
  expect(headers['content-type']).toBe('application/json');
  const reason = headers[DROP_REASON];
  const retryAfter = headers['retry-after'];
  return {
    status,
    ...(typeof reason === 'string' && { reason }),
    ...(retryAfter !== undefined && { retryAfter }),
    body: JSON.parse(body.toString()) as object,
  };
}

function openai(type: string, code: string, message: unknown): object {
  return { error: { message, type, param: null, code } };
}

const NOT_JSON: unknown = expect.stringMatching(
  /^inference error: BadRequest - error unmarshaling request body(Map)?: /,
);
const NO_ENDPOINTS: Refusal = {
  status: 503,
  reason: 'rejected-no-endpoints',
  retryAfter: '10',
  body: openai(
    'server_error',
    'rejected_no_endpoints',
    'inference error: ServiceUnavailable - failed to find endpoint candidates for serving the request',
  ),
};

describe.skipIf(!hasEnvoy())('refusals through Envoy', () => {
  const all = new AsyncDisposableStack();
  let upstream: Upstream;
  let pool: PoolFile;
  let stack: Stack;

  beforeAll(async () => {
    upstream = all.use(await startUpstream());
    pool = all.use(new PoolFile([portOf(upstream)]));
    stack = all.use(
      await startStack({
        endpoints: [],
        picker: { config: pool.config, args: ['--max-request-body=100000'] },
      }),
    );
  });
  afterAll(() => all.disposeAsync());

  async function refused(request: HttpRequest, url = stack.url): Promise<Refusal> {
    upstream.requests.length = 0;
    const answer = await send(url, request);
    expect(upstream.requests).toEqual([]);
    await expectNothingHeld(stack.picker);
    return refusal(answer);
  }

  test.each<{ name: string; request: HttpRequest; want: Refusal }>([
    {
      name: 'a body that is not JSON',
      request: { body: 'no healthy upstream' },
      want: { status: 400, body: openai('invalid_request_error', 'bad_request', NOT_JSON) },
    },
    {
      name: 'a body that is not JSON, of the Anthropic API',
      request: { path: '/v1/messages', body: '{"model":' },
      want: {
        status: 400,
        body: { type: 'error', error: { type: 'invalid_request_error', message: NOT_JSON } },
      },
    },
    {
      name: 'a body without model',
      request: { body: { messages: [{ role: 'user', content: 'x' }] } },
      want: {
        status: 400,
        body: openai(
          'invalid_request_error',
          'bad_request',
          'inference error: BadRequest - model not found in request body',
        ),
      },
    },
    {
      name: 'a body that is too long',
      request: { body: chatBody('x'.repeat(200_000), 1) },
      want: {
        status: 413,
        body: openai(
          'invalid_request_error',
          'too_large',
          'inference error: BadRequest - request body exceeds 100000 bytes',
        ),
      },
    },
  ])('$name', async ({ request, want }) => {
    expect(await refused(request)).toEqual(want);
  });

  test('a hint at endpoints that are not in the pool', async () => {
    await using hinting = await startEnvoyWith(['127.0.0.1:1'], stack);
    expect(await refused({ body: chatBody('x', 1) }, hinting.url)).toEqual(NO_ENDPOINTS);
    expect((await send(hinting.url, { path: '/v1/models' })).status).toBe(503);
  });

  test('a hint at an endpoint of the pool is no refusal', async () => {
    await using hinting = await startEnvoyWith(['127.0.0.1:1', upstream.address], stack);
    expect((await send(hinting.url, { body: chatBody('x', 1) })).status).toBe(200);
  });

  test('a pool without endpoints', async () => {
    pool.write([]);
    await expect.poll(async () => (await stack.picker.endpoints()).length, { timeout: 5000 }).toBe(0);
    expect(await refused({ body: chatBody('x', 1) })).toEqual(NO_ENDPOINTS);
    expect(await refused({ path: '/v1/models' })).toEqual(NO_ENDPOINTS);
    pool.write([portOf(upstream)]);
    await expect
      .poll(async () => (await send(stack.url, { body: chatBody('x', 1) })).status, { timeout: 5000 })
      .toBe(200);
  });

  test('a request that may be shed, while the pool is full', async () => {
    const sheddable = { body: chatBody('x', 1), headers: { 'x-llm-d-inference-objective': 'batch' } };
    expect((await send(stack.url, sheddable)).status).toBe(200);
    Object.assign(upstream.load, { waiting: 50, kvCacheUsage: 1 });
    await expect
      .poll(async () => (await stack.picker.endpoints())[0]?.waitingQueueSize, { timeout: 5000 })
      .toBe(50);
    expect(await refused(sheddable)).toEqual({
      status: 429,
      reason: 'rejected-saturated',
      retryAfter: '1',
      body: openai(
        'rate_limit_error',
        'rejected_saturated',
        'inference error: ResourceExhausted - system saturated, sheddable request dropped',
      ),
    });
    expect((await send(stack.url, { body: chatBody('x', 1) })).status).toBe(200);
    Object.assign(upstream.load, { waiting: 0, kvCacheUsage: 0 });
    await expect.poll(async () => (await send(stack.url, sheddable)).status, { timeout: 5000 }).toBe(200);
  });
});

/** Another Envoy in front of the same picker, which hints at `endpoints`. */
function startEnvoyWith(endpoints: readonly string[], { picker }: Stack): Promise<EnvoyProcess> {
  const filters = [subsetHint(endpoints)];
  return startEnvoy({ config: envoyConfig({ picker: picker.address, filters }) });
}
