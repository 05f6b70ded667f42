import type { Log } from '../framework/log.ts';
import { type CancelTimer, type Clock, sleep } from '../util/clock.ts';
import { nextInt, type Rng } from '../util/rng.ts';
import { type KubeApi, KubeError, statusOf, type WatchEvent } from './api.ts';
import { BackOff } from './back-off.ts';
import { FaultLog } from './fault-log.ts';
import type { KubeObject, ObjectList, ObjectMeta, Resource, Selection } from './objects.ts';
import { describeCall, resourceName } from './paths.ts';

/** What a reflector follows and whom it tells. */
export interface ReflectorOptions<T> {
  readonly api: KubeApi;
  readonly resource: Resource;
  readonly selection: Selection;
  /** What of an object is kept; undefined to keep nothing of it. Must not throw. */
  readonly project: (object: KubeObject) => T | undefined;
  /**
   * The whole set as of now, by `namespace/name`, the namespace '' for objects that are in none; called after each
   * list, then once per turn of the event loop in which something changed. The map is the reflector's own and is not
   * to be kept. What it throws is logged.
   */
  readonly changed: (items: ReadonlyMap<string, T>) => void;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Log;
}

/** Objects of a page. JSON of 100 pods, about 1 MB, takes 5 to 10 ms of the event loop to read, of 500 nearly 40. */
const PAGE_LIMIT = 100;

/** How long the server keeps a watch open: drawn anew for each, so that those of many replicas do not end together. */
const WATCH_MIN_S = 240;
const WATCH_MAX_S = 300;

/** A watch that lasted as long as this was not refused, even if it told nothing. */
const HEALTHY_MS = 1_000;

/**
 * Keeps a copy of what a selection of objects is: lists them, then watches from there until its signal aborts. While the
 * server is gone or fails, the copy stays as it is; attempts go on with a back-off, from the last version seen if the
 * server still knows it, else with a list, which replaces the whole copy at once.
 */
export class Reflector<T> {
  readonly #options: ReflectorOptions<T>;
  readonly #backOff: BackOff;
  readonly #faults: FaultLog;
  #items = new Map<string, T>();
  /** Where the next watch starts; '' when a list is due. */
  #version = '';
  #hasSynced = false;
  #failingSinceMs = Number.NaN;
  #stage: 'list' | 'watch' = 'list';
  #failedIn: 'list' | 'watch' = 'list';
  #delivery: NodeJS.Immediate | undefined;

