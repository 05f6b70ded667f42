import { matchesLabels, parseLabelSelector } from '../../src/framework/label-selector.ts';
import { KubeError } from '../../src/kube/api.ts';
import type { KubeObject, Resource, Selection } from '../../src/kube/objects.ts';

/** A change of an object, or a bookmark. */
export interface StoredEvent {
  readonly version: number;
  readonly collection: string;
  readonly before: KubeObject | undefined;
  readonly after: KubeObject | undefined;
}

/** What a watch of a selection is told of a change; undefined when nothing. */
export interface ToldEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: KubeObject;
}

/** `group/version/plural`, with '' for the core group. */
export function collectionOf({ group, version, plural }: Resource): string {
  return `${group}/${version}/${plural}`;
}

/** Objects of one API server in memory, and the changes that watches may still ask for. */
export class KubeStore {
  /** Called after each change. */
  onEvent: (event: StoredEvent) => void = () => undefined;
  readonly #collections = new Map<string, Map<string, KubeObject>>();
  #events: StoredEvent[] = [];
  #version = 100;
  /** Watches from before this version are too old. */
  #oldest = 0;

  get version(): number {
    return this.#version;
  }

  /** Forgets all changes so far. */
  compact(): void {
    this.#events = [];
    this.#version += 1;
    this.#oldest = this.#version;
  }

  /** Objects that are selected, by namespace and name. */
  select(collection: string, selection: Selection): KubeObject[] {
    const objects = [...(this.#collections.get(collection)?.values() ?? [])];
    return objects
      .filter((object) => isSelected(object, selection))
      .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  }

  get(collection: string, namespace: string, name: string): KubeObject | undefined {
    return this.#collections.get(collection)?.get(`${namespace}/${name}`);
  }

  /** As clients create: throws `KubeError` 409 when there is one by the name; returns the object as stored. */
  create(collection: string, namespace: string, object: KubeObject): KubeObject {
    const { name = '' } = object.metadata;
    if (this.get(collection, namespace, name) !== undefined) {
      throw new KubeError(409, 'AlreadyExists', `${name} already exists`);
    }
    return this.put(collection, inNamespace(object, namespace));
  }

  /** As clients replace: throws `KubeError` 404, or 409 for a version that is not the current one. */
  replace(collection: string, namespace: string, object: KubeObject): KubeObject {
    const { name = '', resourceVersion = '' } = object.metadata;
    const present = this.get(collection, namespace, name);
    if (present === undefined) throw new KubeError(404, 'NotFound', `${name} not found`);
    if (resourceVersion !== '' && resourceVersion !== present.metadata.resourceVersion) {
      throw new KubeError(409, 'Conflict', `${name} has changed`);
    }
    return this.put(collection, inNamespace(object, namespace));
  }

  /** Creates or replaces; returns the object as stored. */
  put(collection: string, object: KubeObject): KubeObject {
    const objects = this.#collections.get(collection) ?? new Map<string, KubeObject>();
    this.#collections.set(collection, objects);
    const key = keyOf(object);
    const before = objects.get(key);
    this.#version += 1;
    const uid = before?.metadata.uid ?? `uid-${this.#version}`;
    const metadata = { uid, ...object.metadata, resourceVersion: String(this.#version) };
    const after = { ...object, metadata };
    objects.set(key, after);
    this.#tell({ version: this.#version, collection, before, after });
    return after;
  }

  /** Whether there was one. */
  remove(collection: string, namespace: string, name: string): boolean {
    const objects = this.#collections.get(collection);
    const before = objects?.get(`${namespace}/${name}`);
    if (objects === undefined || before === undefined) return false;
    objects.delete(`${namespace}/${name}`);
    this.#version += 1;
    this.#tell({ version: this.#version, collection, before, after: undefined });
    return true;
  }

  /** Changes after `version`; undefined when they are no longer known. */
  since(version: number): readonly StoredEvent[] | undefined {
    if (version < this.#oldest) return undefined;
    return this.#events.filter((event) => event.version > version);
  }

  #tell(event: StoredEvent): void {
    this.#events.push(event);
    this.onEvent(event);
  }
}

/** A change as seen through a selection: what leaves it is deleted, what enters it is added. */
export function toldEvent(
  { version, before, after }: StoredEvent,
  selection: Selection,
): ToldEvent | undefined {
  const was = before !== undefined && isSelected(before, selection);
  const is = after !== undefined && isSelected(after, selection);
  if (is) return { type: was ? 'MODIFIED' : 'ADDED', object: after };
  if (!was) return undefined;
  const gone = after ?? before;
  return {
    type: 'DELETED',
    object: { ...gone, metadata: { ...gone.metadata, resourceVersion: String(version) } },
  };
}

function isSelected({ metadata }: KubeObject, { namespace, labels = '', fields = '' }: Selection): boolean {
  if (namespace !== '' && metadata.namespace !== namespace) return false;
  if (!matchesLabels(parseLabelSelector(labels), new Map(Object.entries(metadata.labels ?? {}))))
    return false;
  return fields.split(',').every((field) => {
    if (field === '') return true;
    const [name, value] = field.split('=');
    if (name === 'metadata.name') return metadata.name === value;
    if (name === 'metadata.namespace') return metadata.namespace === value;
    throw new Error(`field selector ${field} is not known here`);
  });
}

function inNamespace(object: KubeObject, namespace: string): KubeObject {
  return namespace === '' ? object : { ...object, metadata: { ...object.metadata, namespace } };
}

function keyOf({ metadata: { namespace = '', name = '' } }: KubeObject): string {
  return `${namespace}/${name}`;
}
