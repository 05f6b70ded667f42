const FREE = -1;
const FIRST_SLOTS = 64;
/** Spreads ids that differ little, such as every second number. */
const SPREAD = 0x9e3779b1;

/** Ids are told apart by these bits; what counts up comes round after two thousand million. */
const ID_BITS = 0x7fff_ffff;

/**
 * Values by whole numbers, for entries that come and go with every request. A `Map` does the same, but leaves a
 * table behind each time it is filled anew, and a table that has grown old keeps alive the one that followed it, with all
 * its values: under load everything that requests had allocated grew old with them, up to the next full collection.
 * Open addressing, at most half full; a removed entry leaves no mark.
 */
export class IdTable<T> {
  #ids = new Int32Array(FIRST_SLOTS).fill(FREE);
  #values: (T | undefined)[] = new Array<T | undefined>(FIRST_SLOTS).fill(undefined);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): T | undefined {
    return this.#values[this.#slot(id & ID_BITS)];
  }

  /** Sets or replaces. */
  set(number: number, value: T): void {
    const id = number & ID_BITS;
    let slot = this.#slot(id);
    if (this.#ids[slot] === FREE) {
      if ((this.#size + 1) * 2 > this.#ids.length) {
        this.#resize(this.#ids.length * 2);
        slot = this.#slot(id);
      }
      this.#ids[slot] = id;
      this.#size += 1;
    }
    this.#values[slot] = value;
  }

  /** Returns what was there. */
  delete(id: number): T | undefined {
    const slot = this.#slot(id & ID_BITS);
    const value = this.#values[slot];
    if (this.#ids[slot] === FREE) return undefined;
    this.#size -= 1;
    this.#close(slot);
    if (this.#size * 16 < this.#ids.length && this.#ids.length > FIRST_SLOTS)
      this.#resize(this.#ids.length / 4);
    return value;
  }

  /** All values, in no order; a copy. */
  values(): T[] {
    const values: T[] = [];
    for (const value of this.#values) if (value !== undefined) values.push(value);
    return values;
  }

  /** Where `id` is, or the free slot where it would be. */
  #slot(id: number): number {
    const ids = this.#ids;
    const mask = ids.length - 1;
    let slot = this.#home(id, mask);
    for (let found = ids[slot]; found !== id && found !== FREE; found = ids[slot]) slot = (slot + 1) & mask;
    return slot;
  }

  #home(id: number, mask: number): number {
    return (Math.imul(id, SPREAD) >>> 8) & mask;
  }

  /** Frees `slot` and moves up those behind it that it kept from their places. */
  #close(slot: number): void {
    const ids = this.#ids;
    const mask = ids.length - 1;
    let hole = slot;
    for (let next = (hole + 1) & mask; ids[next] !== FREE; next = (next + 1) & mask) {
      const id = ids[next] ?? FREE;
      const distance = (next - this.#home(id, mask)) & mask;
      if (distance < ((next - hole) & mask)) continue;
      ids[hole] = id;
      this.#values[hole] = this.#values[next];
      hole = next;
    }
    ids[hole] = FREE;
    this.#values[hole] = undefined;
  }

  #resize(slots: number): void {
    const ids = this.#ids;
    const values = this.#values;
    this.#ids = new Int32Array(slots).fill(FREE);
    this.#values = new Array<T | undefined>(slots).fill(undefined);
    for (let i = 0; i < ids.length; i += 1) {
      const id = ids[i] ?? FREE;
      if (id === FREE) continue;
      const slot = this.#slot(id);
      this.#ids[slot] = id;
      this.#values[slot] = values[i];
      values[i] = undefined;
    }
  }
}
