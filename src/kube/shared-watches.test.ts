import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RecordingLog } from '../../test/support/builders.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { named, pod } from '../../test/support/kube-objects.ts';
import { MemoryKubeApi } from '../../test/support/memory-kube-api.ts';
import { turns } from '../../test/support/turns.ts';
import { OBJECTIVE, POOL, REWRITE } from '../../test/support/watched-pool.ts';
import type { EndpointMetadata } from '../framework/endpoint.ts';
import { ModelRewrites } from '../framework/model-rewrites.ts';
import { SeededRng } from '../util/rng.ts';
import { POD_RESOURCE } from './pods.ts';
import { PoolWatcher } from './pool-watcher.ts';
import { SharedWatches } from './shared-watches.ts';

const GROUP = 'inference.networking.k8s.io';

function labelsOf(name: string): Record<string, string> {
  return { app: 'vllm', pool: name };
}

/** An InferencePool of pods that carry its name. */
function poolOf(name: string, ...ports: readonly number[]) {
  const targetPorts = ports.map((number) => ({ number }));
  return named({ name }, { selector: { matchLabels: labelsOf(name) }, targetPorts });
}

function podOf(name: string, poolName: string, more: Parameters<typeof pod>[0] = {}) {
  return pod({ name, labels: labelsOf(poolName), ...more });
}

/** Pools in one namespace that share their watches. `writes` counts how often each was told of endpoints. */
function watchedPools(names: readonly string[]) {
  const api = new MemoryKubeApi([POOL, OBJECTIVE, REWRITE, POD_RESOURCE]);
  const clock = new FakeClock();
  const log = new RecordingLog();
  const services = { api, namespace: 'default', clock, rng: new SeededRng(1), log };
  const shared = new SharedWatches(services);
  const abort = new AbortController();
  const pools = names.map((name) => {
    const state = {
      name,
      writes: 0,
      endpoints: '',
      objectives: {},
      fails: false,
      rewrites: new ModelRewrites(),
    };
    const writer = {
      replaceAll: (endpoints: readonly EndpointMetadata[]) => {
        state.writes += 1;
        if (state.fails) throw new Error('this pool is broken');
        state.endpoints = endpoints
          .map((one) => `${one.name}:${one.port}`)
          .sort()
          .join(' ');
      },
      replaceObjectives: (all: ReadonlyMap<string, number>) => {
        state.objectives = Object.fromEntries(all);
      },
    };
    const source = { kind: 'pool', name, group: GROUP } as const;
    const watcher = new PoolWatcher({ ...services, shared, source, writer, rewrites: state.rewrites });
    const own = new AbortController();
    const start = () => watcher.start(AbortSignal.any([abort.signal, own.signal]));
    return Object.assign(state, { watcher, start, stop: () => own.abort() });
  });
  return {
    api,
    clock,
    log,
    pools,
    start: () => Promise.all(pools.map((one) => one.start())),
    async [Symbol.asyncDispose]() {
      abort.abort();
      await turns();
      expect(api.openWatches).toBe(0);
      expect(clock.pendingTimers).toBe(0);
    },
  };
}

const FIFTY = Array.from({ length: 50 }, (_, i) => `pool-${i}`);

test('fifty pools of a namespace have four lists and four watches together', async () => {
  await using all = watchedPools(FIFTY);
  const { api, pools } = all;
  for (const name of FIFTY) {
    api.put(POOL, poolOf(name, 8000));
    api.put(POD_RESOURCE, podOf(`${name}-x`, name), podOf(`${name}-y`, name));
    api.put(OBJECTIVE, named({ name: `o-${name}` }, { poolRef: { name }, priority: 7 }));
    const rules = [{ targets: [{ modelRewrite: `model-of-${name}` }] }];
    api.put(REWRITE, named({ name: `r-${name}` }, { poolRef: { name }, rules }));
  }
  await all.start();
  for (const { name, watcher, endpoints, objectives, rewrites } of pools) {
    expect(endpoints).toBe(`${name}-x:8000 ${name}-y:8000`);
    expect(objectives).toEqual({ [`o-${name}`]: 7 });
    expect(rewrites.decide('m', { next: () => 0 })?.model).toBe(`model-of-${name}`);
    expect(watcher).toMatchObject({ isPoolKnown: true, hasSyncedPods: true });
  }
  expect(api.openWatches).toBe(4);
  const lists = api.calls.filter((call) => call.startsWith('list ')).sort();
  // a page of a list has a hundred objects
  expect([...new Set(lists)]).toHaveLength(4);
  expect(lists.length).toBe(4);
});

test('each pool is told of its own changes, and of no others', async () => {
  await using all = watchedPools(FIFTY);
  const { api, pools } = all;
  for (const name of FIFTY) api.put(POOL, poolOf(name, 8000));
  for (const name of FIFTY) api.put(POD_RESOURCE, podOf(`p-${name}`, name));
  await all.start();
  const before = pools.map((one) => one.writes);
  const touched = () => pools.flatMap((one, i) => (one.writes === before[i] ? [] : [one.name]));

  api.put(POD_RESOURCE, podOf('q', 'pool-7'));
  await turns();
  expect(touched()).toEqual(['pool-7']);
  api.put(POD_RESOURCE, podOf('q', 'pool-9'));
  await turns();
  expect(touched()).toEqual(['pool-7', 'pool-9']);
  expect([pools[7]?.endpoints, pools[9]?.endpoints]).toEqual(['p-pool-7:8000', 'p-pool-9:8000 q:8000']);
  api.put(POOL, poolOf('pool-11', 9000));
  await turns();
  expect(touched()).toEqual(['pool-7', 'pool-9', 'pool-11']);
  expect(pools[11]?.endpoints).toBe('p-pool-11:9000');
  // a new list of everything, in which nothing has changed
  api.store.compact();
  api.endWatches();
  await all.clock.advanceAsync(10_000, 500);
  expect(touched()).toEqual(['pool-7', 'pool-9', 'pool-11']);
});