  constructor(options: ReflectorOptions<T>) {
    const { resource, selection } = options;
    this.#options = options;
    this.#backOff = new BackOff(options.rng);
    const kind = resourceName(resource);
    this.#faults = new FaultLog(options.log, {
      permission: `list and watch ${kind}`,
      failing: 'cannot follow objects of Kubernetes, what is known of them stays',
      working: 'following objects of Kubernetes again',
      fields: { resource: kind, namespace: selection.namespace },
    });
  }

  /** There has been a list, and `changed` has been called. */
  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Time of the clock at which the present failure began; NaN while all is well. */
  get failingSinceMs(): number {
    return this.#failingSinceMs;
  }

  /**
   * Follows until `signal` aborts; to be called once. Resolves after the first list, or when `signal` aborts before it;
   * never rejects.
   */
  start(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    void this.#run(signal, resolve).finally(resolve);
    return promise;
  }

  async #run(signal: AbortSignal, synced: () => void): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#version === '') {
          await this.#list(signal);
          synced();
        }
        await this.#watch(signal);
      } catch (error) {
        const delayMs = signal.aborted ? 0 : this.#failed(error);
        if (delayMs > 0) await sleep(this.#options.clock, delayMs, signal);
      }
    }
    clearImmediate(this.#delivery);
  }

  async #list(signal: AbortSignal): Promise<void> {
    this.#stage = 'list';
    const { project } = this.#options;
    const items = new Map<string, T>();
    let page: ObjectList | undefined;
    let limit = PAGE_LIMIT;
    do {
      page = await this.#page({ limit, continueToken: page?.metadata.continue ?? '' }, signal);
      if (page === undefined) {
        items.clear();
        limit = 0;
        continue;
      }
      for (const object of page.items) {
        const kept = project(object);
        if (kept !== undefined) items.set(keyOf(object.metadata), kept);
      }
    } while (page === undefined || (page.metadata.continue ?? '') !== '');
    if (signal.aborted) return;
    this.#items = items;
    this.#version = versionOf(page.metadata.resourceVersion);
    if (this.#failedIn === 'list') this.#works();
    this.#deliver();
    this.#hasSynced = true;
  }

  /** Undefined when the server has forgotten the version whose next page is asked for: the list takes too long. */
  async #page(
    page: { readonly limit: number; readonly continueToken: string },
    signal: AbortSignal,
  ): Promise<ObjectList | undefined> {
    const { api, resource, selection } = this.#options;
    try {
      return await api.list(resource, selection, page, signal);
    } catch (error) {
      if (page.continueToken !== '' && statusOf(error) === 410) return undefined;
      throw error;
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    this.#stage = 'watch';
    const { api, resource, selection, clock, rng } = this.#options;
    const startedAt = this.#version;
    const startMs = clock.nowMs();
    let isHealthy = false;
    let cancel: CancelTimer = () => undefined;
    const healthy = () => {
      isHealthy = true;
      this.#backOff.reset();
      this.#works();
    };
    const options = {
      resourceVersion: startedAt,
      timeoutS: WATCH_MIN_S + nextInt(rng, WATCH_MAX_S - WATCH_MIN_S + 1),
      opened: () => {
        cancel = clock.after(HEALTHY_MS, healthy);
      },
    };
    const onEvent = (event: WatchEvent) => {
      this.#apply(event, signal);
      if (!isHealthy && this.#version !== startedAt) healthy();
    };
    try {
      await api.watch(resource, selection, options, onEvent, signal);
    } finally {
      cancel();
    }
    if (!isHealthy && clock.nowMs() - startMs >= HEALTHY_MS) healthy();
    if (isHealthy) return;
    const call = describeCall('watch', resource, selection.namespace);
    throw new KubeError(0, 'InvalidAnswer', `${call}: got an end at once, wanted ${options.timeoutS} s`);
  }

  #apply({ type, object }: WatchEvent, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#version = versionOf(object.metadata.resourceVersion);
    if (type === 'BOOKMARK') return;
    const key = keyOf(object.metadata);
    const kept = type === 'DELETED' ? undefined : this.#options.project(object);
    if (kept === undefined && !this.#items.delete(key)) return;
    if (kept !== undefined) this.#items.set(key, kept);
    this.#delivery ??= setImmediate(() => {
      if (!signal.aborted) this.#deliver();
    });
  }

  #deliver(): void {
    clearImmediate(this.#delivery);
    this.#delivery = undefined;
    try {
      this.#options.changed(this.#items);
    } catch (error) {
      this.#options.log.error({ err: error }, 'cannot take over objects of Kubernetes');
    }
  }

  #works(): void {
    this.#failingSinceMs = Number.NaN;
    this.#faults.worked();
  }

  /** Milliseconds to wait before the next attempt. */
  #failed(error: unknown): number {
    const status = statusOf(error);
    const isFirst = this.#backOff.isFresh;
    // No progress in two attempts from here, or a refusal that another attempt from here will not change.
    if (!isFirst && isInvalid(error)) this.#version = '';
    if (status >= 400 && status < 500 && status !== 401 && status !== 429) this.#version = '';
    const delayMs = this.#backOff.next(error);
    if (status === 410 && isFirst) return 0; // versions grow old in the normal course of things
    if (Number.isNaN(this.#failingSinceMs)) this.#failingSinceMs = this.#options.clock.nowMs();
    this.#failedIn = this.#stage;
    this.#faults.failed(error);
    return delayMs;
  }
}

function isInvalid(error: unknown): boolean {
  return !(error instanceof KubeError) || error.reason === 'InvalidAnswer';
}

function versionOf(version: unknown): string {
  if (typeof version === 'string' && version !== '') return version;
  throw new KubeError(0, 'InvalidAnswer', 'got an object without a version, wanted metadata.resourceVersion');
}

function keyOf({ namespace = '', name = '' }: ObjectMeta): string {
  return `${namespace}/${name}`;
}
