import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { ProcessingRequest } from '../../src/extproc/codec.ts';
import { startGateway } from '../../src/gateway/gateway.ts';
import { startSimulator } from '../../src/sim/simulator.ts';
import { BOUNDED } from '../support/bounded.ts';
import { ENVOY, ENVOY_NOTE, startEnvoy } from '../support/envoy.ts';
import { type EnvoyConfigOptions, envoyConfig } from '../support/envoy-config.ts';
import { routeTo, type SeenStream, startProcessor } from '../support/processor.ts';

const FILES = [
  'override-host',
  'standalone-header',
  'standalone-metadata',
] as const satisfies EnvoyConfigOptions['file'][];

const CHAT = JSON.stringify({ messages: [{ role: 'user', content: 'hello' }], max_tokens: 5, stream: true });

function chat(url: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, { method: 'POST', body: CHAT, headers });
}

test('every configuration is tested', () => {
  expect(globSync('config/envoy/*.yaml').sort()).toEqual(FILES.map((file) => `config/envoy/${file}.yaml`));
});

describe.skipIf(ENVOY === undefined)(`configurations for Envoy${ENVOY_NOTE}`, () => {
  test.each(FILES)('%s is valid, with TLS and health checks too', (file) => {
    const yaml = readFileSync(`config/envoy/${file}.yaml`, 'utf8');
    const whole = envoyConfig({ file, picker: '127.0.0.1:9002', hasTls: true, hasHealthChecks: true });
    for (const config of [yaml, whole]) {
      const argv = ['--mode', 'validate', '--config-yaml', config, '--log-level', 'error'];
      expect(() => execFileSync(ENVOY ?? '', argv, BOUNDED)).not.toThrow();
    }
  });

  test.each(FILES)('%s sends a request where the picker says, whatever the client asks for', async (file) => {
    await using sim = await startSimulator({ port: 0, count: 4, timeScale: 0.1 });
    const chosen = sim.addresses[2] ?? '';
    await using processor = await startProcessor(routeTo(() => chosen));
    const config = envoyConfig({ file, picker: processor.address, endpoints: sim.addresses });
    await using envoy = await startEnvoy({ config });
    for (let i = 0; i < 5; i += 1) {
      const response = await chat(envoy.url, {
        'x-gateway-destination-endpoint': sim.addresses[0] ?? '',
      });
      expect(response.status).toBe(200);
      expect(await response.text()).toContain('data: [DONE]\n\n');
    }
    expect(sim.servers.map((server) => server.engine.stats.finishedLength)).toEqual([0, 0, 5, 0]);
  });

  /** What a picker can see of an exchange, without what differs by chance; how the stream ends differs by version. */
  function summary({ messages }: SeenStream): object {
    const names = (message: ProcessingRequest) => {
      const { headers } = (message.requestHeaders ?? message.responseHeaders)?.headers ?? {};
      return (headers ?? []).map(({ key }) => key ?? '');
    };
    const kinds = messages.map((message) => Object.keys(message)[0]);
    const isEnd = (message: ProcessingRequest | undefined) =>
      (message?.requestBody ?? message?.responseBody)?.endOfStream === true;
    const bytes = (part: 'requestBody' | 'responseBody') =>
      Buffer.concat(messages.map((message) => message[part]?.body ?? Buffer.alloc(0)))
        .toString()
        .replace(/"id":"[^"]*"|"created":\d+/g, '');
    const expected = [
      ':authority',
      ':method',
      ':path',
      ':scheme',
      ':status',
      'content-type',
      'x-forwarded-proto',
      'x-request-id',
    ];
    return {
      order: kinds.filter((kind, i) => kind !== kinds[i - 1]),
      requestHeaders: expected.filter((name) => names(messages[0] ?? {}).includes(name)),
      responseHeaders: expected.filter((name) =>
        names(messages.find((message) => message.responseHeaders !== undefined) ?? {}).includes(name),
      ),
      requestBody: bytes('requestBody'),
      responseBody: bytes('responseBody'),
      requestEnds: isEnd(messages.findLast((message) => message.requestBody !== undefined)),
      responseEnds: isEnd(messages.findLast((message) => message.responseBody !== undefined)),
      protocolConfig: messages
        .map((message) => message.protocolConfig)
        .filter((config) => config !== undefined),
    };
  }

  test.each([
    ['a streamed chat', '/v1/chat/completions', CHAT],
    ['a request without a body', '/v1/models', undefined],
    ['an unknown path', '/nope', '{}'],
  ])('the dev gateway shows a picker what Envoy shows it: %s', async (_name, path, body) => {
    await using sim = await startSimulator({ port: 0, timeScale: 0.1 });
    await using processor = await startProcessor(routeTo(() => sim.addresses[0] ?? ''));
    await using gateway = await startGateway({ listen: '127.0.0.1:0', epp: processor.address });
    await using envoy = await startEnvoy({ config: envoyConfig({ picker: processor.address }) });
    const statuses: number[] = [];
    for (const address of [envoy.listeners.get('inference') ?? '', gateway.address]) {
      const response = await fetch(
        `http://${address}${path}`,
        body === undefined ? {} : { method: 'POST', body },
      );
      await response.text();
      statuses.push(response.status);
    }
    expect(statuses[1]).toBe(statuses[0]);
    const [fromEnvoy, fromGateway] = processor.streams.map(summary);
    expect(fromGateway).toEqual(fromEnvoy);
  });
});
