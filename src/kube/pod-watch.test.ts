import { expect, test } from 'vitest';
import { RecordingLog } from '../../test/support/builders.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { pod } from '../../test/support/kube-objects.ts';
import { MemoryKubeApi } from '../../test/support/memory-kube-api.ts';
import { turns } from '../../test/support/turns.ts';
import { parseLabelSelector } from '../framework/label-selector.ts';
import { SeededRng } from '../util/rng.ts';
import { PodWatch } from './pod-watch.ts';
import { POD_RESOURCE } from './pods.ts';

function setup() {
  const api = new MemoryKubeApi([POD_RESOURCE]);
  const clock = new FakeClock();
  const abort = new AbortController();
  let changes = 0;
  const watch = new PodWatch({
    api,
    namespace: 'default',
    changed: () => {
      changes += 1;
    },
    clock,
    rng: new SeededRng(1),
    log: new RecordingLog(),
  });
  for (const name of ['a', 'b', 'c']) api.put(POD_RESOURCE, pod({ name, labels: { app: name } }));
  return {
    api,
    clock,
    watch,
    abort,
    changes: () => changes,
    names: () => watch.pods?.map((one) => one.name).join(''),
    follow: async (selector: string) => {
      watch.follow(parseLabelSelector(selector), abort.signal);
      await turns();
    },
  };
}

test('follows one selector at a time, and forgets when it stops', async () => {
  const { watch, api, changes, names, follow } = setup();
  expect(names()).toBeUndefined();
  await follow('app=a');
  expect([names(), changes(), api.openWatches]).toEqual(['a', 1, 1]);
  await follow('app=a');
  expect([names(), changes(), api.openWatches]).toEqual(['a', 1, 1]);
  await follow('app in (a,b)');
  expect([names(), changes(), api.openWatches]).toEqual(['ab', 2, 1]);
  watch.stop();
  await turns();
  expect([names(), changes(), api.openWatches]).toEqual([undefined, 2, 0]);
  await follow('app=c');
  expect([names(), changes(), api.openWatches]).toEqual(['c', 3, 1]);
});

test('selectors that nobody waited for leave no trace', async () => {
  const { watch, clock, api, names, follow } = setup();
  await follow('app=a');
  api.fail(503);
  const failingFrom = clock.nowMs();
  for (const selector of ['app=b', 'app=c', 'app=a', 'app=c', 'app=b']) await follow(selector);
  expect(names()).toBe('a');
  expect(watch.failingSinceMs).toBe(failingFrom);
  api.recover();
  await clock.advanceAsync(60_000, 500);
  expect([names(), api.openWatches]).toEqual(['b', 1]);
  expect(watch.failingSinceMs).toBeNaN();
});

test('an abort ends it', async () => {
  const { abort, api, clock, names, follow } = setup();
  await follow('app=a');
  abort.abort();
  await turns();
  api.put(POD_RESOURCE, pod({ name: 'd', labels: { app: 'a' } }));
  await clock.advanceAsync(60_000, 1000);
  expect([names(), api.openWatches, clock.pendingTimers]).toEqual(['a', 0, 0]);
});
