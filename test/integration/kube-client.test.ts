import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { KubeError, type WatchEvent } from '../../src/kube/api.ts';
import { type KubeClient, loadKubeApi } from '../../src/kube/client.ts';
import type { KubeObject, Resource } from '../../src/kube/objects.ts';
import { Reflector } from '../../src/kube/reflector.ts';
import { systemClock } from '../../src/util/clock.ts';
import { nextInt, SeededRng } from '../../src/util/rng.ts';
import { RecordingLog } from '../support/builders.ts';
import { eventually } from '../support/eventually.ts';
import { hasKubeApiserver, KUBE_NOTE, startKubeApiserver } from '../support/kube-apiserver.ts';
import type { RealKube } from '../support/real-kube.ts';

const PODS: Resource = { group: '', version: 'v1', plural: 'pods' };
const MAPS: Resource = { group: '', version: 'v1', plural: 'configmaps' };
const LEASES: Resource = { group: 'coordination.k8s.io', version: 'v1', plural: 'leases' };
const ALL = { limit: 0, continueToken: '' };
const NOT_ABORTED = new AbortController().signal;

/** Starting, or restarting, may meet a busy machine. */
const LIMIT_MS = 180_000;

function map(name: string, value = '', labels: Record<string, string> = {}): KubeObject {
  return { metadata: { name, labels }, data: { value } } as KubeObject; // whose `data` the product has no use for
}

function shownValue(object: KubeObject): string {
  return (object as KubeObject & { data: { value: string } }).data.value; // as `map` made it
}

async function failureOf(call: Promise<unknown>): Promise<KubeError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(KubeError);
  return error as KubeError; // as just checked
}

