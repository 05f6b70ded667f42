import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { named, pod } from '../../test/support/kube-objects.ts';
import { MemoryKubeApi } from '../../test/support/memory-kube-api.ts';
import { anyFault, anyStep, take, wanted } from '../../test/support/pool-steps.ts';
import { turns } from '../../test/support/turns.ts';
import {
  LEGACY_OBJECTIVE,
  LEGACY_POOL,
  OBJECTIVE,
  POOL,
  pool,
  REWRITE,
  watchedPool,
} from '../../test/support/watched-pool.ts';
import { POD_RESOURCE } from './pods.ts';
import { selectorPool } from './pool-spec.ts';

const A = { app: 'a' };
const B = { app: 'b' };

test('the endpoints of a pool are there when the start is over', async () => {
  await using one = watchedPool();
  one.api.put(POOL, pool(A, 8000, 8001));
  one.api.put(POD_RESOURCE, pod({ name: 'p', labels: A }), pod({ name: 'q', labels: B }));
  await one.start();
  expect(one.endpoints()).toBe('p:8000 p:8001');
  expect(one.watcher).toMatchObject({ isPoolKnown: true, hasSyncedPods: true, appProtocol: 'http' });
  expect(one.messages()).toEqual(['the pool is known']);
});

test('pods come, change, and go', async () => {
  await using one = watchedPool();
  one.api.put(POOL, pool(A, 8000));
  await one.start();
  expect(one.endpoints()).toBe('');
  const steps = [
    { put: pod({ name: 'p', labels: A, ready: 'False' }), want: '' },
    { put: pod({ name: 'p', labels: A }), want: 'p:8000' },
    { put: pod({ name: 'q', labels: A }), want: 'p:8000 q:8000' },
    { put: pod({ name: 'p', labels: B }), want: 'q:8000' },
    { put: pod({ name: 'p', labels: A }), want: 'p:8000 q:8000' },
    { put: pod({ name: 'q', labels: A, annotations: { 'llm-d.ai/active-ports': '' } }), want: 'p:8000' },
    { put: pod({ name: 'p', labels: A, isTerminating: true }), want: '' },
  ];
  for (const { put, want } of steps) {
    one.api.put(POD_RESOURCE, put);
    await turns();
    expect(one.endpoints()).toBe(want);
  }
});

test('changes that come together are written once, and those without effect never', async () => {
  await using one = watchedPool();
  one.api.put(POOL, pool(A, 8000));
  await one.start();
  const before = one.written.length;
  for (let i = 0; i < 20; i += 1) one.api.put(POD_RESOURCE, pod({ name: `p${i}`, labels: A }));
  await turns();
  expect(one.written.length).toBe(before + 1);
  for (let i = 0; i < 20; i += 1) {
    one.api.put(POD_RESOURCE, pod({ name: `p${i}`, labels: A, annotations: { note: 'x' } }));
    await turns();
  }
  expect(one.written.length).toBe(before + 1);
});

test('a change of the selector loses no endpoint before those of the new one are known', async () => {
  await using one = watchedPool();
  one.api.put(POOL, pool(A, 8000));
  one.api.put(POD_RESOURCE, pod({ name: 'p', labels: A }), pod({ name: 'q', labels: B }));
  await one.start();

  one.api.fail(503, POD_RESOURCE);
  one.api.put(POOL, pool(B, 8000));
  await turns();
  expect(one.endpoints()).toBe('p:8000');
  expect(one.watcher.hasSyncedPods).toBe(true);

  one.api.recover();
  await one.clock.advanceAsync(1000, 50);
  expect(one.endpoints()).toBe('q:8000');
  expect(one.written).toEqual([['p:8000'], ['q:8000']]);
});

test('a selector that changes and changes back needs no list', async () => {
  await using one = watchedPool();
  one.api.put(POOL, pool(A, 8000));
  one.api.put(POD_RESOURCE, pod({ name: 'p', labels: A }));
  await one.start();
  one.api.fail(503, POD_RESOURCE);
  one.api.put(POOL, pool(B, 8000));
  await turns();
  one.api.put(POOL, pool(A, 8000));
  await turns();
  one.api.recover();
  one.api.put(POD_RESOURCE, pod({ name: 'q', labels: A }));
  await one.clock.advanceAsync(2000, 50);
  expect(one.endpoints()).toBe('p:8000 q:8000');
});

