let slots = 0;
const byName = new Map<string, AttributeKey<unknown>>();

/**
 * A typed place on every endpoint or request. The pair (data type, producer instance name) is its identity,
 * printed `dataType/producerName`; the slot is fixed for the process.
 */
export class AttributeKey<T> {
  readonly slot = slots++;
  readonly dataType: string;
  readonly producer: string;
  declare readonly valueType: T;

  constructor(dataType: string, producer: string) {
    this.dataType = dataType;
    this.producer = producer;
  }

  get name(): string {
    return `${this.dataType}/${this.producer}`;
  }
}

/**
 * The key of (`dataType`, `producer`): the same object for the same pair. Each data type has one value type,
 * declared by its function in `plugins/attributes/`, which is the only caller.
 */
export function attributeKey<T>(dataType: string, producer: string): AttributeKey<T> {
  const name = `${dataType}/${producer}`;
  let key = byName.get(name);
  if (key === undefined) {
    key = new AttributeKey<unknown>(dataType, producer);
    byName.set(name, key);
  }
  return key as AttributeKey<T>; // one value type per data type, see above
}

/** What carries attributes. */
export type AttributeOwner = 'endpoint' | 'request';

/** Decides what whoever runs at the moment may touch. */
export interface AccessRule {
  /** A read that is not allowed finds nothing, a write is dropped. */
  allows(access: 'read' | 'write', key: AttributeKey<unknown>, owner: AttributeOwner): boolean;
}

let rule: AccessRule | undefined;

/** Sets who is asked before each access; undefined: nobody. Only `own-plugins/confinement.ts` calls this. */
export function setAccessRule(next: AccessRule | undefined): void {
  rule = next;
}

/** Values by key; reads are array loads. */
export class Attributes {
  readonly #values: unknown[] = [];
  readonly #owner: AttributeOwner;

  constructor(owner: AttributeOwner) {
    this.#owner = owner;
  }

  get<T>(key: AttributeKey<T>): T | undefined {
    if (rule !== undefined && !rule.allows('read', key, this.#owner)) return undefined;
    return this.#values[key.slot] as T | undefined; // the one cast: only set<T> writes this slot
  }

  set<T>(key: AttributeKey<T>, value: T | undefined): void {
    if (rule !== undefined && !rule.allows('write', key, this.#owner)) return;
    this.#values[key.slot] = value;
  }
}
