import { HolderRows } from './holder-rows.ts';

/** Words of one slot: low and high half of the key, then two words of holders. */
export const SLOT_WORDS = 4;

/** Most blocks that `warm` takes at a time. */
export const BATCH = 32;

/** First holder word of a slot whose holders are a bit set; the second is its row in `rows`. */
export const WIDE = -1;

/** Holder in 16 bits: lane + 1, and above it the bit "used since the last eviction pass". */
const LANE_MASK = 0x7fff;
const USED = 0x8000;
const HIGH_LANE_MASK = LANE_MASK << 16;
const HIGH_USED = USED << 16;

/** Lanes that fit: 15 bits, less 0 (nobody) and the all-ones word. */
export const MAX_LANES = 0x7ffd;

/** What is known about a (block, lane) pair. */
export const ABSENT = 0;
export const UNUSED = 1;
export const USED_SINCE = 2;

/**
 * Open addressing table from 64-bit block hash to the set of lanes (dense endpoint numbers) that hold the block, with
 * one "used" bit per pair. Sizes are fixed at construction. Up to four holders sit in the slot itself, 16 bytes in
 * all; more move to a row of a bit set arena and back when three are left, since most blocks belong to one
 * conversation and few to a system prompt that everyone holds.
 *
 *     slot: | hash low | hash high | holder 1, holder 0 | holder 3, holder 2 |   or   | … | WIDE | row |
 *
 * Deletion shifts back, so there are no tombstones and a probe ends at the first free slot. The place of a hash
 * depends on two secret factors: prompts cannot be chosen to pile up in one place. A slot number is valid until the
 * next change.
 */
export class BlockTable {
  /** Signed words, like all halves of hashes in here: large unsigned ones would be boxed on their way to a call. */
  readonly slots: Int32Array;
  /** Where to begin the search for the hashes of the last `warm`; valid until the next one, whatever changes. */
  readonly places = new Int32Array(BATCH);
  /** Holders of the blocks that have more than four; other rows after `fit`. */
  rows: HolderRows;
  readonly #mask: number;
  readonly #shift: number;
  readonly #factorLow: number;
  readonly #factorHigh: number;
  #count = 0;
  /** Makes the reads of `warm` count for something. */
  #warmed = 0;

  /**
   * `blocks`: that many fit with a quarter of the slots free. `sharedBlocks`: blocks with more than four holders, when all
   * `lanes` are in use; more fit while fewer are.
   * `secret`: any two integers.
   */
  constructor(blocks: number, sharedBlocks: number, lanes: number, secret: readonly [number, number]) {
    const bits = Math.max(4, Math.ceil(Math.log2((blocks * 4) / 3)));
    this.slots = new Int32Array(2 ** bits * SLOT_WORDS);
    this.#mask = 2 ** bits - 1;
    this.#shift = 32 - bits;
    this.#factorLow = secret[0] | 1;
    this.#factorHigh = secret[1] | 1;
    this.rows = new HolderRows(sharedBlocks * 2 * Math.ceil(lanes / 32), lanes, 0);
  }

  /** Blocks with at least one holder. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of the table, used or not. */
  get sizeBytes(): number {
    return this.slots.byteLength + this.rows.bits.byteLength;
  }