test('ports that grow, shrink and change places take effect at once', async () => {
  await using one = watchedPool();
  one.api.put(POOL, pool(A, 8000));
  one.api.put(POD_RESOURCE, pod({ name: 'p', labels: A }));
  await one.start();
  for (const ports of [[8000, 8001], [8001, 8000], [8001]]) {
    one.api.put(POOL, pool(A, ...ports));
    await turns();
    expect(one.endpoints()).toBe(
      ports
        .map((port) => `p:${port}`)
        .toSorted()
        .join(' '),
    );
  }
  const lists = one.api.calls.filter((call) => call === 'list pods');
  expect(lists).toHaveLength(1);
});

test('a pool that is deleted loses its endpoints, keeps the rest, and may come back', async () => {
  await using one = watchedPool();
  one.api.put(POOL, pool(A, 8000));
  one.api.put(POD_RESOURCE, pod({ name: 'p', labels: A }));
  one.api.put(OBJECTIVE, named({ name: 'gold' }, { poolRef: { name: 'pool' }, priority: 5 }));
  const rules = [{ targets: [{ modelRewrite: 'x' }] }];
  one.api.put(REWRITE, named({ name: 'r' }, { poolRef: { name: 'pool' }, rules }));
  await one.start();
  expect(one.objectives()).toEqual({ gold: 5 });
  expect(one.rewriteOf('m')).toBe('x');

  one.api.remove(POOL, 'default', 'pool');
  await turns();
  expect(one.endpoints()).toBe('');
  expect(one.watcher).toMatchObject({ isPoolKnown: false, hasSyncedPods: false, appProtocol: undefined });
  expect(one.objectives()).toEqual({ gold: 5 });
  expect(one.rewriteOf('m')).toBe('x');

  one.api.put(POD_RESOURCE, pod({ name: 'q', labels: B }));
  one.api.put(POOL, pool(B, 9000));
  await turns();
  expect(one.endpoints()).toBe('q:9000');
  expect(one.messages()).toEqual(['the pool is known', 'the pool is gone', 'the pool is known']);
});

test('a pool on its way out counts as gone', async () => {
  await using one = watchedPool();
  one.api.put(POOL, pool(A, 8000));
  one.api.put(POD_RESOURCE, pod({ name: 'p', labels: A }));
  await one.start();
  const spec = pool(A, 8000).spec;
  one.api.put(POOL, named({ name: 'pool', isTerminating: true }, spec));
  await turns();
  expect(one.endpoints()).toBe('');
  expect(one.watcher.isPoolKnown).toBe(false);
});

test('the start is over when there is known to be no pool', async () => {
  await using one = watchedPool();
  one.api.put(POD_RESOURCE, pod({ name: 'p', labels: A }));
  await one.start();
  expect(one.watcher).toMatchObject({ isPoolKnown: false, hasSyncedPods: false });
  expect(one.messages()).toEqual(['there is no such pool']);
  one.api.put(POOL, pool(A, 8000));
  await turns();
  expect(one.endpoints()).toBe('p:8000');
});

test('a malformed pool is said to be so and changes nothing', async () => {
  await using one = watchedPool();
  one.api.put(POOL, named({ name: 'pool' }, { selector: {} }));
  one.api.put(POD_RESOURCE, pod({ name: 'p', labels: A }));
  await one.start();
  expect(one.watcher.isPoolKnown).toBe(false);
  expect(one.log.lines.at(-1)).toMatchObject({
    level: 'warn',
    fields: { kind: 'inferencepools', name: 'pool', problems: { length: 2 } },
  });
  one.api.put(POOL, pool(A, 8000));
  await turns();
  expect(one.endpoints()).toBe('p:8000');
  one.api.put(POOL, pool(A, 0));
  await turns();
  expect(one.endpoints()).toBe('p:8000');
  expect(one.watcher.isPoolKnown).toBe(true);
});

