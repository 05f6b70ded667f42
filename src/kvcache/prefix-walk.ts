import { BATCH, type BlockTable, WIDE } from './block-table.ts';

const NONE = -1;

/** The lanes of two holders in a word, without their "used" bits. */
const HOLDERS = 0x7fff_7fff;

/**
 * Finds for every lane how many blocks of a chain it holds without a gap. The walk keeps the set of lanes that hold
 * everything so far, writes a lane's count when it drops out, and ends when nobody is left: its cost is a probe per
 * block, not one per block and lane. Up to four lanes are kept as a list, more as a bit mask.
 */
export class PrefixWalk {
  readonly #table: BlockTable;
  /** Lanes that may match, as bits. */
  readonly #present: Int32Array;
  /** Endpoint slot by lane; -1 for lanes that must not match. */
  readonly #slotOf: Int32Array;
  /** Lanes still in the walk while they are many. */
  readonly #active: Int32Array;
  /** Lanes still in the walk while they are few. */
  readonly #few = new Int32Array(4);
  /** Words of `present` that can have bits. */
  #words = 0;

  constructor(table: BlockTable, lanes: number) {
    this.#table = table;
    const words = Math.max(4, Math.ceil(lanes / 32));
    this.#present = new Int32Array(words);
    this.#slotOf = new Int32Array(lanes).fill(NONE);
    this.#active = new Int32Array(words);
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
    const few = this.#walkMany(hashes, from, to, out);
    if (few >= 0) this.#walkFew(hashes, from, few, to, out);
  }

  /**
   * Adds to `out[slot]` how many of blocks `from` to `to` of `hashes` each lane holds, gaps or not, up to the first
   * that no lane holds.
   */
  runWithGaps(hashes: Uint32Array, from: number, to: number, out: Int32Array): void {
    const table = this.#table;
    const { places } = table;
    // the first block alone: most walks that find nothing end there
    let end = from;
    for (let start = from; start < to; start = end) {
      end = Math.min(to, start === from ? start + 1 : start + BATCH);
      table.warm(hashes, 2 * start, end - start);
      for (let i = start; i < end; i += 1) {
        const low = (hashes[2 * i] ?? 0) | 0;
        const at = table.findFrom(places[i - start] ?? 0, low, (hashes[2 * i + 1] ?? 0) | 0);
        if (at < 0 || !this.#countHolders(at, out)) return;
      }
    }
  }

  /** Counts the block in slot `at` for every lane that holds it; false when none does. */
  #countHolders(at: number, out: Int32Array): boolean {
    const { slots, rows } = this.#table;
    let any = 0;
    if (slots[at + 2] === WIDE) {
      const row = (slots[at + 3] ?? 0) * rows.rowWords;
      for (let w = 0; w < this.#words; w += 1) {
        const holders = (this.#present[w] ?? 0) & (rows.bits[row + 2 * w] ?? 0);
        any |= holders;
        this.#leave(w, holders, 1, out);
      }
      return any !== 0;
    }
    for (let n = 0; n < 4; n += 1) {
      const lane = (((slots[at + 2 + (n >>> 1)] ?? 0) >>> (16 * (n & 1))) & 0x7fff) - 1;
      if (lane < 0 || (this.#slotOf[lane] ?? NONE) < 0) continue;
      any = 1;
      this.#count(lane, 1, out);
    }
    return any !== 0;
  }

  /**
   * Walks as long as many lanes are in. Returns the block whose slot lists at most four of them, now in `#few`; -1
   * when the walk is over.
   */
  #walkMany(hashes: Uint32Array, from: number, to: number, out: Int32Array): number {
    const table = this.#table;
    const { slots, places } = table;
    const { bits: wide, rowWords } = table.rows;
    const active = this.#active;
    const words = this.#words;
    // the first block alone: most walks that find nothing end there
    let start = from;
    let end = from + 1;
    table.warm(hashes, 2 * from, 1);
    for (let i = from; i < to; ) {
      // The first 128 lanes in local variables: a pool of that size needs no memory but the rows.
      const a0 = active[0] ?? 0;
      const a1 = active[1] ?? 0;
      const a2 = active[2] ?? 0;
      const a3 = active[3] ?? 0;
      let at = 0;
      let row = 0;
      let lost = 0;
      for (; i < to && lost === 0; i += 1) {
        if (i === end) {
          start = i;
          end = Math.min(to, i + BATCH);
          table.warm(hashes, 2 * start, end - start);
        }
        at = table.findFrom(places[i - start] ?? 0, (hashes[2 * i] ?? 0) | 0, (hashes[2 * i + 1] ?? 0) | 0);
        if (at < 0 || slots[at + 2] !== WIDE) break;
        row = (slots[at + 3] ?? 0) * rowWords;
        lost = a0 & ~(wide[row] ?? 0);
        if (words > 1) {
          lost |= (a1 & ~(wide[row + 2] ?? 0)) | (a2 & ~(wide[row + 4] ?? 0)) | (a3 & ~(wide[row + 6] ?? 0));
          for (let w = 4; w < words; w += 1) lost |= (active[w] ?? 0) & ~(wide[row + 2 * w] ?? 0);
        }
      }
      if (lost !== 0) {
        if (!this.#keepRow(row, i - 1 - from, out)) return NONE;
      } else if (i < to) {
        if (at < 0) {
          this.#finish(i - from, out);
          return NONE;
        }
        this.#keepHolders(at, i - from, out);
        return i;
      }
    }
    this.#finish(to - from, out);
    return NONE;
  }

  /**
   * Walks on from block `first` with the lanes in `#few`. Neighbours in a chain mostly have the same holders in the
   * same order, so one comparison of the two words stands for looking at each lane.
   */
  #walkFew(hashes: Uint32Array, from: number, first: number, to: number, out: Int32Array): void {
    const table = this.#table;
    const { slots, places } = table;
    const few = this.#few;
    let same1 = 0;
    let same2 = 0;
    let start = first;
    let end = first + 1;
    table.warm(hashes, 2 * first, 1);
    for (let i = first; i < to; i += 1) {
      if (i === end) {
        start = i;
        end = Math.min(to, i + BATCH);
        table.warm(hashes, 2 * start, end - start);
      }
      const at = table.findFrom(
        places[i - start] ?? 0,
        (hashes[2 * i] ?? 0) | 0,
        (hashes[2 * i + 1] ?? 0) | 0,
      );
      const holders1 = at < 0 ? 0 : (slots[at + 2] ?? 0) & HOLDERS;
      const holders2 = at < 0 ? 0 : (slots[at + 3] ?? 0) & HOLDERS;
      if (holders1 === same1 && holders2 === same2 && holders1 !== 0) continue;
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
      const isWide = slots[at + 2] === WIDE;
      same1 = isWide ? 0 : holders1;
      same2 = isWide ? 0 : holders2;
    }
    for (let n = 0; n < 4; n += 1) {
      const lane = few[n] ?? NONE;
      if (lane >= 0) this.#count(lane, to - from, out);
    }
  }

  /** Of the active lanes keeps those in a row; the others leave with `blocks`. False when nobody is left. */
  #keepRow(row: number, blocks: number, out: Int32Array): boolean {
    const active = this.#active;
    const wide = this.#table.rows.bits;
    let any = 0;
    for (let w = 0; w < this.#words; w += 1) {
      const before = active[w] ?? 0;
      const after = before & (wide[row + 2 * w] ?? 0);
      any |= after;
      active[w] = after;
      if (blocks > 0) this.#leave(w, before & ~after, blocks, out);
    }
    return any !== 0;
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

  /** Adds `blocks` for every lane in `lanes`, bits of word `word`. */
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
