import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { context, type TestContext } from '../../../test/support/builders.ts';
import { MetricsServer } from '../../../test/support/metrics-server.ts';
import { endpointAt, pollFailure, pollText } from '../../../test/support/polls.ts';
import type { PollSource } from '../../framework/data-source.ts';
import { ConfigurationError } from '../../framework/errors.ts';
import { multiclusterMetricsDataSource } from './multicluster-metrics-data-source.ts';

const PAGE = 'llm_d_epp_average_queue_size{name="pool"} 3\n';

let folder: string;
let tls: { key: string; cert: string };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'multicluster-'));
  const pems = await generate([{ name: 'commonName', value: 'peer' }], {
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
  });
  tls = { key: pems.private, cert: pems.cert };
  writeFileSync(join(folder, 'ca.pem'), pems.cert);
});

afterAll(() => rmSync(folder, { recursive: true }));

function source(parameters: object, plugin: TestContext = context()): PollSource {
  return multiclusterMetricsDataSource.create(multiclusterMetricsDataSource.params.parse(parameters), plugin);
}

async function startPeer(): Promise<MetricsServer> {
  const server = new MetricsServer(tls);
  server.page = PAGE;
  await server.listen();
  return server;
}

test('scrapes over TLS where discovery says, and only who can show that it is the cluster', async () => {
  await using peer = await startPeer();
  const endpoint = endpointAt({ address: '127.0.0.9', port: 443, metricsHost: peer.address });
  const doubting = source({});
  expect((await pollFailure(doubting, endpoint)).message).toMatch(/self-signed|SELF_SIGNED/i);
  const trusting = source({ caCertPath: join(folder, 'ca.pem') });
  expect(await pollText(trusting, endpoint)).toBe(PAGE);
  expect(trusting).toMatchObject({ payload: 'prometheus', intervalMs: 0 });
  for (const one of [doubting, trusting]) one.release(endpoint);
});

test('a port is accepted, without effect and with a warning', async () => {
  await using peer = await startPeer();
  const plugin = context();
  const subject = source({ port: 1, caCertPath: join(folder, 'ca.pem') }, plugin);
  const endpoint = endpointAt({ port: 443, metricsHost: peer.address });
  expect(await pollText(subject, endpoint)).toBe(PAGE);
  expect(plugin.log.lines).toMatchObject([{ level: 'warn', fields: { port: 1 } }]);
  subject.release(endpoint);
});

test('shows its token, the one that is in the file as of now', async () => {
  await using peer = await startPeer();
  const file = join(folder, 'token');
  const write = (text: string, atS: number) => {
    writeFileSync(file, text);
    utimesSync(file, atS, atS);
  };
  write('first\n', 1);
  const plugin = context();
  const subject = source({ caCertPath: join(folder, 'ca.pem'), bearerTokenPath: file }, plugin);
  const endpoint = endpointAt({ port: 443, metricsHost: peer.address });
  const shown = async () => {
    await pollText(subject, endpoint);
    return peer.requests.at(-1)?.headers.authorization;
  };
  expect(await shown()).toBe('Bearer first');
  write('second', 2);
  plugin.clock.advance(10_000);
  expect(await shown()).toBe('Bearer second');
  write('', 3);
  plugin.clock.advance(10_000);
  expect(await shown()).toBe('Bearer second');
  expect(plugin.log.lines).toMatchObject([
    { level: 'warn', message: 'cannot reload the token for scraping', fields: { file } },
  ]);
  subject.release(endpoint);
});

test.each([
  { name: 'a file that is not there', path: 'missing', content: undefined },
  { name: 'an empty file', path: 'empty', content: '\n' },
  { name: 'two lines', path: 'lines', content: 'a\nb' },
])('$name is no token', ({ path, content }) => {
  const file = join(folder, path);
  if (content !== undefined) writeFileSync(file, content);
  expect(() => source({ bearerTokenPath: file })).toThrow(ConfigurationError);
  expect(() => source({ bearerTokenPath: file })).toThrow(/reading bearer token/);
});

test('a token in the open is worth a warning', () => {
  const file = join(folder, 'open');
  writeFileSync(file, 't');
  const plugin = context();
  source({ scheme: 'http', bearerTokenPath: file }, plugin);
  expect(plugin.log.lines.map((line) => line.message)).toEqual([
    'the token for scraping is sent without TLS',
  ]);
});