test('the API server may go away: what is known stays', async () => {
  await using one = watchedPool();
  one.api.put(POOL, pool(A, 8000));
  one.api.put(POD_RESOURCE, pod({ name: 'p', labels: A }));
  one.api.put(OBJECTIVE, named({ name: 'gold' }, { poolRef: { name: 'pool' }, priority: 5 }));
  await one.start();
  const startMs = one.clock.nowMs();
  one.api.fail(0);
  await turns();
  await one.clock.advanceAsync(60_000, 1000);
  expect(one.endpoints()).toBe('p:8000');
  expect(one.objectives()).toEqual({ gold: 5 });
  expect(one.watcher).toMatchObject({ isPoolKnown: true, hasSyncedPods: true });
  const forMs = one.clock.nowMs() - startMs;
  expect(one.watcher.dumpState()).toMatchObject({
    failingForMs: { pool: forMs, pods: forMs, objectives: forMs, rewrites: forMs },
  });

  one.api.put(POD_RESOURCE, pod({ name: 'q', labels: A }));
  one.api.recover();
  await one.clock.advanceAsync(60_000, 1000);
  expect(one.endpoints()).toBe('p:8000 q:8000');
  expect(one.written).toHaveLength(2);
  expect(one.watcher.dumpState()).toMatchObject({ failingForMs: {} });
});

test('the start waits for an API server that is not there yet, and ends with the signal', async () => {
  const one = watchedPool();
  one.api.fail(0);
  one.api.put(POOL, pool(A, 8000));
  let isOver = false;
  const started = one.start().then(() => {
    isOver = true;
  });
  await one.clock.advanceAsync(20_000, 500);
  expect(isOver).toBe(false);
  one.api.recover();
  await one.clock.advanceAsync(60_000, 500);
  expect(isOver).toBe(true);
  await started;
  await one[Symbol.asyncDispose]();

  const other = watchedPool();
  other.api.fail(0);
  const waiting = other.start();
  await turns();
  await other[Symbol.asyncDispose]();
  await waiting;
  expect(other.written).toEqual([]);
});

test('objectives and rewrites that cannot be had hold up the start for a moment only', async () => {
  await using one = watchedPool();
  one.api.put(POOL, pool(A, 8000));
  one.api.fail(403, OBJECTIVE);
  let isOver = false;
  const started = one.start().then(() => {
    isOver = true;
  });
  await one.clock.advanceAsync(1000, 100);
  expect(isOver).toBe(false);
  await one.clock.advanceAsync(1500, 100);
  expect(isOver).toBe(true);
  await started;
});

test('objectives and rewrites of the pool alone count, as they are now', async () => {
  await using one = watchedPool();
  one.api.put(POOL, pool(A, 8000));
  one.api.put(OBJECTIVE, named({ name: 'gold' }, { poolRef: { name: 'pool' }, priority: 5 }));
  one.api.put(OBJECTIVE, named({ name: 'else' }, { poolRef: { name: 'other' }, priority: 9 }));
  const rule = (model: string) => [{ targets: [{ modelRewrite: model }] }];
  const old = { name: 'z', creationTimestamp: '2025-01-01T00:00:00Z' };
  one.api.put(REWRITE, named({ name: 'a' }, { poolRef: { name: 'pool' }, rules: rule('young') }));
  one.api.put(REWRITE, named(old, { poolRef: { name: 'pool' }, rules: rule('old') }));
  await one.start();
  expect(one.objectives()).toEqual({ gold: 5 });
  expect(one.rewriteOf('m')).toBe('old');

  one.api.put(OBJECTIVE, named({ name: 'gold' }, { poolRef: { name: 'other' }, priority: 5 }));
  one.api.remove(REWRITE, 'default', 'z');
  await turns();
  expect(one.objectives()).toEqual({});
  expect(one.rewriteOf('m')).toBe('young');

  one.api.put(
    REWRITE,
    named({ name: 'a', isTerminating: true }, { poolRef: { name: 'pool' }, rules: rule('young') }),
  );
  await turns();
  expect(one.rewriteOf('m')).toBeUndefined();
});

