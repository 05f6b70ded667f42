/**
 * The KV-cache blocks of one engine. A block is in use (it has references) or free. A free block that still holds a
 * known prefix stays findable until it is needed for something else; the longest unused goes first.
 *
 * Free blocks form a doubly linked list in two typed arrays, oldest first; index `size` is its head and tail. Every
 * operation is O(1) and allocates nothing but map entries.
 */
export class BlockPool {
  readonly size: number;
  readonly #isCaching: boolean;
  readonly #references: Int32Array;
  /** Hash of the prefix that ends with this block; NaN when it holds none. */
  readonly #hashes: Float64Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #byHash = new Map<number, number>();
  #free: number;

  /** `size`: number of blocks, at least 1. Without `isCaching` nothing is ever found again. */
  constructor(size: number, isCaching = true) {
    this.size = size;
    this.#isCaching = isCaching;
    this.#references = new Int32Array(size);
    this.#hashes = new Float64Array(size).fill(Number.NaN);
    this.#next = new Int32Array(size + 1);
    this.#previous = new Int32Array(size + 1);
    for (let i = 0; i <= size; i += 1) {
      this.#next[i] = i === size ? 0 : i + 1;
      this.#previous[i] = i === 0 ? size : i - 1;
    }
    this.#free = size;
  }

  /** Blocks nobody uses, those with a cached prefix included. */
  get free(): number {
    return this.#free;
  }

  /** Findable prefixes' blocks, used or free. */
  get cached(): number {
    return this.#byHash.size;
  }

  /** Share of blocks in use, 0 to 1. */
  get usage(): number {
    return (this.size - this.#free) / this.size;
  }

  /** The block that holds this prefix, or -1. Does not take a reference and does not refresh it. */
  find(hash: number): number {
    return this.#byHash.get(hash) ?? -1;
  }

  /** True when `block` is in the free list. */
  isFree(block: number): boolean {
    return this.#references[block] === 0;
  }

  /** Takes a reference on a block that `find` returned. */
  share(block: number): void {
    const references = this.#references[block] ?? 0;
    if (references === 0) this.#unlink(block);
    this.#references[block] = references + 1;
  }

  /** Takes the longest unused free block, forgetting what it held; -1 when all are in use. */
  allocate(): number {
    if (this.#free === 0) return -1;
    const block = this.#next[this.size] ?? 0;
    this.#unlink(block);
    this.#forget(block);
    this.#references[block] = 1;
    return block;
  }

  /** Makes a used block findable by the hash of the prefix it ends; the first block with a hash keeps it. */
  register(block: number, hash: number): void {
    if (!this.#isCaching || this.#byHash.has(hash)) return;
    this.#forget(block);
    this.#byHash.set(hash, block);
    this.#hashes[block] = hash;
  }

  /** Gives a reference back; at zero the block becomes the most recently freed. */
  release(block: number): void {
    const references = (this.#references[block] ?? 0) - 1;
    this.#references[block] = references;
    if (references > 0) return;
    const last = this.#previous[this.size] ?? this.size;
    this.#next[last] = block;
    this.#previous[block] = last;
    this.#next[block] = this.size;
    this.#previous[this.size] = block;
    this.#free += 1;
  }

  /** Forgets every prefix; blocks in use stay in use. */
  clear(): void {
    this.#byHash.clear();
    this.#hashes.fill(Number.NaN);
  }

  #forget(block: number): void {
    const hash = this.#hashes[block] ?? Number.NaN;
    if (Number.isNaN(hash)) return;
    this.#byHash.delete(hash);
    this.#hashes[block] = Number.NaN;
  }

  #unlink(block: number): void {
    const next = this.#next[block] ?? this.size;
    const previous = this.#previous[block] ?? this.size;
    this.#next[previous] = next;
    this.#previous[next] = previous;
    this.#free -= 1;
  }
}