  /** Slot of the hash as an index into `slots`, or -1. */
  find(low: number, high: number): number {
    return this.findFrom(this.#home(low, high) << 2, low, high);
  }

  /** As `find`; `place` is where the search begins, from `places`. */
  findFrom(place: number, low: number, high: number): number {
    const slots = this.slots;
    if (slots[place] === low && slots[place + 1] === high && slots[place + 2] !== 0) return place;
    const last = slots.length - 1;
    for (let at = place; slots[at + 2] !== 0; at = (at + SLOT_WORDS) & last) {
      if (slots[at] === low && slots[at + 1] === high) return at;
    }
    return -1;
  }

  /**
   * Writes to `places` where the search for each of the hashes begins; at most `BATCH` of them, from word `from` of
   * `hashes` on. It reads those places too, so that they are in the processor's cache for what follows: without a
   * branch in between it waits for many of them at a time. In a table of 32 MiB a batch of 32 and the `findFrom`s that
   * follow take 10 ns a block, where `find` alone takes 70 to 100. `hashes` has one type so that its reads are fast.
   */
  warm(hashes: Uint32Array, from: number, pairs: number): void {
    const { slots, places } = this;
    const factorLow = this.#factorLow;
    const factorHigh = this.#factorHigh;
    const shift = this.#shift;
    let sum = this.#warmed;
    for (let i = 0; i < pairs; i += 1) {
      const low = Math.imul(hashes[from + 2 * i] ?? 0, factorLow);
      const place = ((low + Math.imul(hashes[from + 2 * i + 1] ?? 0, factorHigh)) >>> shift) << 2; // SLOT_WORDS
      places[i] = place;
      sum ^= slots[place] ?? 0;
    }
    this.#warmed = sum;
  }

  /** Whether `lane` holds the block in slot `at`. */
  holds(at: number, lane: number): boolean {
    const first = this.slots[at + 2] ?? 0;
    const second = this.slots[at + 3] ?? 0;
    if (first === WIDE) {
      return (((this.rows.bits[this.rows.word(second, lane)] ?? 0) >>> (lane & 31)) & 1) === 1;
    }
    const holder = lane + 1;
    return (
      (first & LANE_MASK) === holder ||
      ((first >>> 16) & LANE_MASK) === holder ||
      (second & LANE_MASK) === holder ||
      ((second >>> 16) & LANE_MASK) === holder
    );
  }

  /** Marks the pair as used; false when `lane` does not hold the block. */
  touch(at: number, lane: number): boolean {
    const first = this.slots[at + 2] ?? 0;
    const second = this.slots[at + 3] ?? 0;
    if (first === WIDE) {
      const { bits } = this.rows;
      const word = this.rows.word(second, lane);
      const bit = 1 << (lane & 31);
      if (((bits[word] ?? 0) & bit) === 0) return false;
      bits[word + 1] = (bits[word + 1] ?? 0) | bit;
      return true;
    }
    const low = lane + 1;
    const high = low << 16;
    if ((first & LANE_MASK) === low) this.slots[at + 2] = first | USED;
    else if ((first & HIGH_LANE_MASK) === high) this.slots[at + 2] = first | HIGH_USED;
    else if ((second & LANE_MASK) === low) this.slots[at + 3] = second | USED;
    else if ((second & HIGH_LANE_MASK) === high) this.slots[at + 3] = second | HIGH_USED;
    else return false;
    return true;
  }

  /** What is known about the pair; a used one counts as unused from here on. */
  age(at: number, lane: number): number {
    const place = this.#place(at, lane);
    if (place < 0) return ABSENT;
    if (place < 4) {
      const word = at + 2 + (place >>> 1);
      const bit = USED << (16 * (place & 1));
      const before = this.slots[word] ?? 0;
      if ((before & bit) === 0) return UNUSED;
      this.slots[word] = before & ~bit;
      return USED_SINCE;
    }
    const { bits } = this.rows;
    const word = this.rows.word(this.slots[at + 3] ?? 0, lane) + 1;
    const bit = 1 << (lane & 31);
    const before = bits[word] ?? 0;
    if ((before & bit) === 0) return UNUSED;
    bits[word] = before & ~bit;
    return USED_SINCE;
  }

  /** Adds a block that is not in the table, see `findFrom`; the caller keeps `count` within the size. */
  insert(place: number, low: number, high: number, lane: number): void {
    const slots = this.slots;
    const last = slots.length - 1;
    let at = place;
    while (slots[at + 2] !== 0) at = (at + SLOT_WORDS) & last;
    slots[at] = low;
    slots[at + 1] = high;
    slots[at + 2] = lane + 1;
    slots[at + 3] = 0;
    this.#count += 1;
  }

  /**
   * Adds `lane`, which does not hold it, to the holders of the block in slot `at`. Returns -1, or the lane that had to
   * give up its place because no row is free.
   */
  add(at: number, lane: number): number {
    const slots = this.slots;
    if (slots[at + 2] === WIDE) {
      this.rows.set(slots[at + 3] ?? 0, lane, false);
      return -1;
    }
    for (let place = 1; place < 4; place += 1) {
      if (this.#holder(at, place) === 0) {
        this.#or(at, place, lane + 1);
        return -1;
      }
    }
    const row = this.rows.take();
    if (row < 0) {
      const given = (this.#holder(at, 3) & LANE_MASK) - 1;
      slots[at + 3] = ((slots[at + 3] ?? 0) & 0xffff) | ((lane + 1) << 16);
      return given;
    }
    const first = slots[at + 2] ?? 0;
    const second = slots[at + 3] ?? 0;
    slots[at + 2] = WIDE;
    slots[at + 3] = row;
    for (const holder of [first & 0xffff, first >>> 16, second & 0xffff, second >>> 16]) {
      this.rows.set(row, (holder & LANE_MASK) - 1, (holder & USED) !== 0);
    }
    this.rows.set(row, lane, false);
    return -1;
  }

  /** Takes `lane` off the block in slot `at`; the block goes with its last holder. False when it holds none. */
  remove(at: number, lane: number): boolean {
    const place = this.#place(at, lane);
    if (place < 0) return false;
    if (place < 4) this.#removeInline(at, place);
    else this.#removeWide(at, lane);
    return true;
  }

  /**
   * Makes rows wide enough for `lane`. Fewer fit then: blocks whose row finds no place keep four holders, and `forget`
   * is told of each other one. Takes 10 ms for a million blocks, each time the lanes in use have doubled.
   */
  fit(lane: number, forget: (lane: number) => void): void {
    const narrow = this.rows;
    if (lane < narrow.lanes) return;
    const { slots } = this;
    this.rows = narrow.widened(lane + 1);
    for (let at = 0; at < slots.length; at += SLOT_WORDS) {
      if (slots[at + 2] !== WIDE) continue;
      const row = slots[at + 3] ?? 0;
      const wider = this.rows.take();
      if (wider < 0) this.#listHolders(at, narrow, row, forget);
      else {
        this.rows.copy(wider, narrow, row);
        slots[at + 3] = wider;
      }
    }
  }

  #home(low: number, high: number): number {
    return (Math.imul(low, this.#factorLow) + Math.imul(high, this.#factorHigh)) >>> this.#shift;
  }

  /** 0..3: in the slot; 4: in the row; -1: nowhere. */
  #place(at: number, lane: number): number {
    const first = this.slots[at + 2] ?? 0;
    const second = this.slots[at + 3] ?? 0;
    if (first === WIDE) return this.holds(at, lane) ? 4 : -1;
    const holder = lane + 1;
    if ((first & LANE_MASK) === holder) return 0;
    if (((first >>> 16) & LANE_MASK) === holder) return 1;
    if ((second & LANE_MASK) === holder) return 2;
    return ((second >>> 16) & LANE_MASK) === holder ? 3 : -1;
  }

  #holder(at: number, place: number): number {
    return ((this.slots[at + 2 + (place >>> 1)] ?? 0) >>> (16 * (place & 1))) & 0xffff;
  }

  #or(at: number, place: number, bits: number): void {
    const word = at + 2 + (place >>> 1);
    this.slots[word] = (this.slots[word] ?? 0) | (bits << (16 * (place & 1)));
  }

