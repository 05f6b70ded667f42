import type { Log } from '../framework/log.ts';
import { type Clock, sleep } from '../util/clock.ts';
import type { Rng } from '../util/rng.ts';
import { type KubeApi, statusOf } from './api.ts';
import { BackOff } from './back-off.ts';
import { FaultLog } from './fault-log.ts';
import type { KubeObject, Resource, Selection } from './objects.ts';
import { Reflector } from './reflector.ts';

/** Time between two questions whether a better resource has appeared, give or take a fifth. */
const RECHECK_MS = 60_000;

/** What a kind watch follows and whom it tells. */
export interface KindWatchOptions<T> {
  readonly api: KubeApi;
  /** The kind in the two groups that may have it. */
  readonly resources: readonly [preferred: Resource, deprecated: Resource];
  readonly selection: Selection;
  /** What of an object is kept; undefined to keep nothing of it. Must not throw. */
  readonly project: (object: KubeObject, resource: Resource) => T | undefined;
  /** The whole set as of now, by `namespace/name`; the map is not to be kept. */
  readonly changed: (items: ReadonlyMap<string, T>) => void;
  /** Two groups with the kind are nothing to warn of. */
  readonly isOftenTwice?: boolean;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Log;
}

/** Items of one resource, on their way to be the ones that count. */
interface Followed<T> {
  readonly resource: Resource;
  readonly reflector: Reflector<T>;
  readonly stop: AbortController;
}

/**
 * Follows a kind in the first group in which the server has it, and goes over to a better one that appears later. What is
 * known stays until something else is known. Never rejects.
 */
export class KindWatch<T> {
  readonly #options: KindWatchOptions<T>;
  readonly #plural: string;
  readonly #faults: FaultLog;
  #followed: Followed<T> | undefined = undefined;
  #hasWarned = false;

  constructor(options: KindWatchOptions<T>) {
    this.#options = options;
    this.#plural = options.resources[0].plural;
    this.#faults = new FaultLog(options.log, {
      permission: 'get /apis/*',
      failing: 'cannot ask Kubernetes which kinds it has',
      working: 'Kubernetes says again which kinds it has',
      fields: { kind: this.#plural },
    });
  }

  /** What is followed, as `group/version`; '' while the server has none of the resources. */
  get apiVersion(): string {
    const resource = this.#followed?.resource;
    return resource === undefined ? '' : `${resource.group}/${resource.version}`;
  }

  /** `Clock.nowMs()` since when the best resource cannot be followed; NaN when it can, or there is none. */
  get failingSinceMs(): number {
    return this.#followed?.reflector.failingSinceMs ?? Number.NaN;
  }

  /** Resolves when the set has been told, or the server is known to have none of the resources, or `signal` aborts. */
  start(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (signal.aborted) return Promise.resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
    void this.#run(signal, resolve);
    return promise;
  }

  async #run(signal: AbortSignal, settled: () => void): Promise<void> {
    const { resources, clock, rng } = this.#options;
    while (!signal.aborted) {
      const served = await this.#served(signal);
      const [best] = served;
      if (signal.aborted) return;
      if (best !== undefined && best !== this.#followed?.resource) {
        this.#announce(served);
        this.#follow(best, signal, settled);
      }
      if (best === resources[0]) return;
      if (best === undefined) {
        this.#warnOfNone();
        settled();
      }
      await sleep(clock, RECHECK_MS * (0.8 + 0.4 * rng.next()), signal);
    }
  }

  /** Which of the resources the server has; asked until it answers, or `signal` aborts. */
  async #served(signal: AbortSignal): Promise<readonly Resource[]> {
    const { api, resources, clock, rng } = this.#options;
    const backOff = new BackOff(rng);
    while (!signal.aborted) {
      try {
        const served: Resource[] = [];
        for (const resource of resources) if (await api.serves(resource, signal)) served.push(resource);
        this.#faults.worked();
        return served;
      } catch (error) {
        if (signal.aborted) break;
        this.#faults.failed(error);
        // who may not ask can still find out by trying
        if (statusOf(error) === 403) return this.#followed === undefined ? resources.slice(0, 1) : [];
        await sleep(clock, backOff.next(error), signal);
      }
    }
    return [];
  }

  #announce([best, ...others]: readonly Resource[]): void {
    const { resources, log, isOftenTwice = false } = this.#options;
    if (best === undefined) return;
    this.#hasWarned = false;
    const fields = { kind: this.#plural, group: best.group };
    if (others.length > 0) {
      const twice = { ...fields, ignored: others.map((one) => one.group) };
      if (isOftenTwice) log.debug(twice, 'Kubernetes has a kind in two groups; one is ignored');
      else log.warn(twice, 'Kubernetes has a kind in two groups; one is ignored');
    }
    if (best !== resources[0]) log.warn(fields, 'a kind is followed in a deprecated group');
  }

  #warnOfNone(): void {
    if (this.#hasWarned || this.#followed !== undefined) return;
    this.#hasWarned = true;
    const { resources, log } = this.#options;
    const groups = resources.map((one) => one.group);
    log.warn(
      { kind: this.#plural, groups },
      'Kubernetes does not have a kind; it is looked for again each minute',
    );
  }

  /** Until the first list of `resource`, what was followed before goes on. */
  #follow(resource: Resource, signal: AbortSignal, settled: () => void): void {
    const { api, selection, project, changed, clock, rng, log } = this.#options;
    const previous = this.#followed;
    const stop = new AbortController();
    const reflector = new Reflector<T>({
      api,
      resource,
      selection,
      project: (object) => project(object, resource),
      changed: (items) => {
        if (stop.signal.aborted) return;
        previous?.stop.abort();
        changed(items);
        settled();
      },
      clock,
      rng,
      log,
    });
    this.#followed = { resource, reflector, stop };
    void reflector.start(AbortSignal.any([signal, stop.signal]));
  }
}