test('a pool that is gone, malformed or failing touches no other', async () => {
  await using all = watchedPools(['a', 'b', 'c', 'd']);
  const { api, pools, log } = all;
  const [a, b, c, d] = pools;
  api.put(POOL, poolOf('b', 1), poolOf('c', 1), poolOf('d', 1));
  for (const { name } of pools) api.put(POD_RESOURCE, podOf(`p-${name}`, name));
  if (c !== undefined) c.fails = true;
  void c?.start();
  await Promise.all([a?.start(), b?.start(), d?.start()]);
  api.put(POOL, named({ name: 'b' }, { selector: {} }));
  api.put(POD_RESOURCE, podOf('q-c', 'c'), podOf('q-d', 'd'));
  await turns();
  expect(a?.watcher.isPoolKnown).toBe(false);
  expect(b?.endpoints).toBe('p-b:1'); // what is known stays
  expect(d?.endpoints).toBe('p-d:1 q-d:1');
  api.remove(POOL, 'default', 'b');
  api.put(POOL, poolOf('a', 2));
  await turns();
  expect([a?.endpoints, b?.endpoints, d?.endpoints]).toEqual(['p-a:2', '', 'p-d:1 q-d:1']);
  const errors = log.lines.filter((line) => line.level === 'error').map((line) => line.message);
  expect(errors.length).toBeGreaterThan(0);
  for (const message of errors) expect(message).toMatch(/^a pool cannot take over/);
});

test('the watches go on for those that are left, and a late pool learns what is known', async () => {
  await using all = watchedPools(['a', 'b', 'c']);
  const { api, pools } = all;
  const [a, b, c] = pools;
  for (const { name } of pools) {
    api.put(POOL, poolOf(name, 1));
    api.put(POD_RESOURCE, podOf(`p-${name}`, name));
  }
  await Promise.all([a?.start(), b?.start()]);
  a?.stop();
  api.put(POD_RESOURCE, podOf('q-a', 'a'), podOf('q-b', 'b'));
  await turns();
  expect([a?.endpoints, b?.endpoints, c?.endpoints]).toEqual(['p-a:1', 'p-b:1 q-b:1', '']);
  await c?.start();
  expect(c?.endpoints).toBe('p-c:1');
  expect(api.openWatches).toBe(4);
});

test('a pool whose selector changes has other pods at once', async () => {
  await using all = watchedPools(['a', 'b']);
  const { api, pools } = all;
  api.put(POOL, poolOf('a', 1), poolOf('b', 1));
  api.put(POD_RESOURCE, podOf('p', 'a'), podOf('q', 'b'), pod({ name: 'r', labels: { app: 'other' } }));
  await all.start();
  api.put(
    POOL,
    named({ name: 'a' }, { selector: { matchLabels: { app: 'other' } }, targetPorts: [{ number: 1 }] }),
  );
  await turns();
  expect(pools.map((one) => one.endpoints)).toEqual(['r:1', 'q:1']);
  api.put(
    POOL,
    named({ name: 'a' }, { selector: { matchLabels: { app: 'vllm' } }, targetPorts: [{ number: 1 }] }),
  );
  await turns();
  expect(pools.map((one) => one.endpoints)).toEqual(['p:1 q:1', 'q:1']);
});

test('a pod is in the pools whose selectors its labels match, and in no other', async () => {
  const label = fc.record(
    { app: fc.constantFrom('x', 'y'), tier: fc.constantFrom('1', '2') },
    { requiredKeys: [] },
  );
  const step = fc.oneof(
    fc.tuple(fc.constant('pod'), fc.constantFrom('p', 'q', 'r'), label),
    fc.tuple(fc.constant('gone'), fc.constantFrom('p', 'q', 'r'), label),
    fc.tuple(
      fc.constant('pool'),
      fc.constantFrom('a', 'b', 'c', 'd'),
      label.filter((one) => Object.keys(one).length > 0),
    ),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      await using all = watchedPools(['a', 'b', 'c', 'd']);
      const pods = new Map<string, Record<string, string>>();
      const selectors = new Map<string, Record<string, string>>();
      void all.start();
      for (const [what, name, labels] of steps) {
        const matchLabels = labels as Record<string, string>;
        if (what === 'pod') {
          pods.set(name, matchLabels);
          all.api.put(POD_RESOURCE, pod({ name, labels: matchLabels }));
        } else if (what === 'gone') {
          pods.delete(name);
          all.api.remove(POD_RESOURCE, 'default', name);
        } else {
          selectors.set(name, matchLabels);
          all.api.put(POOL, named({ name }, { selector: { matchLabels }, targetPorts: [{ number: 1 }] }));
        }
        await turns(1);
      }
      await turns();
      for (const { name, endpoints } of all.pools) {
        const selector = Object.entries(selectors.get(name) ?? { none: '' });
        const want = Array.from(pods)
          .filter(([, labels]) => selector.every(([key, value]) => labels[key] === value))
          .map(([podName]) => `${podName}:1`)
          .sort()
          .join(' ');
        expect(`${name} ${endpoints}`).toBe(`${name} ${want}`);
      }
    }),
    { numRuns: 50 },
  );
});
