import type { ObjectKind, ObjectObserver, ObservedObject } from '../framework/hooks.ts';
import type { Named } from '../framework/plugin.ts';
import { sleep } from '../util/clock.ts';
import type { ServedKind } from './api.ts';
import { BackOff } from './back-off.ts';
import { FaultLog } from './fault-log.ts';
import type { KubeObject } from './objects.ts';
import type { WatchServices } from './own-watches.ts';
import { POD_RESOURCE } from './pods.ts';
import { Reflector } from './reflector.ts';

/** Time between two questions whether a kind that was missing has appeared, give or take a fifth. */
const RECHECK_MS = 60_000;

/** An object as it was told. */
interface Told {
  readonly observed: ObservedObject;
  /** `resourceVersion`: the same version is the same object. */
  readonly version: string;
}

/**
 * All objects of one kind in one namespace, or everywhere for a kind without namespaces, for any number of observers. One
 * watch, from the first observer until the last one left.
 */
export class ObjectFeed {
  readonly #services: WatchServices;
  readonly #kind: ObjectKind;
  readonly #observers = new Set<Named<ObjectObserver>>();
  readonly #stop = new AbortController();
  #told = new Map<string, Told>();
  #hasSettled = false;
  #isRunning = false;

  constructor(services: WatchServices, kind: ObjectKind) {
    this.#services = services;
    this.#kind = kind;
  }

  /** Tells `observer` what there is and then what changes, until `signal` aborts. */
  follow(observer: Named<ObjectObserver>, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#observers.add(observer);
    signal.addEventListener('abort', () => this.#leave(observer), { once: true });
    for (const { observed } of this.#told.values()) this.#tellChanged(observer, observed);
    if (this.#hasSettled) this.#tellSettled(observer);
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run(this.#stop.signal);
  }

  #leave(observer: Named<ObjectObserver>): void {
    this.#observers.delete(observer);
    if (this.#observers.size === 0) this.#stop.abort();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const served = await this.#find(signal);
    if (served === undefined || signal.aborted) return;
    const { api, namespace, clock, rng, log } = this.#services;
    const reflector = new Reflector<Told>({
      api,
      resource: served.resource,
      selection: { namespace: served.isNamespaced ? namespace : '' },
      project: toldOf,
      changed: (items) => {
        if (!signal.aborted) this.#changed(items);
      },
      clock,
      rng,
      log,
    });
    await reflector.start(signal);
  }

  /** What the server calls the kind; asked until it says so, or `signal` aborts. */
  async #find(signal: AbortSignal): Promise<ServedKind | undefined> {
    if (isPod(this.#kind)) return { resource: POD_RESOURCE, isNamespaced: true };
    const { api, clock, rng, log } = this.#services;
    const { group, version, kind } = this.#kind;
    const fields = { group, version, kind };
    const faults = new FaultLog(log, {
      permission: 'get /apis/*',
      failing: 'cannot ask Kubernetes which kinds it has',
      working: 'Kubernetes says again which kinds it has',
      fields,
    });
    const backOff = new BackOff(rng);
    let hasWarned = false;
    while (!signal.aborted) {
      try {
        const served = await api.find(this.#kind, signal);
        faults.worked();
        backOff.reset();
        if (served !== undefined) return served;
        if (!hasWarned) {
          log.warn(
            { ...fields, plugins: this.#names() },
            'Kubernetes does not have a kind that plugins follow; it is looked for again each minute',
          );
        }
        hasWarned = true;
        await sleep(clock, RECHECK_MS * (0.8 + 0.4 * rng.next()), signal);
      } catch (error) {
        if (signal.aborted) break;
        faults.failed(error);
        await sleep(clock, backOff.next(error), signal);
      }
    }
    return undefined;
  }

  #changed(items: ReadonlyMap<string, Told>): void {
    const before = this.#told;
    this.#told = new Map(items);
    for (const [key, told] of items) {
      if (before.get(key)?.version === told.version) continue;
      for (const observer of this.#observers) this.#tellChanged(observer, told.observed);
    }
    for (const [key, { observed }] of before) {
      if (items.has(key)) continue;
      for (const observer of this.#observers) this.#tellRemoved(observer, observed);
    }
    if (this.#hasSettled) return;
    this.#hasSettled = true;
    for (const observer of this.#observers) this.#tellSettled(observer);
  }

  #tellChanged(observer: Named<ObjectObserver>, observed: ObservedObject): void {
    this.#contain(observer, () => observer.plugin.objectChanged(observed));
  }

  #tellRemoved(observer: Named<ObjectObserver>, { namespace, name }: ObservedObject): void {
    this.#contain(observer, () => observer.plugin.objectRemoved(namespace, name));
  }

  #tellSettled(observer: Named<ObjectObserver>): void {
    this.#contain(observer, () => observer.plugin.objectsSettled?.(true));
  }

  #contain(observer: Named<ObjectObserver>, tell: () => void): void {
    try {
      tell();
    } catch (error) {
      const { name, type } = observer;
      this.#services.log.error(
        { plugin: name, type, err: error },
        'a plugin cannot take over an object of Kubernetes',
      );
    }
  }

  #names(): readonly string[] {
    return Array.from(this.#observers, ({ name }) => name);
  }
}

function isPod({ group, version, kind }: ObjectKind): boolean {
  return group === '' && version === 'v1' && kind === 'Pod';
}

/** Undefined for an object without a name. `managedFields`, often half of an object, are left out. */
function toldOf(object: KubeObject): Told | undefined {
  const { managedFields: _, ...metadata } = object.metadata as KubeObject['metadata'] & {
    managedFields?: unknown;
  };
  const { name, namespace = '', labels = {}, resourceVersion = '' } = metadata;
  if (name === undefined) return undefined;
  return {
    observed: { namespace, name, labels: new Map(Object.entries(labels)), object: { ...object, metadata } },
    version: resourceVersion,
  };
}
