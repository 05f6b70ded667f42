import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { context } from '../../../test/support/builders.ts';
import { MetricsServer, startMetricsServer } from '../../../test/support/metrics-server.ts';
import { endpointAt, pollFailure, pollText } from '../../../test/support/polls.ts';
import type { PollError, PollSource } from '../../framework/data-source.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { ConfigurationError } from '../../framework/errors.ts';
import { metricsDataSource } from './metrics-data-source.ts';

const PAGE = 'vllm:num_requests_waiting 3\n';
const NEVER = new AbortController().signal;

function source(parameters: object = {}, plugin = context()): PollSource {
  return metricsDataSource.create(metricsDataSource.params.parse(parameters), plugin);
}

function endpointOf(server: MetricsServer): Endpoint {
  return endpointAt({ port: server.port });
}

describe('over plain HTTP', () => {
  test('reads the page over one connection, asks for no compression', async () => {
    await using server = await startMetricsServer(PAGE);
    const subject = source();
    const endpoint = endpointOf(server);
    expect(await pollText(subject, endpoint)).toBe(PAGE);
    server.page = 'x'.repeat(100_000);
    expect(await pollText(subject, endpoint)).toBe(server.page);
    server.page = 'short';
    expect(await pollText(subject, endpoint)).toBe('short');
    expect(new Set(server.requests.map((request) => request.connection)).size).toBe(1);
    expect(server.requests[0]).toMatchObject({
      path: '/metrics',
      headers: { 'accept-encoding': 'identity', host: server.address },
    });
    expect(server.requests[0]?.headers.accept).toContain('text/plain');
    subject.release(endpoint);
  });

  test('reads a page of unknown length into the same memory', async () => {
    await using server = await startMetricsServer('y'.repeat(200));
    server.mode = 'drip';
    server.page = 'abcdef';
    const subject = source();
    const endpoint = endpointOf(server);
    const first = await subject.poll(endpoint, NEVER);
    expect(Buffer.from(first).toString()).toBe('abcdef');
    const second = await subject.poll(endpoint, NEVER);
    expect(second.buffer).toBe(first.buffer);
    subject.release(endpoint);
  });

  test('uses path and port parameters, and the metrics host of an endpoint', async () => {
    await using server = await startMetricsServer(PAGE);
    const byPort = source({ port: server.port, path: 'stats?x=1' });
    const elsewhere = endpointAt({ address: '127.0.0.1', port: 1, metricsHost: '127.0.0.1:2' });
    expect(await pollText(byPort, elsewhere)).toBe(PAGE);
    expect(server.requests[0]?.path).toBe('/stats?x=1');
    byPort.release(elsewhere);
    const byHost = source();
    const endpoint = endpointAt({ address: '127.0.0.1', port: 1, metricsHost: server.address });
    expect(await pollText(byHost, endpoint)).toBe(PAGE);
    byHost.release(endpoint);
  });

  test.each([404, 500, 503, 204])('HTTP %i is a failure, and the connection stays', async (status) => {
    await using server = await startMetricsServer(status === 204 ? '' : 'no');
    const subject = source();
    const endpoint = endpointOf(server);
    server.status = status;
    const error = await pollFailure(subject, endpoint);
    expect(error.message).toBe(`scrape of http://${server.address}/metrics: HTTP ${status}, want 200`);
    expect(error.isRefused).toBe(false);
    server.status = 200;
    server.page = PAGE;
    expect(await pollText(subject, endpoint)).toBe(PAGE);
    expect(new Set(server.requests.map((request) => request.connection)).size).toBe(1);
    subject.release(endpoint);
  });

  test('a refused connection is told from other failures', async () => {
    await using server = await startMetricsServer(PAGE);
    const subject = source();
    const endpoint = endpointOf(server);
    expect(await pollText(subject, endpoint)).toBe(PAGE);
    await server.refuse();
    const error = await pollFailure(subject, endpoint);
    expect(error).toMatchObject({
      isRefused: true,
      message: expect.stringContaining('ECONNREFUSED') as string,
    });
    await server.listen();
    expect(await pollText(subject, endpoint)).toBe(PAGE);
    subject.release(endpoint);
  });

  test('a refused connection at another port than the serving one says nothing of the endpoint', async () => {
    await using server = await startMetricsServer(PAGE);
    await server.refuse();
    const subject = source();
    const endpoint = endpointAt({ address: '127.0.0.1', port: 1, metricsHost: server.address });
    expect((await pollFailure(subject, endpoint)).isRefused).toBe(false);
    subject.release(endpoint);
  });

  test('a refused connection at the serving port counts under a host name too', async () => {
    await using server = await startMetricsServer(PAGE);
    await server.refuse();
    const subject = source();
    const endpoint = endpointAt({
      address: '127.0.0.1',
      port: server.port,
      metricsHost: `localhost:${server.port}`,
    });
    expect((await pollFailure(subject, endpoint)).isRefused).toBe(true);
    subject.release(endpoint);
  });

  test('a reset is a refusal', async () => {
    await using server = await startMetricsServer(PAGE);
    server.mode = 'reset';
    const subject = source();
    const endpoint = endpointOf(server);
    expect(await pollFailure(subject, endpoint)).toMatchObject({ isRefused: true });
    subject.release(endpoint);
  });

  test('a kept connection that the server closed is replaced without a failure', async () => {
    await using server = await startMetricsServer(PAGE);
    const subject = source();
    const endpoint = endpointOf(server);
    expect(await pollText(subject, endpoint)).toBe(PAGE);
    server.dropConnections();
    expect(await pollText(subject, endpoint)).toBe(PAGE);
    subject.release(endpoint);
  });

  test('an answer cut off is a failure, but no refusal: the server is there', async () => {
    await using server = await startMetricsServer(PAGE);
    server.mode = 'truncate';
    const subject = source();
    const endpoint = endpointOf(server);
    const error = await pollFailure(subject, endpoint);
    expect(error.message).toMatch(/^scrape of \S+: the answer is cut off: UND_ERR_SOCKET /);
    expect(error.message).toContain(server.address);
    expect(error.isRefused).toBe(false);
    server.mode = 'serve';
    expect(await pollText(subject, endpoint)).toBe(PAGE);
    server.mode = 'truncate';
    expect((await pollFailure(subject, endpoint)).isRefused).toBe(false);
    subject.release(endpoint);
  });

  test.each(['stall', 'stall-body'] as const)(
    '%s: gives up within about a second and recovers',
    async (mode) => {
      await using server = await startMetricsServer(PAGE);
      server.mode = mode;
      const subject = source();
      const endpoint = endpointOf(server);
      const started = performance.now();
      const error = await pollFailure(subject, endpoint);
      expect(performance.now() - started).toBeLessThan(2_500);
      expect(error).toMatchObject({ isRefused: false, message: expect.stringMatching(/timeout/i) as string });
      server.mode = 'serve';
      expect(await pollText(subject, endpoint)).toBe(PAGE);
      subject.release(endpoint);
    },
  );

  test('pages of more than 8 MiB are refused, announced or not', async () => {
    await using server = await startMetricsServer(Buffer.alloc(8 * 2 ** 20 + 1, 'x'));
    const subject = source();
    const endpoint = endpointOf(server);
    expect((await pollFailure(subject, endpoint)).message).toContain('at most 8 MiB');
    server.mode = 'chunked';
    server.page = Buffer.alloc(8 * 2 ** 20, 'x');
    expect((await subject.poll(endpoint, NEVER)).length).toBe(8 * 2 ** 20);
    server.page = Buffer.alloc(8 * 2 ** 20 + 1, 'x');
    expect((await pollFailure(subject, endpoint)).message).toContain('more than 8 MiB');
    server.page = PAGE;
    expect(await pollText(subject, endpoint)).toBe(PAGE);
    subject.release(endpoint);
  });

  test('an aborted poll ends at once, and the next one works', async () => {
    await using server = await startMetricsServer(PAGE);
    server.mode = 'stall';
    const subject = source();
    const endpoint = endpointOf(server);
    const aborter = new AbortController();
    const failed = pollFailure(subject, endpoint, aborter.signal);
    await server.received(1);
    aborter.abort(new Error('took longer than 1 s'));
    expect((await failed).message).toContain('took longer than 1 s');
    expect((await pollFailure(subject, endpoint, aborter.signal)).message).toContain('took longer than 1 s');
    server.mode = 'serve';
    expect(await pollText(subject, endpoint)).toBe(PAGE);
    subject.release(endpoint);
  });

  test('an abort while the connection is being made leaves the next poll alone', async () => {
    await using server = await startMetricsServer(PAGE);
    const subject = source();
    const endpoint = endpointOf(server);
    for (let i = 0; i < 20; i += 1) {
      const aborter = new AbortController();
      const failed = pollFailure(subject, endpoint, aborter.signal);
      aborter.abort(new Error('stop'));
      // the abort is reported in its own turn, so a poll in the same turn is one too many
      const overlapping = pollFailure(subject, endpoint);
      expect((await failed).message).toContain('stop');
      expect((await overlapping).message).toContain('is being read already');
      expect(await pollText(subject, endpoint)).toBe(PAGE);
    }
    subject.release(endpoint);
  });

  test('release ends the poll and closes the connection', async () => {
    await using server = await startMetricsServer(PAGE);
    const subject = source();
    const endpoint = endpointOf(server);
    await pollText(subject, endpoint);
    server.mode = 'stall';
    const failed = pollFailure(subject, endpoint);
    await server.received(2);
    subject.release(endpoint);
    expect((await failed).message).toContain('was closed');
    await expect.poll(() => server.connections).toBe(0);
    subject.release(endpoint);
  });
});