describe.skipIf(!hasKubeApiserver())(`a real API server${KUBE_NOTE}`, () => {
  let kube: RealKube;
  let api: KubeClient;

  beforeAll(async () => {
    kube = await startKubeApiserver();
    api = kube.admin;
  }, LIMIT_MS);

  afterAll(async () => {
    await kube[Symbol.asyncDispose]();
  });

  /** Follows the maps of a namespace by their values, until the test ends. */
  async function follow(namespace: string): Promise<{
    set: () => Record<string, string>;
    log: RecordingLog;
    reflector: Reflector<string>;
    sizes: number[];
  }> {
    const log = new RecordingLog();
    const sizes: number[] = [];
    const abort = new AbortController();
    let items: ReadonlyMap<string, string> = new Map();
    const reflector = new Reflector({
      api,
      resource: MAPS,
      selection: { namespace },
      project: shownValue,
      changed: (changed) => {
        items = changed;
        sizes.push(changed.size);
      },
      clock: systemClock,
      rng: new SeededRng(1),
      log,
    });
    onTestFinished(() => abort.abort());
    await reflector.start(abort.signal);
    return { set: () => Object.fromEntries(items), log, reflector, sizes };
  }

  async function listed(namespace: string): Promise<Record<string, string>> {
    const { items } = await api.list(MAPS, { namespace }, ALL, NOT_ABORTED);
    return Object.fromEntries(items.map((item) => [`${namespace}/${item.metadata.name}`, shownValue(item)]));
  }

  async function remove(namespace: string, name: string): Promise<void> {
    await kube.delete(`/api/v1/namespaces/${namespace}/configmaps/${name}`);
  }

  test('creates, gets and replaces; what is old, there already or missing is told apart', async () => {
    const namespace = await kube.createNamespace();
    const place = { namespace, name: 'epp' };
    expect(await api.get(LEASES, place, NOT_ABORTED)).toBeUndefined();
    const lease = { metadata: { name: 'epp' }, spec: { holderIdentity: 'a', leaseDurationSeconds: 15 } };
    const created = await api.create(LEASES, namespace, lease, NOT_ABORTED);
    expect(created).toMatchObject({ ...lease, metadata: { name: 'epp', namespace } });
    const again = await failureOf(api.create(LEASES, namespace, lease, NOT_ABORTED));
    expect(again).toMatchObject({ status: 409, reason: 'AlreadyExists' });
    const changed = { ...created, spec: { ...lease.spec, holderIdentity: 'b' } };
    const replaced = await api.replace(LEASES, namespace, changed, NOT_ABORTED);
    expect(await api.get(LEASES, place, NOT_ABORTED)).toEqual(replaced);
    const old = await failureOf(api.replace(LEASES, namespace, changed, NOT_ABORTED));
    expect(old).toMatchObject({ status: 409, reason: 'Conflict' });
    const missing = await failureOf(api.replace(MAPS, namespace, map('missing'), NOT_ABORTED));
    expect(missing).toMatchObject({ status: 404, reason: 'NotFound' });
    const invalid = { metadata: { name: 'epp2' }, spec: { leaseDurationSeconds: -1 } };
    expect(await failureOf(api.create(LEASES, namespace, invalid, NOT_ABORTED))).toMatchObject({
      status: 422,
      reason: 'Invalid',
    });
  });

  test('tells what is served', async () => {
    const asked = [
      PODS,
      LEASES,
      { ...LEASES, plural: 'others' },
      { ...LEASES, version: 'v9' },
      { ...PODS, group: 'x.y' },
    ];
    const served = await Promise.all(asked.map((resource) => api.serves(resource, NOT_ABORTED)));
    expect(served).toEqual([true, true, false, false, false]);
  });

  test('lists pods that are selected, with the status that kubelet would have given them', async () => {
    const namespace = await kube.createNamespace();
    await kube.createPod({ namespace, name: 'a', labels: { app: 'x' }, podIP: '10.1.0.1' });
    await kube.createPod({ namespace, name: 'b', labels: { app: 'y' } });
    const selection = { namespace, labels: 'app in (x,z)', fields: 'metadata.name=a' };
    const { items } = await api.list(PODS, selection, ALL, NOT_ABORTED);
    const conditions = [{ type: 'Ready', status: 'True' }];
    expect(items).toMatchObject([{ metadata: { name: 'a' }, status: { podIP: '10.1.0.1', conditions } }]);
  });

  test(
    'pages make the whole; the rest of a list whose version is gone is 410',
    async () => {
      const namespace = await kube.createNamespace();
      const names = Array.from({ length: 25 }, (_, i) => `m${String(i).padStart(2, '0')}`);
      for (const name of names) await api.create(MAPS, namespace, map(name), NOT_ABORTED);
      const found: unknown[] = [];
      const versions = new Set<unknown>();
      let continueToken = '';
      do {
        const page = await api.list(MAPS, { namespace }, { limit: 10, continueToken }, NOT_ABORTED);
        found.push(...page.items.map((item) => item.metadata.name));
        versions.add(page.metadata.resourceVersion);
        continueToken = page.metadata.continue ?? '';
      } while (continueToken !== '');
      expect(found).toEqual(names);
      expect(versions.size).toBe(1);
      const first = await api.list(MAPS, { namespace }, { limit: 10, continueToken: '' }, NOT_ABORTED);
      await api.create(MAPS, namespace, map('later'), NOT_ABORTED);
      await kube.compact();
      await kube.stopServer();
      await kube.startServer();
      const rest = { limit: 10, continueToken: first.metadata.continue ?? '' };
      expect(await failureOf(api.list(MAPS, { namespace }, rest, NOT_ABORTED))).toMatchObject({
        status: 410,
        reason: 'Expired',
      });
      const old = { resourceVersion: '1', timeoutS: 60 };
      const watch = api.watch(MAPS, { namespace }, old, () => undefined, NOT_ABORTED);
      expect(await failureOf(watch)).toMatchObject({ status: 410 });
    },
    LIMIT_MS,
  );

  test('a watch tells changes in order and ends when its time is over', async () => {
    const namespace = await kube.createNamespace();
    const { metadata } = await api.list(MAPS, { namespace }, ALL, NOT_ABORTED);
    const events: WatchEvent[] = [];
    const { promise: opened, resolve } = Promise.withResolvers<void>();
    const options = { resourceVersion: metadata.resourceVersion ?? '', timeoutS: 3, opened: resolve };
    const selection = { namespace, labels: 'shown' };
    const end = api.watch(MAPS, selection, options, (event) => events.push(event), NOT_ABORTED);
    await opened;
    const hidden = await api.create(MAPS, namespace, map('a', '1'), NOT_ABORTED);
    const shown = { ...hidden, metadata: { ...hidden.metadata, labels: { shown: '' } } };
    const stored = await api.replace(MAPS, namespace, shown, NOT_ABORTED);
    await api.replace(
      MAPS,
      namespace,
      { ...stored, metadata: { ...stored.metadata, labels: {} } },
      NOT_ABORTED,
    );
    await end;
    const told = events.map(({ type, object }) => `${type} ${object.metadata.name ?? ''}`);
    expect(told.filter((line) => !line.startsWith('BOOKMARK'))).toEqual(['ADDED a', 'DELETED a']);
  });

  test('a service account may do what its role says and nothing else', async () => {
    const namespace = await kube.createNamespace();
    const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['list'] }];
    const access = await kube.serviceAccount(namespace, 'limited', { rules });
    await using own = await loadKubeApi({ ...access, clock: systemClock });
    expect((await own.list(MAPS, { namespace }, ALL, NOT_ABORTED)).items).toEqual([]);
    const watch = { resourceVersion: '1', timeoutS: 10 };
    const refused = [
      own.watch(MAPS, { namespace }, watch, () => undefined, NOT_ABORTED),
      own.list(MAPS, { namespace: '' }, ALL, NOT_ABORTED),
      own.get(MAPS, { namespace, name: 'a' }, NOT_ABORTED),
      own.list(PODS, { namespace }, ALL, NOT_ABORTED),
    ];
    const failures = await Promise.all(refused.map(failureOf));
    for (const failure of failures) expect(failure).toMatchObject({ status: 403, reason: 'Forbidden' });
    expect(failures.at(-1)?.message).toContain(
      `list of pods in ${namespace}: HTTP 403 Forbidden: pods is forbidden: User`,
    );
  });

  test('a token that the server does not know is 401', async () => {
    await using stranger = await loadKubeApi({ ...(await kube.accessWith('unknown')), clock: systemClock });
    const list = stranger.list(PODS, { namespace: 'default' }, ALL, NOT_ABORTED);
    expect(await failureOf(list)).toMatchObject({ status: 401, reason: 'Unauthorized' });
  });

  test(
    'a reflector has what a list has, after 500 changes at random',
    async () => {
      const namespace = await kube.createNamespace();
      const { set, log, sizes } = await follow(namespace);
      const rng = new SeededRng(7);
      const live = new Map<string, KubeObject>();
      for (let i = 0; i < 500; i += 1) {
        const name = `m${nextInt(rng, 40)}`;
        const before = live.get(name);
        if (before === undefined) {
          live.set(name, await api.create(MAPS, namespace, map(name, String(i)), NOT_ABORTED));
        } else if (rng.next() < 0.4) {
          live.delete(name);
          await remove(namespace, name);
        } else {
          const { metadata } = before;
          live.set(
            name,
            await api.replace(MAPS, namespace, { ...map(name, String(i)), metadata }, NOT_ABORTED),
          );
        }
      }
      const want = await listed(namespace);
      expect(Object.keys(want)).toHaveLength(live.size);
      await eventually(() => expect(set()).toEqual(want));
      expect(sizes.length).toBeGreaterThan(50);
      expect(log.lines).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    'a reflector keeps its set while the server is gone, and has all that changed afterwards',
    async () => {
      const namespace = await kube.createNamespace();
      for (const name of ['a', 'b', 'c']) await api.create(MAPS, namespace, map(name, '1'), NOT_ABORTED);
      const { set, log, reflector, sizes } = await follow(namespace);
      for (const [gone, added] of [
        ['a', 'd'],
        ['b', 'e'],
      ] as const) {
        const before = await listed(namespace);
        await kube.stopServer();
        await eventually(() => expect(reflector.failingSinceMs).toBeGreaterThan(0));
        expect(set()).toEqual(before);
        await kube.compact();
        await kube.startServer();
        await remove(namespace, gone);
        await api.create(MAPS, namespace, map(added, '2'), NOT_ABORTED);
        const want = await listed(namespace);
        await eventually(() => expect(set()).toEqual(want), 40_000);
        await eventually(() => expect(reflector.failingSinceMs).toBeNaN(), 40_000);
      }
      expect(Object.keys(set()).sort()).toEqual(['c', 'd', 'e'].map((name) => `${namespace}/${name}`));
      expect(Math.min(...sizes)).toBeGreaterThan(1);
      const levels = log.lines.map((line) => line.level);
      expect(levels).toEqual(['warn', 'info', 'warn', 'info']);
    },
    LIMIT_MS,
  );
});
