import { expect, test } from 'vitest';
import { RecordingLog } from '../../test/support/builders.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { named } from '../../test/support/kube-objects.ts';
import { MemoryKubeApi } from '../../test/support/memory-kube-api.ts';
import { turns } from '../../test/support/turns.ts';
import { SeededRng } from '../util/rng.ts';
import { KindWatch } from './kind-watch.ts';
import type { Resource } from './objects.ts';

const NEW: Resource = { group: 'new.io', version: 'v1', plural: 'things' };
const OLD: Resource = { group: 'old.io', version: 'v1alpha1', plural: 'things' };

interface Setup {
  readonly served: readonly Resource[];
  readonly isOftenTwice?: boolean;
}

function setup({ served, isOftenTwice = false }: Setup) {
  const api = new MemoryKubeApi(served);
  const clock = new FakeClock();
  const log = new RecordingLog();
  const told: string[] = [];
  const watch = new KindWatch<string>({
    api,
    resources: [NEW, OLD],
    selection: { namespace: 'default' },
    project: (object, resource) => `${resource.group}:${object.metadata.name}`,
    changed: (items) => void told.push([...items.values()].sort().join(' ')),
    isOftenTwice,
    clock,
    rng: new SeededRng(1),
    log,
  });
  const abort = new AbortController();
  let isOver = false;
  return {
    api,
    clock,
    watch,
    told,
    abort,
    start: async () => {
      await watch.start(abort.signal);
      isOver = true;
    },
    isOver: () => isOver,
    lines: () => log.lines.map(({ level, message }) => `${level}: ${message}`),
    async [Symbol.asyncDispose]() {
      abort.abort();
      await turns();
      expect(api.openWatches).toBe(0);
      expect(clock.pendingTimers).toBe(0);
    },
  };
}

const TWICE = 'Kubernetes has a kind in two groups; one is ignored';
const NONE = 'warn: Kubernetes does not have a kind; it is looked for again each minute';
const DEPRECATED = 'warn: a kind is followed in a deprecated group';

test.each([
  { name: 'the preferred one', served: [NEW], want: 'new.io:a', lines: [] },
  { name: 'the deprecated one', served: [OLD], want: 'old.io:b', lines: [DEPRECATED] },
  { name: 'both', served: [NEW, OLD], want: 'new.io:a', lines: [`warn: ${TWICE}`] },
  { name: 'neither', served: [], want: undefined, lines: [NONE] },
])('a server that has $name', async ({ served, want, lines }) => {
  await using one = setup({ served });
  one.api.put(NEW, named({ name: 'a' }, {}));
  one.api.put(OLD, named({ name: 'b' }, {}));
  await one.start();
  expect(one.told.at(-1)).toBe(want);
  expect(one.lines()).toEqual(lines);
  expect(one.watch.apiVersion).toBe(
    want === undefined ? '' : want.startsWith('new') ? 'new.io/v1' : 'old.io/v1alpha1',
  );
});

test('a kind that is usual in both groups is nothing to warn of', async () => {
  await using one = setup({ served: [NEW, OLD], isOftenTwice: true });
  await one.start();
  expect(one.lines()).toEqual([`debug: ${TWICE}`]);
});

test('a kind that is installed later is followed, and not asked for again', async () => {
  await using one = setup({ served: [] });
  await one.start();
  await one.clock.advanceAsync(200_000, 1000);
  expect(one.lines()).toEqual([NONE]);
  expect(one.api.calls.length).toBeLessThanOrEqual(2 * 6);
  one.api.serve(NEW);
  one.api.put(NEW, named({ name: 'a' }, {}));
  await one.clock.advanceAsync(73_000, 1000);
  expect(one.told).toEqual(['new.io:a']);
  const asked = () => one.api.calls.filter((call) => call.startsWith('discovery')).length;
  const before = asked();
  await one.clock.advanceAsync(200_000, 1000);
  expect(asked()).toBe(before);
});

test('a better resource takes over with its first list', async () => {
  await using one = setup({ served: [OLD] });
  one.api.put(OLD, named({ name: 'b' }, {}));
  await one.start();
  one.api.serve(NEW);
  one.api.put(NEW, named({ name: 'a' }, {}));
  one.api.fail(403, NEW);
  expect(one.watch.failingSinceMs).toBeNaN();
  await one.clock.advanceAsync(150_000, 1000);
  one.api.put(OLD, named({ name: 'c' }, {}));
  await turns();
  expect(one.told).toEqual(['old.io:b', 'old.io:b old.io:c']);
  expect(one.watch.failingSinceMs).toBeLessThan(one.clock.nowMs());

  one.api.recover();
  await one.clock.advanceAsync(100_000, 1000);
  expect(one.watch.failingSinceMs).toBeNaN();
  one.api.put(OLD, named({ name: 'd' }, {}));
  await turns();
  expect(one.told.slice(2)).toEqual(['new.io:a']);
  expect(one.api.openWatches).toBe(1);
});

test('a server that cannot say what it has is asked again, and the fault is logged once', async () => {
  await using one = setup({ served: [NEW] });
  one.api.fail(503);
  const started = one.start();
  await one.clock.advanceAsync(20_000, 100);
  expect(one.isOver()).toBe(false);
  const attempts = one.api.calls.length;
  expect(attempts).toBeGreaterThan(4);
  expect(attempts).toBeLessThan(12);
  expect(one.lines()).toEqual(['warn: cannot ask Kubernetes which kinds it has']);
  one.api.recover();
  await one.clock.advanceAsync(40_000, 500);
  await started;
  expect(one.told).toEqual(['']);
  expect(one.lines().slice(1)).toEqual(['info: Kubernetes says again which kinds it has']);
});

test('who may not ask which kinds there are tries the preferred one', async () => {
  await using one = setup({ served: [NEW, OLD] });
  one.api.put(NEW, named({ name: 'a' }, {}));
  one.api.failDiscovery(403);
  await one.start();
  expect(one.told).toEqual(['new.io:a']);
  expect(one.lines()).toEqual(['error: Kubernetes permission is missing']);
});

test('who may no longer ask stays with what is followed', async () => {
  await using one = setup({ served: [OLD] });
  one.api.put(OLD, named({ name: 'b' }, {}));
  await one.start();
  one.api.failDiscovery(403);
  await one.clock.advanceAsync(200_000, 1000);
  expect(one.watch.apiVersion).toBe('old.io/v1alpha1');
  expect(one.told).toEqual(['old.io:b']);
});

test('the start is over when the signal aborts, before it or during it', async () => {
  const one = setup({ served: [NEW] });
  one.api.fail(0);
  const started = one.start();
  await turns();
  one.abort.abort();
  await started;
  await one[Symbol.asyncDispose]();
  const calls = one.api.calls.length;
  await one.start();
  expect(one.api.calls.length).toBe(calls);
});
