import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../../test/support/eventually.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { KubeApiServer } from '../../test/support/kube-api-server.ts';
import type { Fault, Verb } from '../../test/support/kube-api-wire.ts';
import { selfSignedCertificate } from '../extproc/certificate.ts';
import { systemClock } from '../util/clock.ts';
import { KubeError, type WatchEvent } from './api.ts';
import { type KubeClient, loadKubeApi } from './client.ts';
import type { KubeObject, Resource } from './objects.ts';

const PODS: Resource = { group: '', version: 'v1', plural: 'pods' };
const LEASES: Resource = { group: 'coordination.k8s.io', version: 'v1', plural: 'leases' };
const DEMO = { namespace: 'demo' };
const WATCH = { resourceVersion: '1', timeoutS: 240 };
const NOT_ABORTED = new AbortController().signal;

function object(name: string, labels: Record<string, string> = {}): KubeObject {
  return { metadata: { name, namespace: 'demo', labels } };
}

interface Fixture {
  readonly server: KubeApiServer;
  readonly api: KubeClient;
  readonly clock: FakeClock;
}

async function fixture(): Promise<Fixture> {
  const server = await KubeApiServer.start([PODS, LEASES]);
  const clock = new FakeClock();
  const api = await loadKubeApi({ ...server.access, clock });
  onTestFinished(async () => {
    await api[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });
  return { server, api, clock };
}

function listPods({ api }: Fixture, signal = NOT_ABORTED): Promise<unknown> {
  return api.list(PODS, DEMO, { limit: 0, continueToken: '' }, signal);
}

interface WatchUnderWay {
  readonly events: WatchEvent[];
  readonly opened: Promise<void>;
  readonly end: Promise<void>;
}

/** A watch under way, and what it has told. */
function watchPods({ api }: Fixture, signal = NOT_ABORTED): WatchUnderWay {
  const events: WatchEvent[] = [];
  const { promise: opened, resolve } = Promise.withResolvers<void>();
  const options = { ...WATCH, opened: resolve };
  const end = api.watch(PODS, DEMO, options, (event) => events.push(event), signal);
  end.catch(() => undefined); // its test looks at it later
  return { events, opened, end };
}

async function failureOf(call: Promise<unknown>): Promise<KubeError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(KubeError);
  return error as KubeError; // as just checked
}

test('client: lists what a selection selects, page by page', async () => {
  const { server, api } = await fixture();
  for (const name of ['c', 'a', 'b']) server.put(PODS, object(name, { app: 'x' }));
  server.put(PODS, object('other'));
  const names: unknown[] = [];
  let continueToken = '';
  do {
    const page = { limit: 2, continueToken };
    const list = await api.list(PODS, { ...DEMO, labels: 'app=x' }, page, NOT_ABORTED);
    names.push(list.items.map((item) => item.metadata.name));
    continueToken = list.metadata.continue ?? '';
    expect(list.metadata.resourceVersion).toBe(String(server.store.version));
  } while (continueToken !== '');
  expect(names).toEqual([['a', 'b'], ['c']]);
  expect(server.calls[0]?.path).toBe('/api/v1/namespaces/demo/pods');
});

test('client: gets, creates and replaces; a replacement of an old version conflicts', async () => {
  const { api } = await fixture();
  const place = { namespace: 'demo', name: 'epp' };
  expect(await api.get(LEASES, place, NOT_ABORTED)).toBeUndefined();
  const created = await api.create(
    LEASES,
    'demo',
    { metadata: { name: 'epp' }, spec: { a: 1 } },
    NOT_ABORTED,
  );
  expect(created.metadata.resourceVersion).toMatch(/^\d+$/);
  const again = await failureOf(api.create(LEASES, 'demo', { metadata: { name: 'epp' } }, NOT_ABORTED));
  expect(again).toMatchObject({ status: 409, reason: 'AlreadyExists' });
  const replaced = await api.replace(LEASES, 'demo', { ...created, spec: { a: 2 } }, NOT_ABORTED);
  expect(await api.get(LEASES, place, NOT_ABORTED)).toEqual(replaced);
  const conflict = await failureOf(api.replace(LEASES, 'demo', created, NOT_ABORTED));
  expect(conflict.status).toBe(409);
  expect(conflict.message).toBe(
    'replacement of leases.coordination.k8s.io demo/epp: HTTP 409 Conflict: refused with 409',
  );
});