describe('redirects', () => {
  test('one on the same server is followed and remembered', async () => {
    await using server = await startMetricsServer(PAGE);
    server.redirects.set('/metrics', '/metrics/');
    const subject = source();
    const endpoint = endpointOf(server);
    expect(await pollText(subject, endpoint)).toBe(PAGE);
    expect(await pollText(subject, endpoint)).toBe(PAGE);
    expect(server.requests.map((request) => request.path)).toEqual(['/metrics', '/metrics/', '/metrics/']);
    server.status = 404;
    await pollFailure(subject, endpoint);
    server.status = 200;
    server.redirects.clear();
    await pollText(subject, endpoint);
    expect(server.requests.at(-1)?.path).toBe('/metrics');
    subject.release(endpoint);
  });

  test('an absolute location on the same server is followed', async () => {
    await using server = await startMetricsServer(PAGE);
    server.redirects.set('/metrics', `http://${server.address}/m?a=b`);
    const subject = source();
    const endpoint = endpointOf(server);
    expect(await pollText(subject, endpoint)).toBe(PAGE);
    expect(server.requests.at(-1)?.path).toBe('/m?a=b');
    subject.release(endpoint);
  });

  test.each([
    { name: 'to another server', location: 'http://127.0.0.1:1/metrics', message: /to another server/ },
    { name: 'to nowhere', location: 'http://[', message: /to another server/ },
    { name: 'in a circle', location: '/metrics', message: /HTTP 307, want 200/ },
  ])('$name is a failure', async ({ location, message }) => {
    await using server = await startMetricsServer(PAGE);
    server.redirects.set('/metrics', location);
    const subject = source();
    const endpoint = endpointOf(server);
    expect((await pollFailure(subject, endpoint)).message).toMatch(message);
    subject.release(endpoint);
  });
});

