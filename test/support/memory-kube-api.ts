import type { ObjectKind } from '../../src/framework/hooks.ts';
import { type KubeApi, KubeError, type ServedKind, type WatchEvent } from '../../src/kube/api.ts';
import type { KubeObject, ObjectList, Resource, Selection } from '../../src/kube/objects.ts';
import { collectionOf, KubeStore, type StoredEvent, toldEvent } from './kube-store.ts';

/** A watch that is open. */
interface OpenWatch {
  readonly collection: string;
  readonly tell: (event: StoredEvent) => void;
  readonly end: (error: KubeError | undefined) => void;
}

/** An API server without a wire: answers at once, and fails when told to. It pages, and forgets nothing on its own. */
export class MemoryKubeApi implements KubeApi {
  readonly store = new KubeStore();
  /** Calls so far, as `list inferencepools`. */
  readonly calls: string[] = [];
  readonly #served = new Set<string>();
  /** By `group/version/kind`. */
  readonly #kinds = new Map<string, ServedKind>();
  readonly #faults = new Map<string, KubeError>();
  #discoveryFault: KubeError | undefined = undefined;
  readonly #watches = new Set<OpenWatch>();

  /** `served`: what discovery shows, and lists and watches have. */
  constructor(served: Iterable<Resource> = []) {
    for (const resource of served) this.serve(resource);
    this.store.onEvent = (event) => {
      for (const watch of [...this.#watches]) if (watch.collection === event.collection) watch.tell(event);
    };
  }

  /** Watches open at the moment. */
  get openWatches(): number {
    return this.#watches.size;
  }

  serve(resource: Resource): void {
    this.#served.add(collectionOf(resource));
  }

  /** The resource's objects are of `kind`. */
  serveKind({ kind, isNamespaced }: { kind: string; isNamespaced: boolean }, resource: Resource): void {
    this.serve(resource);
    this.#kinds.set(`${resource.group}/${resource.version}/${kind}`, { resource, isNamespaced });
  }

  put(resource: Resource, ...objects: readonly KubeObject[]): void {
    for (const object of objects) this.store.put(collectionOf(resource), object);
  }

  remove(resource: Resource, namespace: string, name: string): void {
    this.store.remove(collectionOf(resource), namespace, name);
  }

  /** Every call fails with `status` from now on, watches under way too; with `resource`, all that concern its objects. */
  fail(status: number, resource?: Resource): void {
    const error = new KubeError(status, 'Test', `refused with ${status}`);
    this.#faults.set(resource === undefined ? '' : collectionOf(resource), error);
    this.endWatches(error, resource);
  }

  /** Discovery alone fails with `status` from now on. */
  failDiscovery(status: number): void {
    this.#discoveryFault = new KubeError(status, 'Test', `refused with ${status}`);
  }

  /** Undoes every fault. */
  recover(): void {
    this.#faults.clear();
    this.#discoveryFault = undefined;
  }

  /** Ends watches as the server does when their time is up, or with `error`. */
  endWatches(error?: KubeError, resource?: Resource): void {
    for (const watch of [...this.#watches]) {
      if (resource === undefined || watch.collection === collectionOf(resource)) watch.end(error);
    }
  }

  async list(
    resource: Resource,
    selection: Selection,
    page: { readonly limit: number; readonly continueToken: string },
    signal: AbortSignal,
  ): Promise<ObjectList> {
    this.#enter('list', resource, signal);
    const all = this.store.select(collectionOf(resource), selection);
    const from = Number(page.continueToken);
    const to = page.limit === 0 ? all.length : from + page.limit;
    const rest = to < all.length ? { continue: String(to) } : {};
    return {
      metadata: { resourceVersion: String(this.store.version), ...rest },
      items: all.slice(from, to),
    };
  }

  watch(
    resource: Resource,
    selection: Selection,
    options: { readonly resourceVersion: string; readonly timeoutS: number; readonly opened?: () => void },
    event: (event: WatchEvent) => void,
    signal: AbortSignal,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#enter('watch', resource, signal);
      const missed = this.store.since(Number(options.resourceVersion));
      if (missed === undefined) throw new KubeError(410, 'Expired', 'too old resource version');
      const cancel = () => watch.end(new KubeError(0, 'Cancelled', 'cancelled'));
      const collection = collectionOf(resource);
      const watch: OpenWatch = {
        collection,
        tell: (change) => {
          const told = toldEvent(change, selection);
          if (told !== undefined) event(told);
        },
        end: (error) => {
          this.#watches.delete(watch);
          signal.removeEventListener('abort', cancel);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      this.#watches.add(watch);
      signal.addEventListener('abort', cancel);
      options.opened?.();
      for (const change of missed) if (change.collection === collection) watch.tell(change);
    });
  }

  async get(
    resource: Resource,
    { namespace, name }: { readonly namespace: string; readonly name: string },
    signal: AbortSignal,
  ): Promise<KubeObject | undefined> {
    this.#enter('get', resource, signal);
    return this.store.get(collectionOf(resource), namespace, name);
  }

  async create(
    resource: Resource,
    namespace: string,
    object: KubeObject,
    signal: AbortSignal,
  ): Promise<KubeObject> {
    this.#enter('create', resource, signal);
    return this.store.create(collectionOf(resource), namespace, object);
  }

  async replace(
    resource: Resource,
    namespace: string,
    object: KubeObject,
    signal: AbortSignal,
  ): Promise<KubeObject> {
    this.#enter('replace', resource, signal);
    return this.store.replace(collectionOf(resource), namespace, object);
  }

  async serves(resource: Resource, signal: AbortSignal): Promise<boolean> {
    this.#record('discovery', resource, signal);
    const fault = this.#discoveryFault ?? this.#faults.get('');
    if (fault !== undefined) throw fault;
    return this.#served.has(collectionOf(resource));
  }

  async find({ group, version, kind }: ObjectKind, signal: AbortSignal): Promise<ServedKind | undefined> {
    this.#record('find', { group, version, plural: kind }, signal);
    const fault = this.#discoveryFault ?? this.#faults.get('');
    if (fault !== undefined) throw fault;
    return this.#kinds.get(`${group}/${version}/${kind}`);
  }

  /** Throws what the call is to fail with. */
  #enter(verb: string, resource: Resource, signal: AbortSignal): void {
    this.#record(verb, resource, signal);
    const fault = this.#faults.get('') ?? this.#faults.get(collectionOf(resource));
    if (fault !== undefined) throw fault;
    if (!this.#served.has(collectionOf(resource))) {
      throw new KubeError(404, 'NotFound', `${collectionOf(resource)} is not served`);
    }
  }

  #record(verb: string, resource: Resource, signal: AbortSignal): void {
    this.calls.push(`${verb} ${resource.plural}`);
    if (signal.aborted) throw new KubeError(0, 'Cancelled', 'cancelled');
  }
}