test('client: discovery tells what is served, and says nothing when it cannot', async () => {
  const { server, api } = await fixture();
  expect(await api.serves(LEASES, NOT_ABORTED)).toBe(true);
  expect(await api.serves({ ...LEASES, plural: 'others' }, NOT_ABORTED)).toBe(false);
  expect(await api.serves({ ...LEASES, version: 'v2' }, NOT_ABORTED)).toBe(false);
  server.next('discovery', { kind: 'status', status: 503 });
  expect(await failureOf(api.serves(PODS, NOT_ABORTED))).toMatchObject({ status: 503 });
});

test('client: a watch tells changes after its version, then bookmarks, and ends with the server', async () => {
  const all = await fixture();
  const { server, api } = all;
  const { resourceVersion = '' } = server.put(PODS, object('before')).metadata;
  server.put(PODS, object('a'));
  const events: string[] = [];
  const end = api.watch(
    PODS,
    { ...DEMO, fields: 'metadata.name=a' },
    { resourceVersion, timeoutS: 300, opened: () => events.push('opened') },
    ({ type, object: { metadata } }) => events.push(`${type} ${metadata.name ?? metadata.resourceVersion}`),
    NOT_ABORTED,
  );
  await eventually(() => expect(events).toHaveLength(2));
  server.put(PODS, object('b'));
  server.put(PODS, object('a', { x: 'é' }));
  server.remove(PODS, 'demo', 'a');
  server.bookmark();
  server.endWatches();
  await end;
  const last = `BOOKMARK ${server.store.version}`;
  expect(events).toEqual(['opened', 'ADDED a', 'MODIFIED a', 'DELETED a', last]);
  const query = Object.fromEntries(server.calls[0]?.query ?? []);
  const own = { watch: 'true', allowWatchBookmarks: 'true', timeoutSeconds: '300' };
  expect(query).toEqual({ ...own, resourceVersion, fieldSelector: 'metadata.name=a' });
  expect(all.clock.pendingTimers).toBe(0);
});

test.each<{ name: string; fault: Fault; want: Partial<KubeError>; message: string }>([
  {
    name: 'a refusal',
    fault: { kind: 'status', status: 403 },
    want: { status: 403, reason: 'Forbidden', retryAfterMs: 0 },
    message: 'list of pods in demo: HTTP 403 Forbidden: refused with 403',
  },
  {
    name: 'too many requests',
    fault: { kind: 'status', status: 429, retryAfterS: 7 },
    want: { status: 429, reason: 'TooManyRequests', retryAfterMs: 7000 },
    message: 'list of pods in demo: HTTP 429 TooManyRequests: refused with 429',
  },
  {
    name: 'a page of a proxy',
    fault: { kind: 'text', text: '<html>' },
    want: { status: 0, reason: 'InvalidAnswer' },
    message: 'got 6 bytes of text/html that are no JSON object, wanted an object of the API',
  },
  {
    name: 'JSON that is no list',
    fault: { kind: 'text', text: '{"metadata":{},"items":[{}]}' },
    want: { status: 0, reason: 'InvalidAnswer' },
    message: 'got an object that is no list of objects, wanted a list with metadata and items',
  },
  {
    name: 'half an answer',
    fault: { kind: 'cut', text: '{"metadata":' },
    want: { status: 0, reason: 'Unreachable' },
    message: 'list of pods in demo: https://127.0.0.1:',
  },
  {
    name: 'a closed connection',
    fault: { kind: 'reset' },
    want: { status: 0, reason: 'Unreachable' },
    message: 'list of pods in demo: https://127.0.0.1:',
  },
])('client: $name becomes an error that says what, got and wanted', async ({ fault, want, message }) => {
  const all = await fixture();
  all.server.next('list', fault);
  const error = await failureOf(listPods(all));
  expect(error).toMatchObject(want);
  expect(error.message).toContain(message);
  expect(error.message).not.toContain('token-1');
  await listPods(all);
  expect(all.clock.pendingTimers).toBe(0);
});

test('client: a list of nothing may have null for its items', async () => {
  const { server, api } = await fixture();
  server.next('list', { kind: 'text', text: '{"metadata":{"resourceVersion":"5"},"items":null}' });
  const list = await api.list(PODS, DEMO, { limit: 1, continueToken: '' }, NOT_ABORTED);
  expect(list).toEqual({ metadata: { resourceVersion: '5' }, items: [] });
});

