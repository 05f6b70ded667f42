import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { beforeAll, describe, expect, test } from 'vitest';
import { endpoint, RecordingLog } from '../../test/support/builders.ts';
import { parseText } from '../../test/support/prometheus.ts';
import { systemClock } from '../util/clock.ts';
import { AdminServer, type AdminServerOptions } from './admin-server.ts';
import { ProcessMetrics } from './process-metrics.ts';
import { MetricRegistry } from './registry.ts';

const PROCESS_METRICS = new ProcessMetrics();

async function start(options: Partial<AdminServerOptions> = {}) {
  const registry = new MetricRegistry({ deprecatedTwins: true });
  const log = new RecordingLog();
  const server = new AdminServer({
    host: '127.0.0.1',
    port: 0,
    tls: undefined,
    hasProfiling: true,
    clock: systemClock,
    log,
    registry,
    processMetrics: PROCESS_METRICS,
    plugins: [],
    configText: () => 'plugins: []\n',
    endpoints: () => [],
    ...options,
  });
  await server.start();
  const get = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${server.port}${path}`, init);
  return { server, registry, log, get, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

test('/metrics is the whole page: ours, process_* and nodejs_*, each name once', async () => {
  await using admin = await start();
  admin.registry.gauge('info', { commit: 'c', build_ref: 'r' }, () => 1);
  const response = await admin.get('/metrics');
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const text = await response.text();
  const names = new Set(parseText(text).map((sample) => sample.name));
  for (const name of [
    'llm_d_epp_info',
    'inference_extension_info',
    'process_cpu_seconds_total',
    'nodejs_version_info',
  ]) {
    expect(names).toContain(name);
  }
  const types = [...text.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]);
  expect(new Set(types).size).toBe(types.length);
});

test('a page larger than a socket buffer arrives whole', async () => {
  await using admin = await start();
  for (let i = 0; i < 900; i += 1) {
    const labels = { model_name: 'm', target_model_name: 't', fairness_id: `f${i}`, priority: '0' };
    admin.registry.histogram('request_duration_seconds', labels).observe(i);
  }
  const samples = parseText(await (await admin.get('/metrics')).text());
  const counts = samples.filter((sample) => sample.name === 'llm_d_epp_request_duration_seconds_count');
  expect(counts).toHaveLength(900);
});

test('/debug/plugins/state has the reference shape, whatever plugins return', async () => {
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  const dumping = (dumpState: () => unknown) => ({ dumpState });
  await using admin = await start({
    plugins: [
      { name: 'z', type: 'plain', plugin: {} },
      { name: 'state', type: 't', plugin: dumping(() => ({ entries: [1, 2] })) },
      { name: 'empty', type: 't', plugin: dumping(() => undefined) },
      { name: 'cycle', type: 't', plugin: dumping(() => cycle) },
      { name: 'function', type: 't', plugin: dumping(() => () => 1) },
      {
        name: '__proto__',
        type: 't',
        plugin: dumping(() => {
          throw new Error('no luck');
        }),
      },
    ],
  });
  const response = await admin.get('/debug/plugins/state');
  expect(response.headers.get('content-type')).toBe('application/json');
  const text = await response.text();
  expect(text).toMatch(/^\{"timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z","plugins":\{/);
  expect(text.slice(text.indexOf('"plugins":'))).toBe(
    `"plugins":{${[
      '"__proto__":{"name":"__proto__","type":"t","message":"failed to dump plugin state: no luck"}',
      '"cycle":{"name":"cycle","type":"t","message":"plugin returned invalid JSON state"}',
      '"empty":{"name":"empty","type":"t","state":null}',
      '"function":{"name":"function","type":"t","message":"plugin returned invalid JSON state"}',
      '"state":{"name":"state","type":"t","state":{"entries":[1,2]}}',
      '"z":{"name":"z","type":"plain","message":"plugin does not support state collection"}',
    ].join(',')}}}\n`,
  );
});

test('/debug/config and /healthz', async () => {
  await using admin = await start();
  expect(await (await admin.get('/debug/config')).text()).toBe('plugins: []\n');
  expect(await (await admin.get('/healthz')).text()).toBe('ok\n');
});

test('/debug/endpoints shows what is known of each', async () => {
  const known = endpoint({
    name: 'a',
    address: '10.0.0.1',
    waitingQueueSize: 3,
    activeModels: new Set(['lora']),
  });
  const fresh = endpoint({ name: 'b', updatedAtMs: Number.NEGATIVE_INFINITY });
  await using admin = await start({ endpoints: () => [{ pool: 'p', endpoints: [known, fresh] }] });
  const page: unknown = await (await admin.get('/debug/endpoints')).json();
  expect(page).toMatchObject({
    endpoints: [
      { pool: 'p', id: 'default/a', address: '10.0.0.1:8000', waitingQueueSize: 3, activeModels: ['lora'] },
      { id: 'default/b', scrapeAgeMs: null },
    ],
  });
});

test.each([
  { method: 'POST', path: '/metrics', status: 405, allow: 'GET, HEAD' },
  { method: 'HEAD', path: '/metrics', status: 200, allow: null },
  { method: 'HEAD', path: '/debug/plugins/state', status: 405, allow: 'GET' },
  { method: 'DELETE', path: '/debug/plugins/state', status: 405, allow: 'GET' },
  { method: 'GET', path: '/', status: 404, allow: null },
  { method: 'GET', path: '//', status: 404, allow: null },
  { method: 'GET', path: '/debug/pprof/profile?seconds=0', status: 400, allow: null },
  { method: 'GET', path: '/debug/pprof/profile?seconds=1e9', status: 400, allow: null },
  { method: 'GET', path: '/debug/pprof/heap?seconds=x', status: 400, allow: null },
])('$method $path: $status', async ({ method, path, status, allow }) => {
  await using admin = await start();
  const response = await admin.get(path, { method });
  await response.arrayBuffer();
  expect(response.status).toBe(status);
  expect(response.headers.get('allow')).toBe(allow);
});

test('a page that fails is a 500 and a log line, and the server goes on', async () => {
  await using admin = await start({
    configText: () => {
      throw new Error('broken');
    },
  });
  expect((await admin.get('/debug/config')).status).toBe(500);
  expect(admin.log.lines).toMatchObject([{ level: 'error', message: 'admin request failed' }]);
  expect((await admin.get('/healthz')).status).toBe(200);
});

describe('authorization', () => {
  const PATHS = [
    '/metrics',
    '/healthz',
    '/debug/config',
    '/debug/plugins/state',
    '/debug/pprof/',
    '/nowhere',
    '//',
  ];

  test.each([
    { status: 401, body: 'unauthorized\n', challenge: 'Bearer' },
    { status: 403, body: 'forbidden\n', challenge: null },
    { status: 500, body: 'authorization failed\n', challenge: null },
  ] as const)('$status on every path, and nothing else is said', async ({ status, body, challenge }) => {
    await using admin = await start({ authorize: async () => ({ status }) });
    for (const path of PATHS) {
      const response = await admin.get(path);
      expect([response.status, await response.text()], path).toEqual([status, body]);
      expect(response.headers.get('www-authenticate')).toBe(challenge);
    }
    expect((await admin.get('/metrics', { method: 'POST' })).status).toBe(status);
  });

  test('is told method, path without query, and header', async () => {
    const seen: object[] = [];
    await using admin = await start({
      authorize: async (request) => {
        seen.push(request);
        return { status: 200 };
      },
    });
    await admin.get('/metrics?name=x', { headers: { authorization: 'Bearer t' } });
    await admin.get('/debug/%63onfig', { method: 'HEAD' });
    expect(seen).toEqual([
      { method: 'GET', path: '/metrics', authorization: 'Bearer t' },
      { method: 'HEAD', path: '/debug/%63onfig', authorization: undefined },
    ]);
  });

  test('lets through what it allows, path by path', async () => {
    await using admin = await start({
      authorize: async ({ path }) => ({ status: path === '/metrics' ? 200 : 403 }),
    });
    expect((await admin.get('/metrics')).status).toBe(200);
    expect((await admin.get('/debug/config')).status).toBe(403);
    expect((await admin.get('/nowhere')).status).toBe(403);
  });

  test('that fails is a 500 and a log line', async () => {
    await using admin = await start({ authorize: () => Promise.reject(new Error('broken')) });
    expect((await admin.get('/metrics')).status).toBe(500);
    expect(admin.log.lines).toMatchObject([{ level: 'error', message: 'admin request not authorized' }]);
  });
});

describe('profiles', () => {
  test.each([
    { path: '/debug/pprof/profile?seconds=0.05', member: 'nodes' },
    { path: '/debug/pprof/heap?seconds=0.05', member: 'head' },
    { path: '/debug/pprof/heap?snapshot', member: 'snapshot' },
  ])('$path', async ({ path, member }) => {
    await using admin = await start();
    expect(await (await admin.get(path)).json()).toHaveProperty(member);
  });

  test('one at a time; one whose client left ends at once', async () => {
    await using admin = await start();
    const left = new AbortController();
    const first = admin.get('/debug/pprof/profile?seconds=300', { signal: left.signal });
    const outcome = first.catch((error: unknown) => error);
    await expect.poll(async () => (await admin.get('/debug/pprof/heap?seconds=0.001')).status).toBe(409);
    left.abort();
    expect(await outcome).toHaveProperty('name', 'AbortError');
    await expect.poll(async () => (await admin.get('/debug/pprof/heap?seconds=0.001')).status).toBe(200);
  });

  test('are off unless asked for', async () => {
    await using admin = await start({ hasProfiling: false });
    expect((await admin.get('/debug/pprof/')).status).toBe(404);
  });

  test('disposal does not wait for one', async () => {
    const admin = await start();
    const outcome = admin.get('/debug/pprof/profile?seconds=300').catch((error: unknown) => error);
    await expect.poll(async () => (await admin.get('/debug/pprof/heap?seconds=0.001')).status).toBe(409);
    await admin[Symbol.asyncDispose]();
    expect(await outcome).toBeInstanceOf(Error);
  });
});

describe('TLS', () => {
  let first: { cert: string; private: string };
  let second: { cert: string; private: string };

  beforeAll(async () => {
    const attributes = [{ name: 'commonName', value: 'localhost' }];
    first = await generate(attributes, { keyType: 'ec' });
    second = await generate(attributes, { keyType: 'ec' });
  });

  async function certDir(pair: { cert: string; private: string }) {
    const path = await mkdtemp(join(tmpdir(), 'admin-tls-'));
    const write = async (other: { cert: string; private: string }) => {
      await writeFile(join(path, 'tls.crt'), other.cert);
      await writeFile(join(path, 'tls.key'), other.private);
    };
    await write(pair);
    return { path, write, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
  }

  /** Status and the server's certificate; rejects when the handshake fails. */
  function get(port: number, client?: { cert: string; private: string }) {
    return new Promise<{ status: number; cert: string }>((resolve, reject) => {
      const request = httpsRequest(
        {
          port,
          host: '127.0.0.1',
          path: '/healthz',
          rejectUnauthorized: false,
          agent: false,
          ...(client === undefined ? {} : { cert: client.cert, key: client.private }),
        },
        (response) => {
          const socket = response.socket as import('node:tls').TLSSocket; // a request over TLS
          resolve({
            status: response.statusCode ?? 0,
            cert: socket.getPeerX509Certificate()?.fingerprint256 ?? '',
          });
          response.resume();
        },
      );
      request.on('error', reject).end();
    });
  }

  test('serves with the certificate of the directory and reloads it', async () => {
    await using dir = await certDir(first);
    await using admin = await start({ tls: { certDir: dir.path, clientCaFile: '' } });
    const before = await get(admin.server.port);
    expect(before.status).toBe(200);
    await dir.write(second);
    await expect
      .poll(async () => (await get(admin.server.port)).cert, { timeout: 10_000 })
      .not.toBe(before.cert);
  });

  test('a certificate that cannot be read leaves the old one and a log line', async () => {
    await using dir = await certDir(first);
    await using admin = await start({ tls: { certDir: dir.path, clientCaFile: '' } });
    await dir.write({ cert: 'nonsense', private: 'nonsense' });
    await expect.poll(() => admin.log.lines, { timeout: 10_000 }).not.toEqual([]);
    expect(admin.log.lines[0]).toMatchObject({ level: 'error' });
    expect((await get(admin.server.port)).status).toBe(200);
  });

  test('with a client CA only clients it signed get in', async () => {
    await using dir = await certDir(first);
    const clientCaFile = join(dir.path, 'ca.crt');
    await writeFile(clientCaFile, second.cert);
    await using admin = await start({ tls: { certDir: dir.path, clientCaFile } });
    await expect(get(admin.server.port)).rejects.toThrow();
    await expect(get(admin.server.port, first)).rejects.toThrow();
    expect((await get(admin.server.port, second)).status).toBe(200);
  });

  test('a client CA that changes counts for connections from then on', async () => {
    await using dir = await certDir(first);
    await using caDir = await certDir(first);
    const clientCaFile = join(caDir.path, 'ca.crt');
    await writeFile(clientCaFile, first.cert);
    await using admin = await start({ tls: { certDir: dir.path, clientCaFile } });
    await expect(get(admin.server.port, second)).rejects.toThrow();
    await writeFile(clientCaFile, second.cert);
    await expect
      .poll(
        () =>
          get(admin.server.port, second).then(
            ({ status }) => status,
            () => 0,
          ),
        { timeout: 10_000 },
      )
      .toBe(200);
    await expect(get(admin.server.port, first)).rejects.toThrow();
  });

  test('a certificate and a token are both asked for', async () => {
    await using dir = await certDir(first);
    const clientCaFile = join(dir.path, 'ca.crt');
    await writeFile(clientCaFile, second.cert);
    await using admin = await start({
      tls: { certDir: dir.path, clientCaFile },
      authorize: async () => ({ status: 401 }),
    });
    await expect(get(admin.server.port)).rejects.toThrow();
    expect((await get(admin.server.port, second)).status).toBe(401);
  });

  test.each([
    { name: 'no certificate', files: {}, message: /cert file unreadable/ },
    { name: 'no key', files: { 'tls.crt': 'cert' }, message: /key file unreadable/ },
    {
      name: 'a key of another certificate',
      files: { 'tls.crt': 'cert', 'tls.key': 'other' },
      message: /cert and key unusable/,
    },
    {
      name: 'no client CA',
      files: { 'tls.crt': 'cert', 'tls.key': 'key' },
      ca: 'ca.crt',
      message: /client CA file unreadable/,
    },
    {
      name: 'a client CA without certificate',
      files: { 'tls.crt': 'cert', 'tls.key': 'key', 'ca.crt': 'nonsense' },
      ca: 'ca.crt',
      message: /client CA file holds no certificate/,
    },
  ])('$name fails the start', async ({ files, ca, message }) => {
    const path = await mkdtemp(join(tmpdir(), 'epp-admin-'));
    const texts: Record<string, string> = { cert: first.cert, key: first.private, other: second.private };
    for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), texts[text] ?? text);
    const tls = { certDir: path, clientCaFile: ca === undefined ? '' : join(path, ca) };
    await expect(start({ tls })).rejects.toThrow(message);
    await rm(path, { recursive: true });
  });
});
