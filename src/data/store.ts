import type { Objectives, PoolWriter } from '../framework/discovery.ts';
import { Endpoint, type EndpointMetadata } from '../framework/endpoint.ts';
import type { EndpointObserver } from '../framework/hooks.ts';
import type { EndpointId } from '../framework/ids.ts';
import type { Log } from '../framework/log.ts';

const NO_ENDPOINTS: readonly Endpoint[] = [];

/**
 * The pool: which endpoints there are, and the objectives. The only place that creates endpoints and gives out
 * slots; every change is made by one of its writers, synchronously, and observers are told before it returns.
 */
export class EndpointStore implements PoolWriter {
  readonly #log: Log;
  readonly #observers: EndpointObserver[] = [];
  readonly #byId = new Map<EndpointId, Endpoint>();
  readonly #byHostPort = new Map<string, Endpoint>();
  readonly #byAddress = new Map<string, Endpoint[]>();
  #endpoints: readonly Endpoint[] = NO_ENDPOINTS;
  #objectives: Objectives = new Map();
  /** Slots of endpoints that left, oldest first. */
  readonly #freeSlots: number[] = [];
  #nextSlot = 0;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Pool members; the array stays the same until members or their labels change, and is never changed itself. */
  get endpoints(): readonly Endpoint[] {
    return this.#endpoints;
  }

  /** Priorities by objective name. */
  get objectives(): Objectives {
    return this.#objectives;
  }

  /** Priority of an objective; undefined when there is none of that name. */
  objective(name: string): number | undefined {
    return this.#objectives.get(name);
  }

  /** Endpoint by identity. */
  byId(id: EndpointId): Endpoint | undefined {
    return this.#byId.get(id);
  }

  /** Endpoint by `address:port` as Envoy writes it, IPv6 bracketed; of two with the same one, the later. */
  byHostPort(hostPort: string): Endpoint | undefined {
    return this.#byHostPort.get(hostPort);
  }

  /** All endpoints (ranks) at an address, IPv6 without brackets. */
  byAddress(address: string): readonly Endpoint[] {
    return this.#byAddress.get(address) ?? NO_ENDPOINTS;
  }

  /**
   * Adds an observer and tells it of the endpoints that are there. It hears of an endpoint before requests see it,
   * and of its end after they stopped seeing it. What it throws is logged and goes no further.
   */
  observe(observer: EndpointObserver): void {
    this.#observers.push(observer);
    for (const endpoint of this.#endpoints) this.#tellAdded(observer, endpoint);
  }

  replaceAll(endpoints: readonly EndpointMetadata[]): void {
    const wanted = new Map<EndpointId, EndpointMetadata>();
    for (const metadata of endpoints) wanted.set(metadata.id, metadata);
    const leaving: Endpoint[] = [];
    for (const endpoint of this.#byId.values()) if (!wanted.has(endpoint.id)) leaving.push(endpoint);
    let hasChanged = leaving.length > 0;
    for (const endpoint of leaving) this.#byId.delete(endpoint.id);
    for (const metadata of wanted.values()) if (this.#put(metadata, leaving)) hasChanged = true;
    if (hasChanged) this.#commit(leaving);
  }

  /** Adds or changes one endpoint. */
  upsert(metadata: EndpointMetadata): void {
    const leaving: Endpoint[] = [];
    if (this.#put(metadata, leaving)) this.#commit(leaving);
  }

  /** Removes one endpoint; nothing happens when there is none. */
  remove(id: EndpointId): void {
    const endpoint = this.#byId.get(id);
    if (endpoint === undefined) return;
    this.#byId.delete(id);
    this.#commit([endpoint]);
  }

  replaceObjectives(objectives: Objectives): void {
    this.#objectives = new Map(objectives);
  }

  /** Metadata waits in `#pending` until the endpoints it replaces have left; returns whether anything changes. */
  #put(metadata: EndpointMetadata, leaving: Endpoint[]): boolean {
    const present = this.#byId.get(metadata.id);
    if (present !== undefined && isSamePlace(present, metadata)) {
      if (isSameLabels(present.labels, metadata.labels)) return false;
      present.labels = new Map(metadata.labels);
      this.#relabelled.push(present);
      return true;
    }
    if (present !== undefined) {
      leaving.push(present);
      this.#byId.delete(metadata.id);
    }
    this.#pending.push(metadata);
    return true;
  }

  readonly #pending: EndpointMetadata[] = [];
  /** Endpoints whose labels have changed and whose observers have not been told. */
  readonly #relabelled: Endpoint[] = [];

  /**
   * Makes a change visible: first everybody stops seeing `leaving`, then observers drop them and their slots are
   * free, then the pending endpoints are introduced to observers and they are told of changed ones, then everybody
   * sees them.
   */
  #commit(leaving: readonly Endpoint[]): void {
    if (leaving.length > 0) {
      this.#publish();
      for (const endpoint of leaving) {
        for (const observer of this.#observers) this.#tellRemoved(observer, endpoint);
        this.#freeSlots.push(endpoint.slot);
      }
    }
    for (const metadata of this.#pending.splice(0)) {
      const endpoint = new Endpoint(
        { ...metadata, labels: new Map(metadata.labels) },
        this.#freeSlots.shift() ?? this.#nextSlot++,
      );
      this.#byId.set(endpoint.id, endpoint);
      for (const observer of this.#observers) this.#tellAdded(observer, endpoint);
    }
    for (const endpoint of this.#relabelled.splice(0)) {
      for (const observer of this.#observers) this.#tellChanged(observer, endpoint);
    }
    this.#publish();
  }

  #publish(): void {
    this.#endpoints = [...this.#byId.values()];
    this.#byHostPort.clear();
    this.#byAddress.clear();
    for (const endpoint of this.#endpoints) {
      this.#byHostPort.set(endpoint.hostPort, endpoint);
      const sharing = this.#byAddress.get(endpoint.address);
      if (sharing === undefined) this.#byAddress.set(endpoint.address, [endpoint]);
      else sharing.push(endpoint);
    }
  }

  #tellAdded(observer: EndpointObserver, endpoint: Endpoint): void {
    try {
      observer.endpointAdded?.(endpoint);
    } catch (error) {
      this.#log.error(
        { endpoint: endpoint.id, err: error },
        'an observer of the pool failed on a new endpoint',
      );
    }
  }

  #tellChanged(observer: EndpointObserver, endpoint: Endpoint): void {
    try {
      observer.endpointChanged?.(endpoint);
    } catch (error) {
      this.#log.error(
        { endpoint: endpoint.id, err: error },
        'an observer of the pool failed on a changed endpoint',
      );
    }
  }

  #tellRemoved(observer: EndpointObserver, endpoint: Endpoint): void {
    try {
      observer.endpointRemoved(endpoint);
    } catch (error) {
      this.#log.error(
        { endpoint: endpoint.id, err: error },
        'an observer of the pool failed on a removed endpoint',
      );
    }
  }
}

/** All that cannot change while an endpoint stays the same object. */
function isSamePlace(endpoint: Endpoint, metadata: EndpointMetadata): boolean {
  return (
    endpoint.address === metadata.address &&
    endpoint.port === metadata.port &&
    endpoint.metricsHost === metadata.metricsHost &&
    endpoint.nodeAddress === metadata.nodeAddress &&
    endpoint.rankIndex === metadata.rankIndex &&
    endpoint.name === metadata.name
  );
}

function isSameLabels(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  if (a.size !== b.size) return false;
  for (const [name, value] of a) if (b.get(name) !== value) return false;
  return true;
}