test.each<{ verb: Verb; kind: 'hang' | 'hang-body'; limitMs: number; wanted: string }>([
  { verb: 'list', kind: 'hang', limitMs: 30_000, wanted: 'nothing within 30 s, wanted the whole answer' },
  {
    verb: 'list',
    kind: 'hang-body',
    limitMs: 30_000,
    wanted: 'nothing within 30 s, wanted the whole answer',
  },
  { verb: 'watch', kind: 'hang', limitMs: 30_000, wanted: 'wanted the watch to be accepted' },
  { verb: 'watch', kind: 'hang-body', limitMs: 270_000, wanted: 'wanted the watch to end after 240 s' },
])('client: a $verb that meets $kind is given up in its time', async ({ verb, kind, limitMs, wanted }) => {
  const all = await fixture();
  all.server.next(verb, { kind });
  const watched = verb === 'list' ? undefined : watchPods(all);
  const call = watched?.end ?? listPods(all);
  let isOver = false;
  call.then(undefined, () => {
    isOver = true;
  });
  await eventually(() => expect(all.server.count(verb)).toBe(1));
  if (kind === 'hang-body') await watched?.opened;
  await all.clock.advanceAsync(limitMs - 1);
  expect(isOver).toBe(false);
  await all.clock.advanceAsync(1);
  const error = await failureOf(call);
  expect(error).toMatchObject({ status: 0, reason: 'TimedOut' });
  expect(error.message).toContain(wanted);
  expect(all.clock.pendingTimers).toBe(0);
});

test('client: a call ends when its signal aborts, before, at once and in the middle', async () => {
  const all = await fixture();
  expect(await failureOf(listPods(all, AbortSignal.abort()))).toMatchObject({ reason: 'Cancelled' });
  const controller = new AbortController();
  const { end } = watchPods(all, controller.signal);
  all.server.next('list', { kind: 'hang' });
  const list = listPods(all, controller.signal);
  await eventually(() => expect(all.server.openWatches + all.server.count('list')).toBe(2));
  controller.abort();
  expect(await failureOf(list)).toMatchObject({ status: 0, reason: 'Cancelled' });
  expect((await failureOf(end)).message).toBe('watch of pods in demo: cancelled');
  await eventually(() => expect(all.server.openWatches).toBe(0));
});

test.each([
  { name: 'garbage', text: 'nonsense\n', message: 'a line of 8 characters that is no event' },
  { name: 'an unknown type', text: '{"type":"NEW","object":{}}\n', message: 'an event of type "NEW"' },
  { name: 'an event of nothing', text: '{"type":"ADDED","object":{}}\n', message: 'has no metadata' },
  {
    name: 'an endless line',
    text: 'x'.repeat(8 * 2 ** 20 + 1),
    message: 'a line of more than 8388608 bytes',
  },
])('client: $name in a watch ends it, after the events before it', async ({ text, message }) => {
  const all = await fixture();
  const { events, end } = watchPods(all);
  await eventually(() => expect(all.server.openWatches).toBe(1));
  all.server.put(PODS, object('a'));
  all.server.sendRaw(text);
  const error = await failureOf(end);
  expect(error).toMatchObject({ status: 0, reason: 'InvalidAnswer' });
  expect(error.message).toContain(message);
  expect(events).toHaveLength(1);
  await eventually(() => expect(all.server.openWatches).toBe(0));
});

test('client: a watch that is cut within a line is broken, whether it ends or its connection is lost', async () => {
  const all = await fixture();
  for (const how of ['end', 'loss'] as const) {
    const { events, end } = watchPods(all);
    await eventually(() => expect(all.server.openWatches).toBe(1));
    all.server.sendRaw('{"type":"ADDED","object":{"met');
    if (how === 'end') all.server.endWatches();
    else all.server.cutConnections();
    expect(await failureOf(end)).toMatchObject({ reason: how === 'end' ? 'InvalidAnswer' : 'Unreachable' });
    expect(events).toEqual([]);
  }
});

test.each(['event', 'status'] as const)('client: a version too old, told as %s, is 410', async (how) => {
  const all = await fixture();
  all.server.compact();
  all.server.expiredAs = how;
  expect(await failureOf(watchPods(all).end)).toMatchObject({ status: 410, reason: 'Expired' });
});

