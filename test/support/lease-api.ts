import { type KubeApi, KubeError } from '../../src/kube/api.ts';
import type { KubeObject, Resource } from '../../src/kube/objects.ts';
import type { Clock } from '../../src/util/clock.ts';

/** What the network does with one call. */
export interface Fate {
  /** Time until the server acts on it. */
  readonly thereMs: number;
  /** Time from there until the caller has the answer. */
  readonly backMs: number;
  /** `ok`; fails before it reaches the server; reaches it and the answer is lost; or never ends. */
  readonly outcome: 'ok' | 'refused' | 'answer-lost' | 'hangs';
}

/** A call that works and takes no time. */
export const AT_ONCE: Fate = { thereMs: 0, backMs: 0, outcome: 'ok' };

/** Leases and events of one API server in memory, with optimistic concurrency as the real one has it. */
export class LeaseServer {
  readonly leases = new Map<string, KubeObject>();
  /** Messages of the events that were created. */
  readonly events: KubeObject[] = [];
  /** Statuses that calls of a resource are answered with instead: `events` → 403. */
  readonly refusals = new Map<string, number>();
  /** Calls that reached the server, such as `replace leases`. */
  readonly calls: string[] = [];
  readonly #clock: Clock;
  #version = 0;

  /** `clock` is the server's own: what is on the way to it arrives whatever becomes of the sender. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The server as one client reaches it; `fate` is asked once per call, `clock` is the client's. */
  client(clock: Clock, fate: () => Fate = () => AT_ONCE): KubeApi {
    const call = async <T>(signal: AbortSignal, act: () => T): Promise<T> => {
      const { thereMs, backMs, outcome } = fate();
      if (outcome === 'hangs') await until(signal, () => {});
      let answer = (): T => {
        throw new KubeError(0, '', 'connection refused');
      };
      await until(signal, (done) => {
        wait(this.#clock, thereMs, () => {
          if (outcome !== 'refused') answer = attempt(act);
          done();
        });
      });
      await until(signal, (done) => wait(clock, backMs, done));
      if (outcome === 'answer-lost') throw new KubeError(0, '', 'connection reset');
      return answer();
    };
    const unused = () => Promise.reject(new Error('not a call about leases'));
    return {
      get: (resource, { namespace, name }, signal) =>
        call(signal, () => this.#get(resource, `${namespace}/${name}`)),
      create: (resource, namespace, object, signal) =>
        call(signal, () => this.#create(resource, namespace, object)),
      replace: (resource, namespace, object, signal) =>
        call(signal, () => this.#replace(resource, namespace, object)),
      list: unused,
      watch: unused,
      serves: unused,
      find: unused,
    };
  }

  /** Writes a lease as somebody with kubectl would. */
  put(key: string, object: KubeObject): void {
    this.#version += 1;
    const metadata = { ...object.metadata, resourceVersion: String(this.#version) };
    this.leases.set(key, { ...object, metadata });
  }

  /** `holderIdentity` of a lease; '' when there is none. */
  holder(key: string): string {
    const spec = this.leases.get(key)?.spec as { holderIdentity?: string } | undefined; // tests know what they wrote
    return spec?.holderIdentity ?? '';
  }

  #note(verb: string, { plural }: Resource): void {
    this.calls.push(`${verb} ${plural}`);
    const status = this.refusals.get(plural);
    if (status !== undefined) throw new KubeError(status, '', `${verb} ${plural}: got ${status}, want 2xx`);
  }

  #get(resource: Resource, key: string): KubeObject | undefined {
    this.#note('get', resource);
    return this.leases.get(key);
  }

  #create(resource: Resource, namespace: string, object: KubeObject): KubeObject {
    this.#note('create', resource);
    if (resource.plural === 'events') {
      this.events.push(object);
      return object;
    }
    const key = `${namespace}/${object.metadata.name}`;
    if (this.leases.has(key)) throw new KubeError(409, 'AlreadyExists', `lease ${key} exists`);
    this.put(key, object);
    return this.leases.get(key) ?? object;
  }

  #replace(resource: Resource, namespace: string, object: KubeObject): KubeObject {
    this.#note('replace', resource);
    const key = `${namespace}/${object.metadata.name}`;
    const current = this.leases.get(key);
    if (current === undefined) throw new KubeError(404, 'NotFound', `no lease ${key}`);
    if (current.metadata.resourceVersion !== object.metadata.resourceVersion) {
      throw new KubeError(409, 'Conflict', `lease ${key} has changed`);
    }
    this.put(key, object);
    return this.leases.get(key) ?? object;
  }
}

/** What `act` gives, to be had later. */
function attempt<T>(act: () => T): () => T {
  try {
    const value = act();
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

function wait(clock: Clock, delayMs: number, done: () => void): void {
  if (delayMs === 0) done();
  else clock.after(delayMs, done);
}

function until(signal: AbortSignal, start: (done: () => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    start(resolve);
  });
}