test('an IPv6 address is reached', async () => {
  const server = new MetricsServer();
  server.page = PAGE;
  const ipv6 = await server.listen('::1').then(
    () => true,
    () => false,
  );
  await using _ = server;
  if (!ipv6) return; // a machine without IPv6
  const subject = source();
  const endpoint = endpointAt({ address: '::1', port: server.port });
  expect(await pollText(subject, endpoint)).toBe(PAGE);
  expect(server.requests[0]?.headers.host).toBe(`[::1]:${server.port}`);
  subject.release(endpoint);
});

describe('over TLS', () => {
  const directory = mkdtempSync(join(tmpdir(), 'metrics-source-'));
  const file = (name: string) => join(directory, name);
  let server: MetricsServer;
  let mutual: MetricsServer;

  beforeAll(async () => {
    const alt = { altNames: [{ type: 7 as const, ip: '127.0.0.1' }] };
    const extensions = [{ name: 'subjectAltName' as const, ...alt }];
    const own = await generate([{ name: 'commonName', value: 'server' }], { extensions });
    const client = await generate([{ name: 'commonName', value: 'client' }]);
    const other = await generate([{ name: 'commonName', value: 'other' }]);
    writeFileSync(file('ca.pem'), own.cert);
    writeFileSync(file('other.pem'), other.cert);
    writeFileSync(file('client.pem'), client.cert);
    writeFileSync(file('client.key'), client.private);
    writeFileSync(file('broken.pem'), 'no certificate');
    server = new MetricsServer({ key: own.private, cert: own.cert });
    mutual = new MetricsServer({ key: own.private, cert: own.cert, ca: client.cert, requestCert: true });
    for (const one of [server, mutual]) {
      one.page = PAGE;
      await one.listen();
    }
  });

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await mutual[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true });
  });

  async function outcome(parameters: object, at: MetricsServer): Promise<string> {
    const subject = source({ scheme: 'https', ...parameters });
    const endpoint = endpointOf(at);
    const result = await subject.poll(endpoint, NEVER).then(
      (page) => Buffer.from(page).toString(),
      (error: PollError) => `${error.isRefused ? 'refused' : 'failed'}: ${error.message}`,
    );
    subject.release(endpoint);
    return result;
  }

  test('any certificate is accepted by default', async () => {
    expect(await outcome({}, server)).toBe(PAGE);
    expect(await outcome({ caCertPath: file('other.pem') }, server)).toBe(PAGE);
  });

  test('with insecureSkipVerify false the certificate must be signed by the CA file', async () => {
    expect(await outcome({ insecureSkipVerify: false }, server)).toMatch(
      /^failed: .*(self-signed|unable to verify)/,
    );
    expect(await outcome({ insecureSkipVerify: false, caCertPath: file('other.pem') }, server)).toMatch(
      /^failed/,
    );
    expect(await outcome({ insecureSkipVerify: false, caCertPath: file('ca.pem') }, server)).toBe(PAGE);
  });

  test('a client certificate is presented', async () => {
    const pair = { clientCertPath: file('client.pem'), clientKeyPath: file('client.key') };
    expect(await outcome(pair, mutual)).toBe(PAGE);
    expect(await outcome({}, mutual)).not.toBe(PAGE);
  });

  test('a CA file that changes is used for connections opened later', async () => {
    const { cert } = await generate([{ name: 'commonName', value: 'old' }]);
    writeFileSync(file('rotating.pem'), cert);
    const plugin = context();
    const subject = source(
      { scheme: 'https', insecureSkipVerify: false, caCertPath: file('rotating.pem') },
      plugin,
    );
    const endpoint = endpointOf(server);
    await pollFailure(subject, endpoint);
    writeFileSync(file('rotating.pem'), 'broken on the way');
    plugin.clock.advance(10_000);
    await pollFailure(subject, endpoint);
    expect(plugin.log.lines.at(-1)?.level).toBe('warn');
    writeFileSync(file('rotating.pem'), readFileSync(file('ca.pem')));
    plugin.clock.advance(10_000);
    expect(await pollText(subject, endpoint)).toBe(PAGE);
    expect(plugin.log.lines.at(-1)?.level).toBe('info');
    subject.release(endpoint);
  });

  test.each([
    { name: 'no CA file', parameters: { caCertPath: '/nowhere' }, message: /reading CA cert \/nowhere/ },
    { name: 'no certificate in it', parameters: { caCertPath: 'broken.pem' }, message: /no valid CA certs/ },
    {
      name: 'no client certificate',
      parameters: { clientCertPath: '/nowhere', clientKeyPath: 'client.key' },
      message: /loading client cert/,
    },
    {
      name: 'a key of another certificate',
      parameters: { clientCertPath: 'other.pem', clientKeyPath: 'client.key' },
      message: /loading client cert/,
    },
  ])('$name fails the start', ({ parameters, message }) => {
    const paths = Object.fromEntries(
      Object.entries(parameters).map(([name, path]) => [name, path.startsWith('/') ? path : file(path)]),
    );
    const create = () => source({ insecureSkipVerify: false, ...paths });
    expect(create).toThrow(ConfigurationError);
    expect(create).toThrow(message);
  });
});

describe('parameters', () => {
  test('defaults', () => {
    expect(metricsDataSource.params.parse({})).toEqual({
      scheme: 'http',
      path: '/metrics',
      insecureSkipVerify: true,
      caCertPath: '',
      clientCertPath: '',
      clientKeyPath: '',
      bearerTokenPath: '',
      interval: 0,
    });
    expect(source({ interval: '1s' }).intervalMs).toBe(1_000);
    expect(source({ interval: '' }).intervalMs).toBe(0);
  });

  test.each([
    [{ scheme: 'ftp' }, /scheme/],
    [{ port: 0 }, /port/],
    [{ port: 65_536 }, /port/],
    [{ interval: '-1s' }, /must not be negative/],
    [{ interval: 'soon' }, /want a duration/],
    [{ clientCertPath: 'a' }, /both or neither/],
    [{ clientKeyPath: 'a' }, /both or neither/],
    [{ pathh: '/' }, /pathh/],
  ])('%j is refused', (parameters, message) => {
    expect(() => metricsDataSource.params.parse(parameters)).toThrow(message);
  });
});
