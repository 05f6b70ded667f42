import type { Log } from '../framework/log.ts';
import { KindWatch, type KindWatchOptions } from './kind-watch.ts';
import { REWRITE_RESOURCES, type RewriteReading, readRewrite } from './model-rewrites.ts';
import { OBJECTIVE_RESOURCES, type ObjectiveReading, readObjective } from './objectives.ts';
import type { KubeObject } from './objects.ts';
import type { WatchServices } from './own-watches.ts';
import { type PoolIdentity, poolOf } from './pool-ref.ts';
import { POOL_RESOURCES, type PoolReading, readPool } from './pool-spec.ts';
import { SharedPods } from './shared-pods.ts';
import type { SelectedPods, Watch, Watches } from './watches.ts';

/** Something that is for one pool. */
interface ForPool<T> {
  readonly pool: string;
  readonly item: T;
}

/**
 * Watches of all pools in one namespace: one of InferencePools, one of objectives, one of rewrites, one of pods, however
 * many pools there are. Each pool is told of its own objects, and only when one of them has changed.
 */
export class SharedWatches implements Watches {
  readonly #pools: SharedKind<PoolReading>;
  readonly #objectives: SharedKind<ObjectiveReading>;
  readonly #rewrites: SharedKind<RewriteReading>;
  readonly #pods: SharedPods;

  constructor(services: WatchServices) {
    const selection = { namespace: services.namespace };
    this.#pools = new SharedKind({
      ...services,
      selection,
      resources: POOL_RESOURCES,
      project: (object, resource) => {
        const { name } = object.metadata;
        return name === undefined ? undefined : { pool: name, item: readPool(object, resource) };
      },
      isOftenTwice: true,
    });
    this.#objectives = new SharedKind({
      ...services,
      selection,
      resources: OBJECTIVE_RESOURCES,
      project: (object) => forPool(object, readObjective),
    });
    this.#rewrites = new SharedKind({
      ...services,
      selection,
      resources: REWRITE_RESOURCES,
      project: (object) => forPool(object, readRewrite),
    });
    this.#pods = new SharedPods(services);
  }

  pool(name: string, changed: (reading: PoolReading | undefined) => void): Watch {
    return this.#pools.of(name, ([reading]) => changed(reading));
  }

  objectives(pool: PoolIdentity, changed: (readings: readonly ObjectiveReading[]) => void): Watch {
    return this.#objectives.of(keyOf(pool), changed);
  }

  rewrites(pool: PoolIdentity, changed: (readings: readonly RewriteReading[]) => void): Watch {
    return this.#rewrites.of(keyOf(pool), changed);
  }

  pods(changed: () => void): SelectedPods {
    return this.#pods.selected(changed);
  }
}

function forPool<T>(
  object: KubeObject,
  read: (object: KubeObject, pool: PoolIdentity) => T | undefined,
): ForPool<T> | undefined {
  const pool = poolOf(object);
  const item = pool && read(object, pool);
  return pool === undefined || item === undefined ? undefined : { pool: keyOf(pool), item };
}

function keyOf({ group, name }: PoolIdentity): string {
  return `${group}/${name}`;
}

/** One pool's part of a kind. */
interface Part<T> {
  readonly changed: (items: readonly T[]) => void;
  /** As last told; undefined before. */
  told: readonly T[] | undefined;
}

const NOTHING: readonly never[] = [];

/** One watch of a kind, and the pools that share it. */
class SharedKind<T> {
  readonly #watch: KindWatch<ForPool<T>>;
  readonly #log: Log;
  readonly #stop = new AbortController();
  /** Of pools that have started, by pool. */
  readonly #parts = new Map<string, Part<T>[]>();
  /** By pool; undefined before the first list. */
  #items: ReadonlyMap<string, readonly T[]> | undefined = undefined;
  #started: Promise<void> | undefined = undefined;
  #users = 0;

  constructor(options: Omit<KindWatchOptions<ForPool<T>>, 'changed'>) {
    this.#log = options.log;
    this.#watch = new KindWatch({ ...options, changed: (items) => this.#changed(items.values()) });
  }

  /** What of the kind is for `pool`. */
  of(pool: string, changed: (items: readonly T[]) => void): Watch {
    const watch = this.#watch;
    return {
      start: (signal) => this.#start(pool, { changed, told: undefined }, signal),
      get apiVersion() {
        return watch.apiVersion;
      },
      get failingSinceMs() {
        return watch.failingSinceMs;
      },
    };
  }

  async #start(pool: string, part: Part<T>, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const parts = this.#parts.get(pool) ?? [];
    this.#parts.set(pool, parts);
    parts.push(part);
    this.#users += 1;
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    signal.addEventListener(
      'abort',
      () => {
        parts.splice(parts.indexOf(part), 1);
        this.#users -= 1;
        if (this.#users === 0) this.#stop.abort();
        resolve();
      },
      { once: true },
    );
    if (this.#items !== undefined) this.#tell(part, this.#items.get(pool) ?? NOTHING);
    this.#started ??= this.#watch.start(this.#stop.signal);
    await Promise.race([this.#started, ended]);
  }

  #changed(all: Iterable<ForPool<T>>): void {
    const items = new Map<string, T[]>();
    for (const { pool, item } of all) {
      const own = items.get(pool);
      if (own === undefined) items.set(pool, [item]);
      else own.push(item);
    }
    this.#items = items;
    for (const [pool, parts] of this.#parts) {
      const own = items.get(pool) ?? NOTHING;
      for (const part of parts) this.#tell(part, own);
    }
  }

  /** Objects that did not change are the same ones as before. */
  #tell(part: Part<T>, items: readonly T[]): void {
    const { told } = part;
    if (told?.length === items.length && items.every((item, i) => item === told[i])) return;
    part.told = items;
    try {
      part.changed(items);
    } catch (error) {
      this.#log.error({ err: error }, 'a pool cannot take over objects of Kubernetes');
    }
  }
}