  /** Holders stay dense: the last one moves into the gap. */
  #removeInline(at: number, place: number): void {
    if (this.slots[at + 3] === 0 && (this.slots[at + 2] ?? 0) >>> 16 === 0) {
      this.#delete(at);
      return;
    }
    let last = 3;
    while (this.#holder(at, last) === 0) last -= 1;
    const moved = this.#holder(at, last);
    this.#clear(at, last);
    if (last === place) return;
    this.#clear(at, place);
    this.#or(at, place, moved);
  }

  #clear(at: number, place: number): void {
    const word = at + 2 + (place >>> 1);
    this.slots[word] = (this.slots[word] ?? 0) & ~(0xffff << (16 * (place & 1)));
  }

  #removeWide(at: number, lane: number): void {
    const row = this.slots[at + 3] ?? 0;
    this.rows.clear(row, lane);
    if (!this.rows.exceeds(row, 3)) this.#narrow(at, row);
  }

  /** Moves the three holders of a row back into the slot and returns the row. */
  #narrow(at: number, row: number): void {
    this.#listHolders(at, this.rows, row);
    this.rows.giveBack(row);
  }

  /** Writes the first four holders of a row into the slot; `forget` is told of the others. */
  #listHolders(
    at: number,
    { bits, rowWords }: HolderRows,
    row: number,
    forget?: (lane: number) => void,
  ): void {
    const start = row * rowWords;
    this.slots[at + 2] = 0;
    this.slots[at + 3] = 0;
    let place = 0;
    for (let w = start; w < start + rowWords; w += 2) {
      const used = bits[w + 1] ?? 0;
      for (let held = bits[w] ?? 0; held !== 0; held &= held - 1) {
        const bit = 31 - Math.clz32(held & -held);
        const lane = (w - start) * 16 + bit;
        if (place < 4) this.#or(at, place, (used >>> bit) & 1 ? (lane + 1) | USED : lane + 1);
        else forget?.(lane);
        place += 1;
      }
    }
  }

  /** Empties slot `at` and closes the gap: whatever probed past it moves back. */
  #delete(at: number): void {
    const slots = this.slots;
    const mask = this.#mask;
    let gap = at / SLOT_WORDS;
    for (let i = (gap + 1) & mask; ; i = (i + 1) & mask) {
      const from = i * SLOT_WORDS;
      if (slots[from + 2] === 0) break;
      const home = this.#home(slots[from] ?? 0, slots[from + 1] ?? 0);
      if (((i - home) & mask) >= ((i - gap) & mask)) {
        const to = gap * SLOT_WORDS; // four words by hand take a third of the time of copyWithin
        slots[to] = slots[from] ?? 0;
        slots[to + 1] = slots[from + 1] ?? 0;
        slots[to + 2] = slots[from + 2] ?? 0;
        slots[to + 3] = slots[from + 3] ?? 0;
        gap = i;
      }
    }
    slots[gap * SLOT_WORDS + 2] = 0;
    this.#count -= 1;
  }
}
