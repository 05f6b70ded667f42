/** Names that no store keeps longer than this many later ones. */
const MAX_NAMES = 1_000_000;

/** A set of names that forgets the oldest ones. */
class BoundedNames<T> {
  readonly #names = new Set<T>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  has(name: T): boolean {
    return this.#names.has(name);
  }

  add(name: T): void {
    this.#names.delete(name);
    this.#names.add(name);
    if (this.#names.size <= this.#max) return;
    for (const oldest of this.#names) {
      this.#names.delete(oldest);
      return;
    }
  }
}

/** A store of keys, values and embeddings that all servers of one simulator read and write. */
export class SharedStore {
  /** Hashes of prompt prefixes whose blocks are stored. */
  readonly blocks = new BoundedNames<number>(MAX_NAMES);
  /** Keys of encoded images and sounds. */
  readonly assets = new BoundedNames<string>(MAX_NAMES);
}

/** The embeddings one engine keeps: 512 images and sounds. */
export class EncoderCache {
  readonly #names = new BoundedNames<string>(512);

  /** True when the asset was there; it is there from then on. */
  use(key: string): boolean {
    const isKnown = this.#names.has(key);
    this.#names.add(key);
    return isKnown;
  }
}