test('kinds that are installed later are found', async () => {
  await using one = watchedPool({ api: new MemoryKubeApi([POD_RESOURCE, LEGACY_POOL]) });
  const legacy = named(
    { name: 'pool' },
    { selector: A, targetPortNumber: 8000, extensionRef: { name: 'epp' } },
  );
  one.api.put(LEGACY_POOL, legacy);
  one.api.put(POD_RESOURCE, pod({ name: 'p', labels: A }));
  await one.start();
  expect(one.endpoints()).toBe('p:8000');
  expect(one.watcher.appProtocol).toBeUndefined();

  for (const resource of [POOL, OBJECTIVE, LEGACY_OBJECTIVE]) one.api.serve(resource);
  one.api.put(POOL, pool(A, 9000));
  one.api.put(OBJECTIVE, named({ name: 'gold' }, { poolRef: { name: 'pool' }, priority: 5 }));
  await one.clock.advanceAsync(75_000, 1000);
  expect(one.endpoints()).toBe('p:9000');
  expect(one.objectives()).toEqual({ gold: 5 });
  expect(one.watcher.dumpState()).toMatchObject({
    followed: { pool: 'inference.networking.k8s.io/v1', objectives: 'llm-d.ai/v1alpha2', rewrites: '' },
  });
});

test('pods alone make a pool by selector', async () => {
  const api = new MemoryKubeApi([POD_RESOURCE]);
  const spec = selectorPool('app in (a,b),!canary', [8000]);
  await using one = watchedPool({ api, source: { kind: 'selector', spec } });
  api.put(POD_RESOURCE, pod({ name: 'p', labels: A }), pod({ name: 'c', labels: { ...A, canary: '' } }));
  expect(one.watcher.isPoolKnown).toBe(false);
  const started = one.start();
  expect(one.watcher).toMatchObject({ isPoolKnown: true, hasSyncedPods: false, appProtocol: undefined });
  await started;
  expect(one.watcher.hasSyncedPods).toBe(true);
  expect(one.endpoints()).toBe('p:8000');
  expect(new Set(api.calls)).toEqual(new Set(['list pods', 'watch pods']));
  expect(one.watcher.dumpState()).toEqual({
    source: 'selector',
    namespace: 'default',
    pool: { selector: 'app in (a,b),!canary', targetPorts: [8000], appProtocol: '' },
    pods: 1,
    eligiblePods: 1,
    hasSyncedPods: true,
    endpoints: 1,
    objectives: 0,
    rewriteRules: 0,
    followed: { pool: '', objectives: '', rewrites: '' },
    failingForMs: {},
  });
});

describe.each([
  { what: 'of its own', isShared: false },
  { what: 'that pools share', isShared: true },
])('a pool with watches $what, whatever happens', ({ isShared }) => {
  test('ends up with what the API server has', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { maxLength: 25 }), async (steps) => {
        await using one = watchedPool({ isShared });
        void one.start();
        for (const each of steps) {
          take(each, one.api);
          if (each.what === 'wait') await one.clock.advanceAsync(each.ms, 1000);
        }
        one.api.recover();
        await one.clock.advanceAsync(200_000, 5000);
        const { endpoints, objectives } = wanted(steps);
        expect(one.endpoints() ?? '').toBe(endpoints);
        expect(one.objectives()).toEqual(objectives);
      }),
      { numRuns: 40 },
    );
  });

  test('faults alone take no endpoint away', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyFault, { maxLength: 15 }), async (steps) => {
        await using one = watchedPool({ isShared });
        one.api.put(POOL, pool(A, 8000));
        one.api.put(POD_RESOURCE, pod({ name: 'p', labels: A }));
        await one.start();
        for (const each of steps) {
          take(each, one.api);
          await turns(2);
          if (each.what === 'wait') await one.clock.advanceAsync(each.ms, 1000);
        }
        expect(one.written).toEqual([['p:8000']]);
        expect(one.watcher.isPoolKnown).toBe(true);
      }),
      { numRuns: 40 },
    );
  });
});
