import { expect, test } from 'vitest';
import type { WatchEvent } from '../../src/kube/api.ts';
import { POD_RESOURCE } from '../../src/kube/pods.ts';
import { pod } from './kube-objects.ts';
import { MemoryKubeApi } from './memory-kube-api.ts';

const never = new AbortController().signal;
const everything = { limit: 0, continueToken: '' };

function withPods(...names: readonly string[]): MemoryKubeApi {
  const api = new MemoryKubeApi([POD_RESOURCE]);
  api.put(POD_RESOURCE, ...names.map((name) => pod({ name, labels: { app: name } })));
  return api;
}

test('lists what a selection says, in pages', async () => {
  const api = withPods('a', 'b', 'c');
  const names = async (selection: object, page: { limit: number; continueToken: string }) => {
    const list = await api.list(POD_RESOURCE, { namespace: '', ...selection }, page, never);
    return [list.items.map((one) => one.metadata.name).join(''), list.metadata.continue];
  };
  expect(await names({}, everything)).toEqual(['abc', undefined]);
  expect(await names({}, { limit: 2, continueToken: '' })).toEqual(['ab', '2']);
  expect(await names({}, { limit: 2, continueToken: '2' })).toEqual(['c', undefined]);
  expect(await names({ labels: 'app in (a,c)' }, everything)).toEqual(['ac', undefined]);
  expect(await names({ fields: 'metadata.name=b' }, everything)).toEqual(['b', undefined]);
  expect(await names({ namespace: 'other' }, everything)).toEqual(['', undefined]);
});

test('a watch tells of changes since its version until it ends', async () => {
  const api = withPods('a');
  const resourceVersion = String(api.store.version);
  api.put(POD_RESOURCE, pod({ name: 'b', labels: { app: 'b' } }));
  const events: string[] = [];
  const note = ({ type, object }: WatchEvent) => void events.push(`${type} ${object.metadata.name}`);
  const watch = api.watch(
    POD_RESOURCE,
    { namespace: '', labels: 'app!=c' },
    { resourceVersion, timeoutS: 1, opened: () => void events.push('opened') },
    note,
    never,
  );
  api.put(POD_RESOURCE, pod({ name: 'c', labels: { app: 'c' } }), pod({ name: 'b', labels: { app: 'c' } }));
  api.remove(POD_RESOURCE, 'default', 'a');
  expect(events).toEqual(['opened', 'ADDED b', 'DELETED b', 'DELETED a']);
  expect(api.openWatches).toBe(1);
  api.endWatches();
  await watch;
  expect(api.openWatches).toBe(0);
});

test('a watch from before a compaction is refused, one that is aborted rejects', async () => {
  const api = withPods('a');
  const resourceVersion = String(api.store.version);
  const abort = new AbortController();
  const options = { resourceVersion, timeoutS: 1 };
  const watch = api.watch(POD_RESOURCE, { namespace: '' }, options, () => undefined, abort.signal);
  abort.abort();
  await expect(watch).rejects.toMatchObject({ reason: 'Cancelled' });
  api.store.compact();
  const late = api.watch(POD_RESOURCE, { namespace: '' }, options, () => undefined, never);
  await expect(late).rejects.toMatchObject({ status: 410 });
});

test('fails when told to, and for what it does not serve', async () => {
  const api = withPods('a');
  const other = { group: 'g', version: 'v1', plural: 'others' };
  await expect(api.list(other, { namespace: '' }, everything, never)).rejects.toMatchObject({ status: 404 });
  expect(await api.serves(other, never)).toBe(false);
  api.serve(other);
  expect(await api.serves(other, never)).toBe(true);
  api.fail(503, other);
  await expect(api.list(other, { namespace: '' }, everything, never)).rejects.toMatchObject({ status: 503 });
  expect(await api.serves(other, never)).toBe(true);
  api.failDiscovery(401);
  await expect(api.serves(other, never)).rejects.toMatchObject({ status: 401 });
  await api.list(POD_RESOURCE, { namespace: '' }, everything, never);
  api.recover();
  api.fail(500);
  await expect(api.serves(POD_RESOURCE, never)).rejects.toMatchObject({ status: 500 });
  api.recover();
  expect(await api.serves(other, never)).toBe(true);
});

test('creates once, and replaces what has not changed', async () => {
  const api = withPods();
  const created = await api.create(POD_RESOURCE, 'ns', pod({ name: 'a' }), never);
  await expect(api.create(POD_RESOURCE, 'ns', pod({ name: 'a' }), never)).rejects.toMatchObject({
    status: 409,
    reason: 'AlreadyExists',
  });
  const place = { namespace: 'ns', name: 'a' };
  expect(await api.get(POD_RESOURCE, place, never)).toEqual(created);
  await api.replace(POD_RESOURCE, 'ns', created, never);
  await expect(api.replace(POD_RESOURCE, 'ns', created, never)).rejects.toMatchObject({ reason: 'Conflict' });
  await expect(api.replace(POD_RESOURCE, 'ns', pod({ name: 'b' }), never)).rejects.toMatchObject({
    status: 404,
  });
});
