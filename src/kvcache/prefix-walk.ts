import { type BlockTable, WIDE } from './block-table.ts';

const NONE = -1;

/**
 * Finds for every lane how many blocks of a chain it holds without a gap. The walk keeps the set of lanes that hold
 * everything so far, writes a lane's count when it drops out, and ends when nobody is left: its cost is a probe per
 * block, not one per block and lane. Up to four lanes are kept as a list, more as a bit mask.
 */
export class PrefixWalk {
  readonly #table: BlockTable;
  /** Lanes that may match, as bits. */
  readonly #present: Uint32Array;
  /** Endpoint slot by lane; -1 for lanes that must not match. */
  readonly #slotOf: Int32Array;
  /** Lanes still in the walk while they are many. */
  readonly #active: Uint32Array;
  /** Lanes still in the walk while they are few. */
  readonly #few = new Int32Array(4);
  /** Words of `present` that can have bits. */
  #words = 0;

  constructor(table: BlockTable, lanes: number) {
    this.#table = table;
    this.#present = new Uint32Array(Math.ceil(lanes / 32));
    this.#slotOf = new Int32Array(lanes).fill(NONE);
    this.#active = new Uint32Array(Math.ceil(lanes / 32));
  }

  /** From here on `lane` matches on behalf of endpoint `slot`. */
  admit(lane: number, slot: number): void {
    const word = lane >>> 5;
    this.#present[word] = (this.#present[word] ?? 0) | (1 << (lane & 31));
    this.#slotOf[lane] = slot;
    this.#words = Math.max(this.#words, word + 1);
  }

  /** `lane` no longer matches. */
  dismiss(lane: number): void {
    const word = lane >>> 5;
    this.#present[word] = (this.#present[word] ?? 0) & ~(1 << (lane & 31));
    this.#slotOf[lane] = NONE;
  }

  /** Adds each lane's count of blocks `from` to `to` of `hashes` to `out[slot]`. */
  run(hashes: Uint32Array, from: number, to: number, out: Int32Array): void {
    if (from >= to) return;
    this.#active.set(this.#present);
    const shared = this.#walkMany(hashes, from, to, out);
    if (shared >= 0) this.#walkFew(hashes, from, shared, to, out);
  }

  /**
   * Walks as long as many lanes are in. Returns the block at which at most four were left, now in `#few`; -1 when
   * the walk is over.
   */
  #walkMany(hashes: Uint32Array, from: number, to: number, out: Int32Array): number {
    const table = this.#table;
    const { slots, wide, rowWords } = table;
    const active = this.#active;
    const words = this.#words;
    for (let i = from; i < to; i += 1) {
      const at = table.find(hashes[2 * i] ?? 0, hashes[2 * i + 1] ?? 0);
      if (at < 0) {
        this.#finish(i - from, out);
        return NONE;
      }
      if (slots[at + 2] !== WIDE) {
        this.#keepHolders(at, i - from, out);
        return i + 1;
      }
      const row = (slots[at + 3] ?? 0) * rowWords;
      let any = 0;
      for (let w = 0; w < words; w += 1) {
        const before = (active[w] ?? 0) | 0; // signed, as the result of & below
        if (before === 0) continue;
        const after = before & (wide[row + 2 * w] ?? 0);
        any |= after;
        if (after === before) continue;
        active[w] = after;
        if (i > from) this.#leave(w, before & ~after, i - from, out);
      }
      if (any === 0) return NONE;
    }
    this.#finish(to - from, out);
    return NONE;
  }

  /** Walks on from block `start` with the lanes in `#few`. */
  #walkFew(hashes: Uint32Array, from: number, start: number, to: number, out: Int32Array): void {
    const table = this.#table;
    const few = this.#few;
    for (let i = start; i < to; i += 1) {
      const at = table.find(hashes[2 * i] ?? 0, hashes[2 * i + 1] ?? 0);
      let left = 0;
      for (let n = 0; n < 4; n += 1) {
        const lane = few[n] ?? NONE;
        if (lane < 0) continue;
        if (at >= 0 && table.holds(at, lane)) left += 1;
        else {
          this.#count(lane, i - from, out);
          few[n] = NONE;
        }
      }
      if (left === 0) return;
    }
    for (let n = 0; n < 4; n += 1) {
      const lane = few[n] ?? NONE;
      if (lane >= 0) this.#count(lane, to - from, out);
    }
  }

  /** Of the active lanes keeps those that hold the block in slot `at`; the others leave with `blocks`. */
  #keepHolders(at: number, blocks: number, out: Int32Array): void {
    const active = this.#active;
    const { slots } = this.#table;
    for (let n = 0; n < 4; n += 1) {
      const holder = ((slots[at + 2 + (n >>> 1)] ?? 0) >>> (16 * (n & 1))) & 0x7fff;
      const lane = holder - 1;
      const bit = 1 << (lane & 31);
      const isIn = holder !== 0 && ((active[lane >>> 5] ?? 0) & bit) !== 0;
      this.#few[n] = isIn ? lane : NONE;
      if (isIn) active[lane >>> 5] = (active[lane >>> 5] ?? 0) & ~bit;
    }
    if (blocks > 0) this.#finish(blocks, out);
  }

  /** All active lanes leave with `blocks`. */
  #finish(blocks: number, out: Int32Array): void {
    if (blocks === 0) return;
    for (let w = 0; w < this.#words; w += 1) this.#leave(w, this.#active[w] ?? 0, blocks, out);
  }

  #leave(word: number, lanes: number, blocks: number, out: Int32Array): void {
    for (let bits = lanes; bits !== 0; bits &= bits - 1) {
      this.#count(32 * word + 31 - Math.clz32(bits & -bits), blocks, out);
    }
  }

  #count(lane: number, blocks: number, out: Int32Array): void {
    const slot = this.#slotOf[lane] ?? NONE;
    out[slot] = (out[slot] ?? 0) + blocks;
  }
}
