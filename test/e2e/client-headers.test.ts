import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasEnvoy } from '../support/envoy.ts';
import type { EnvoyConfigOptions } from '../support/envoy-config.ts';
import { allValues, chatBody, send } from '../support/http-client.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';

/** Headers by which a client could try to choose its destination. */
const ROUTING_HEADERS = [
  'x-gateway-destination-endpoint',
  'x-gateway-destination-endpoint-served',
  'x-gateway-destination-endpoint-subset',
  'x-prefiller-host-port',
  'x-encoder-hosts-ports',
  'x-data-parallel-host-port',
  'x-kv-cache-source-host-port',
];

describe
  .skipIf(!hasEnvoy())
  .each<NonNullable<EnvoyConfigOptions['file']>>([
    'standalone-header',
    'standalone-metadata',
    'override-host',
  ])('headers of clients through %s', (file) => {
  const all = new AsyncDisposableStack();
  let member: Upstream;
  let outsider: Upstream;
  let stack: Stack;

  beforeAll(async () => {
    member = all.use(await startUpstream());
    outsider = all.use(await startUpstream());
    stack = all.use(await startStack({ endpoints: [member.address], envoy: { file } }));
  });
  afterAll(() => all.disposeAsync());

  const routing = () => Object.fromEntries(ROUTING_HEADERS.map((name) => [name, outsider.address]));

  test.each([
    { name: 'with a body', body: chatBody('x', 1), path: '/v1/chat/completions' },
    { name: 'without', body: undefined, path: '/v1/models' },
  ])('cannot choose the destination of a request $name, and are not passed on', async ({ body, path }) => {
    member.requests.length = 0;
    const answer = await send(stack.url, { path, body, headers: routing() });
    expect(answer.status).toBe(200);
    expect(outsider.requests).toEqual([]);
    const seen = member.requests[0]?.headers ?? {};
    // Envoy's own instruction to itself is left where it carries the picker's choice.
    const ours = seen['x-gateway-destination-endpoint'];
    expect([undefined, member.address]).toContain(ours);
    expect(ROUTING_HEADERS.slice(1).filter((name) => name in seen)).toEqual([]);
  });

  test('that steer the picker end there', async () => {
    member.requests.length = 0;
    const headers = {
      'x-llm-d-inference-objective': 'batch',
      'x-gateway-inference-fairness-id': 'tenant',
      'x-llm-d-slo-ttft-ms': '100',
      'x-application': 'stays',
    };
    expect((await send(stack.url, { body: chatBody('x', 1), headers })).status).toBe(200);
    const seen = member.requests[0]?.headers ?? {};
    expect(Object.keys(headers).filter((name) => name in seen)).toEqual(['x-application']);
  });

  test('that repeat survive both ways', async () => {
    member.requests.length = 0;
    member.handler = (_request, response) => {
      response.setHeader('set-cookie', ['a=1; Path=/', 'b=2; Path=/']);
      response.setHeader('x-repeated', ['one', 'two']);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    };
    const answer = await send(stack.url, {
      body: chatBody('x', 1),
      headers: { 'x-repeated': ['one', 'two'], cookie: 'a=1; b=2' },
    });
    const sent = member.requests[0]?.rawHeaders ?? [];
    expect(allValues(sent, 'x-repeated').join(',')).toBe('one,two');
    expect(allValues(sent, 'cookie')).toEqual(['a=1; b=2']);
    expect(allValues(answer.rawHeaders, 'set-cookie')).toEqual(['a=1; Path=/', 'b=2; Path=/']);
    expect(allValues(answer.rawHeaders, 'x-repeated').join(',')).toBe('one,two');
  });
});
