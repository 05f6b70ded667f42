import { expect } from 'vitest';
import type { Objectives } from '../../src/framework/discovery.ts';
import type { EndpointMetadata } from '../../src/framework/endpoint.ts';
import { ModelRewrites } from '../../src/framework/model-rewrites.ts';
import { REWRITE_RESOURCES } from '../../src/kube/model-rewrites.ts';
import { OBJECTIVE_RESOURCES } from '../../src/kube/objectives.ts';
import type { KubeObject } from '../../src/kube/objects.ts';
import { POD_RESOURCE } from '../../src/kube/pods.ts';
import { POOL_RESOURCES } from '../../src/kube/pool-spec.ts';
import { PoolWatcher, type PoolWatcherOptions } from '../../src/kube/pool-watcher.ts';
import { SharedWatches } from '../../src/kube/shared-watches.ts';
import { SeededRng } from '../../src/util/rng.ts';
import { RecordingLog } from './builders.ts';
import { FakeClock } from './fake-clock.ts';
import { named } from './kube-objects.ts';
import { MemoryKubeApi } from './memory-kube-api.ts';
import { turns } from './turns.ts';

export const [POOL, LEGACY_POOL] = POOL_RESOURCES;
export const [OBJECTIVE, LEGACY_OBJECTIVE] = OBJECTIVE_RESOURCES;
export const [REWRITE] = REWRITE_RESOURCES;

/** The pool called `pool`, as v1 has it. */
export function pool(matchLabels: Record<string, string>, ...ports: readonly number[]): KubeObject {
  return named(
    { name: 'pool' },
    { selector: { matchLabels }, targetPorts: ports.map((number) => ({ number })) },
  );
}

/** What a test says about a watched pool. */
export interface WatchedPoolOptions {
  /** One that has every kind by default. */
  readonly api?: MemoryKubeApi;
  /** The InferencePool `pool` by default. */
  readonly source?: PoolWatcherOptions['source'];
  /** With watches that other pools could share. */
  readonly isShared?: boolean;
}

/** A pool watcher in namespace `default` with an API server without a wire, and what it told. */
export function watchedPool(options: WatchedPoolOptions = {}) {
  const api = options.api ?? new MemoryKubeApi([POOL, OBJECTIVE, REWRITE, POD_RESOURCE]);
  const clock = new FakeClock();
  const log = new RecordingLog();
  const written: string[][] = [];
  let objectives: Objectives = new Map();
  const rewrites = new ModelRewrites();
  const services = { api, namespace: 'default', clock, rng: new SeededRng(1), log };
  const watcher = new PoolWatcher({
    ...services,
    shared: options.isShared === true ? new SharedWatches(services) : undefined,
    source: options.source ?? { kind: 'pool', name: 'pool', group: 'inference.networking.k8s.io' },
    writer: {
      replaceAll: (endpoints: readonly EndpointMetadata[]) => {
        written.push(endpoints.map((one) => `${one.name}:${one.port}`).sort());
      },
      replaceObjectives: (all) => {
        objectives = all;
      },
    },
    rewrites,
  });
  const abort = new AbortController();
  return {
    api,
    clock,
    log,
    watcher,
    written,
    /** The endpoints as last told, as `name:port`; undefined before. */
    endpoints: () => written.at(-1)?.join(' '),
    objectives: () => Object.fromEntries(objectives),
    /** With the first target of whichever rule decides. */
    rewriteOf: (model: string) => rewrites.decide(model, { next: () => 0 })?.model,
    messages: () => log.lines.filter((line) => line.level !== 'debug').map((line) => line.message),
    start: () => watcher.start(abort.signal),
    /** Stops it, and checks that nothing goes on. */
    async [Symbol.asyncDispose]() {
      abort.abort();
      await turns();
      expect(api.openWatches).toBe(0);
      expect(clock.pendingTimers).toBe(0);
    },
  };
}