test('client: what a callback throws ends the watch and is passed on', async () => {
  const all = await fixture();
  all.server.put(PODS, object('a'));
  const watched = all.api.watch(
    PODS,
    DEMO,
    { ...WATCH, resourceVersion: '100' },
    () => {
      throw new TypeError('from the callback');
    },
    NOT_ABORTED,
  );
  expect((await failureOf(watched)).cause).toEqual(new TypeError('from the callback'));
  await eventually(() => expect(all.server.openWatches).toBe(0));
});

test('client: a token that changed on disk is used from the next read on, and at once when the old one is refused', async () => {
  const all = await fixture();
  const { server, clock } = all;
  const used = () => server.calls.map((call) => call.authorization);
  const write = (token: string) => writeFile(join(server.access.serviceAccountFolder, 'token'), token);
  await listPods(all);
  server.tokens.add('token-2');
  await write('token-2');
  await listPods(all);
  expect(used()).toEqual(['Bearer token-1', 'Bearer token-1']);
  clock.advance(10_000);
  await listPods(all);
  expect(used().at(-1)).toBe('Bearer token-2');
  server.tokens.clear();
  server.tokens.add('token-3');
  await write('token-3');
  await listPods(all);
  expect(used().slice(-2)).toEqual(['Bearer token-2', 'Bearer token-3']);
});

test('client: a token that is refused and has not changed is an error; one that is missing serves on', async () => {
  const all = await fixture();
  await listPods(all);
  all.clock.advance(10_000);
  await writeFile(join(all.server.access.serviceAccountFolder, 'token'), '');
  await listPods(all);
  all.server.tokens.clear();
  expect(await failureOf(listPods(all))).toMatchObject({ status: 401, reason: 'Unauthorized' });
  expect(all.server.count('list')).toBe(3);
});

test('client: an authority that changed on disk is used for connections from then on', async () => {
  const all = await fixture();
  const file = join(all.server.access.serviceAccountFolder, 'ca.crt');
  const authority = await readFile(file, 'utf8');
  await listPods(all);
  const { cert: another } = await selfSignedCertificate([], systemClock);
  await writeFile(file, another);
  await listPods(all);
  all.clock.advance(10_000);
  expect(await failureOf(listPods(all))).toMatchObject({ status: 0, reason: 'Unreachable' });
  await writeFile(file, authority);
  all.clock.advance(10_000);
  await listPods(all);
  expect(all.server.count('list')).toBe(3);
});

test('client: goes through the proxy that a kubeconfig names', async () => {
  const { server, clock } = await fixture();
  const targets: unknown[] = [];
  const proxy = createServer().on('connect', (request, client: Socket) => {
    targets.push(request.url);
    const upstream = connect(Number(server.access.env['KUBERNETES_SERVICE_PORT']), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      client.pipe(upstream).pipe(client);
    });
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  onTestFinished(() => void proxy.close());
  const folder = server.access.serviceAccountFolder;
  const kubeconfig = join(folder, 'config');
  const { port } = proxy.address() as AddressInfo; // it listens on a port
  const cluster = {
    server: 'https://127.0.0.1:6443',
    'certificate-authority': 'ca.crt',
    'proxy-url': `http://127.0.0.1:${port}`,
  };
  const config = {
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user: { tokenFile: 'token' } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  await writeFile(kubeconfig, JSON.stringify(config));
  await using api = await loadKubeApi({ kubeconfig, env: {}, clock });
  expect(await api.serves(PODS, NOT_ABORTED)).toBe(true);
  expect(targets).toEqual(['127.0.0.1:6443']);
});

test('client: a server that cannot be reached, or has another certificate, is an error of the call', async () => {
  const all = await fixture();
  const other = await KubeApiServer.start([PODS]);
  await using _ = other;
  const access = { ...other.access, serviceAccountFolder: all.server.access.serviceAccountFolder };
  await using stranger = await loadKubeApi({ ...access, clock: all.clock });
  const untrusted = await failureOf(stranger.get(PODS, { namespace: 'demo', name: 'a' }, NOT_ABORTED));
  expect(untrusted).toMatchObject({ status: 0, reason: 'Unreachable' });
  expect(other.calls).toEqual([]);
  await all.server.suspend();
  expect(await failureOf(listPods(all))).toMatchObject({ status: 0, reason: 'Unreachable' });
  await all.server.resume();
  await listPods(all);
});
