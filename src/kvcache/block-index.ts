import { nextInt, type Rng } from '../util/rng.ts';
import { ABSENT, BATCH, BlockTable, MAX_LANES, UNUSED, USED_SINCE } from './block-table.ts';
import { EntryQueues } from './entry-queue.ts';
import { PrefixWalk } from './prefix-walk.ts';

const NONE = -1;

/** States of a lane. */
const FREE = 0;
const ACTIVE = 1;
const LEAVING = 2;

/** Entries of lanes that left which every insert clears in passing. */
const SWEEP_PER_INSERT = 64;

/**
 * Second chances in one eviction. Each one undoes an earlier touch, so they cost little on average; the bound keeps
 * the worst case near a third of a millisecond, when everything in a large queue was used since the last pass.
 */
const MAX_SECOND_CHANCES = 8192;

/** More than any memory holds. */
const MAX_CAPACITY = 2 ** 31 - 1;

/** Evictions after which the fullest lane is looked for again. */
const VICTIM_EVICTIONS = 256;

/** Sizes of an index; its memory follows from them and never grows. */
export interface BlockIndexSize {
  /** Distinct blocks; about 21 bytes each. */
  readonly blocks: number;
  /** (block, endpoint) pairs; 8 bytes each. */
  readonly entries: number;
  /** Blocks that more than four endpoints hold, when there are `endpoints`; `endpoints` / 4 bytes each. */
  readonly sharedBlocks: number;
  /** Endpoints at a time. */
  readonly endpoints: number;
}

/**
 * Which endpoint holds which blocks: block hash → set of endpoints, at a fixed size, in typed arrays.
 *
 * Every endpoint has a capacity in blocks. Its blocks leave in the order in which they came, except that one which
 * was inserted again since the last pass stays for another (CLOCK). Within one prompt the last block counts as the
 * oldest, so a prompt is forgotten from its end. When the table or the arena is full, the endpoint with the most
 * entries gives up its oldest ones.
 *
 * Endpoints are named by `Endpoint.slot`. Inside, each has a lane of its own, so a slot is free for reuse as soon as
 * `removeEndpoint` returns, while the lane's entries are cleared in portions.
 */
export class BlockIndex {
  readonly #table: BlockTable;
  readonly #queues: EntryQueues;
  readonly #walk: PrefixWalk;
  readonly #size: BlockIndexSize;
  /** By slot; grows with the largest slot seen, up to the number of endpoints present. */
  #laneOf = new Int32Array(64).fill(NONE);
  readonly #state: Uint8Array;
  readonly #capacity: Int32Array;
  /** Blocks held, by lane. */
  readonly #held: Int32Array;
  /** Lanes in state LEAVING. */
  readonly #leaving: number[] = [];
  #victim = NONE;
  #victimEvictions = 0;
  #entries = 0;

  /** `rng` keeps prompts from being chosen to collide in the table. */
  constructor(size: BlockIndexSize, rng: Rng) {
    const lanes = Math.min(size.endpoints, MAX_LANES);
    const secret = [nextInt(rng, 2 ** 31), nextInt(rng, 2 ** 31)] as const;
    this.#size = size;
    this.#table = new BlockTable(size.blocks, size.sharedBlocks, lanes, secret);
    this.#queues = new EntryQueues(size.entries, lanes);
    this.#walk = new PrefixWalk(this.#table, lanes);
    this.#state = new Uint8Array(lanes);
    this.#capacity = new Int32Array(lanes);
    this.#held = new Int32Array(lanes);
  }

  /** Distinct blocks. */
  get blockCount(): number {
    return this.#table.count;
  }

  /** (block, endpoint) pairs, without those of endpoints that left. */
  get entryCount(): number {
    return this.#entries;
  }

  /** Bytes of memory set aside, used or not. */
  get sizeBytes(): number {
    return this.#table.sizeBytes + this.#queues.sizeBytes;
  }

  /** Makes room for an endpoint; false when there are too many. `capacity`: blocks, at least 1. */
  addEndpoint(slot: number, capacity: number): boolean {
    if (this.#lane(slot) !== NONE) return this.setCapacity(slot, capacity);
    let lane = this.#state.indexOf(FREE);
    if (lane < 0) {
      while (this.sweep(Number.MAX_SAFE_INTEGER));
      lane = this.#state.indexOf(FREE);
      if (lane < 0) return false;
    }
    if (slot >= this.#laneOf.length) {
      const larger = new Int32Array(2 * slot).fill(NONE);
      larger.set(this.#laneOf);
      this.#laneOf = larger;
    }
    this.#table.fit(lane, (forgotten) => this.#forgot(forgotten));
    this.#laneOf[slot] = lane;
    this.#state[lane] = ACTIVE;
    this.#capacity[lane] = heldAtMost(capacity);
    this.#walk.admit(lane, slot);
    return true;
  }

  /**
   * Changes how many blocks an endpoint may hold; false when it is unknown. What is too much leaves with the next
   * inserts for this endpoint.
   */
  setCapacity(slot: number, capacity: number): boolean {
    const lane = this.#lane(slot);
    if (lane === NONE) return false;
    this.#capacity[lane] = heldAtMost(capacity);
    return true;
  }

  /** Forgets an endpoint at once; call `sweep` afterwards to give its memory back. */
  removeEndpoint(slot: number): void {
    const lane = this.#lane(slot);
    if (lane === NONE) return;
    this.#laneOf[slot] = NONE;
    this.#state[lane] = LEAVING;
    this.#entries -= this.#held[lane] ?? 0;
    this.#walk.dismiss(lane);
    this.#leaving.push(lane);
  }

  /** Blocks the endpoint holds. */
  heldBy(slot: number): number {
    const lane = this.#lane(slot);
    return lane === NONE ? 0 : (this.#held[lane] ?? 0);
  }

  /**
   * Adds to `out[slot]`, for every endpoint, how many of blocks `from` to `to` (exclusive) of `hashes` it holds
   * without a gap from the first on. `out` must reach to the largest slot. Does not count as use.
   */
  match(hashes: Uint32Array, from: number, to: number, out: Int32Array): void {
    this.#walk.run(hashes, from, to, out);
  }

  /**
   * The same, but counts every block an endpoint holds, gaps or not, up to the first block that nobody holds, as
   * llm-d-router does.
   */
  matchWithGaps(hashes: Uint32Array, from: number, to: number, out: Int32Array): void {
    this.#walk.runWithGaps(hashes, from, to, out);
  }

  /**
   * Records that an endpoint holds blocks `from` to `to` of `hashes`, a chain in prompt order. Sets bit `i` of
   * `added` (bit `i & 31` of word `i >> 5`) for each block `i` it did not hold before. No-op for unknown endpoints.
   */
  insert(slot: number, hashes: Uint32Array, range: BlockRange, added: Uint32Array): void {
    const lane = this.#lane(slot);
    if (lane === NONE) return;
    if (this.#leaving.length > 0) this.sweep(SWEEP_PER_INSERT);
    const table = this.#table;
    for (let end = range.to; end > range.from; end -= BATCH) {
      const start = Math.max(range.from, end - BATCH);
      this.#warmOldest(lane, end - start);
      table.warm(hashes, 2 * start, end - start);
      for (let i = end - 1; i >= start; i -= 1) {
        const low = (hashes[2 * i] ?? 0) | 0;
        const high = (hashes[2 * i + 1] ?? 0) | 0;
        const place = table.places[i - start] ?? 0;
        let at = table.findFrom(place, low, high);
        if (at >= 0 && table.touch(at, lane)) continue;
        if (this.#makeRoom(lane, at < 0)) at = table.findFrom(place, low, high);
        if (at < 0) table.insert(place, low, high, lane);
        else this.#forgot(table.add(at, lane));
        this.#queues.push(lane, low, high);
        this.#held[lane] = (this.#held[lane] ?? 0) + 1;
        this.#entries += 1;
        added[i >> 5] = (added[i >> 5] ?? 0) | (1 << (i & 31));
      }
    }
  }

  /**
   * Takes back what `insert` added, as marked in `added`, except blocks that were inserted again since.
   */
  withdraw(slot: number, hashes: Uint32Array, range: BlockRange, added: Uint32Array): void {
    const lane = this.#lane(slot);
    if (lane === NONE) return;
    for (let i = range.from; i < range.to; i += 1) {
      if ((((added[i >> 5] ?? 0) >>> (i & 31)) & 1) === 0) continue;
      const low = (hashes[2 * i] ?? 0) | 0;
      const high = (hashes[2 * i + 1] ?? 0) | 0;
      const at = this.#table.find(low, high);
      if (at < 0) continue;
      const age = this.#table.age(at, lane);
      if (age === USED_SINCE) this.#table.touch(at, lane);
      else if (age === UNUSED) {
        this.#table.remove(at, lane);
        this.#forgot(lane);
        this.#queues.unpush(lane, low, high);
      }
    }
  }

  /** Clears up to `limit` entries of endpoints that left; true when more are left. */
  sweep(limit: number): boolean {
    for (let done = 0; this.#leaving.length > 0; done += 1) {
      const lane = this.#leaving.at(-1) ?? NONE;
      if ((this.#queues.length[lane] ?? 0) === 0) {
        this.#leaving.pop();
        this.#held[lane] = 0;
        this.#state[lane] = FREE;
      } else {
        if (done >= limit) return true;
        this.#drop(lane);
      }
    }
    return false;
  }

  #lane(slot: number): number {
    return this.#laneOf[slot] ?? NONE;
  }

  /** Reads ahead for the entries that have to go when `blocks` come. */
  #warmOldest(lane: number, blocks: number): void {
    const queues = this.#queues;
    const surplus = (queues.length[lane] ?? 0) + blocks - (this.#capacity[lane] ?? 1);
    const count = Math.min(surplus, queues.oldestRun(lane), BATCH);
    if (count > 0) this.#table.warm(queues.entries, queues.oldest(lane), count);
  }

  /** Makes place for one entry of `lane`, and for a block if it is new. Returns whether slots may have moved. */
  #makeRoom(lane: number, isNewBlock: boolean): boolean {
    let hasMoved = false;
    while ((this.#queues.length[lane] ?? 0) >= (this.#capacity[lane] ?? 1)) {
      this.#evict(lane);
      hasMoved = true;
    }
    while ((isNewBlock && this.#table.count >= this.#size.blocks) || !this.#queues.hasRoom(lane)) {
      const victim = this.#fullest();
      this.#drop(victim);
      hasMoved = true;
    }
    return hasMoved;
  }

  /** Shortens the lane's queue by the oldest entry that was not used since it last came up. */
  #evict(lane: number): void {
    const queues = this.#queues;
    for (let chances = 0; ; chances += 1) {
      const oldest = queues.oldest(lane);
      const low = (queues.entries[oldest] ?? 0) | 0;
      const high = (queues.entries[oldest + 1] ?? 0) | 0;
      const at = this.#table.find(low, high);
      queues.shift(lane);
      if (at < 0) return;
      const age = this.#table.age(at, lane);
      if (age === ABSENT) return;
      if (age === UNUSED || chances === MAX_SECOND_CHANCES || !queues.hasRoom(lane)) {
        this.#table.remove(at, lane);
        this.#forgot(lane);
        return;
      }
      queues.push(lane, low, high);
    }
  }

  /** Drops the oldest entry of a lane that has one, used or not. */
  #drop(lane: number): void {
    const queues = this.#queues;
    const oldest = queues.oldest(lane);
    const at = this.#table.find((queues.entries[oldest] ?? 0) | 0, (queues.entries[oldest + 1] ?? 0) | 0);
    queues.shift(lane);
    if (at >= 0 && this.#table.remove(at, lane)) this.#forgot(lane);
  }

  /** Counts one block less for `lane`; -1 for nobody. */
  #forgot(lane: number): void {
    if (lane === NONE) return;
    this.#held[lane] = (this.#held[lane] ?? 0) - 1;
    if (this.#state[lane] === ACTIVE) this.#entries -= 1;
  }

  /** A lane that left, else one of those with the longest queue. */
  #fullest(): number {
    const lengths = this.#queues.length;
    for (const lane of this.#leaving) if ((lengths[lane] ?? 0) > 0) return lane;
    this.#victimEvictions += 1;
    if (this.#victimEvictions > VICTIM_EVICTIONS || (lengths[this.#victim] ?? 0) === 0) {
      this.#victimEvictions = 0;
      this.#victim = 0;
      for (let lane = 1; lane < lengths.length; lane += 1) {
        if ((lengths[lane] ?? 0) > (lengths[this.#victim] ?? 0)) this.#victim = lane;
      }
    }
    return this.#victim;
  }
}

/** Blocks `from` (inclusive) to `to` (exclusive). */
export interface BlockRange {
  readonly from: number;
  readonly to: number;
}

/** A capacity as an `Int32Array` can have it; what servers report may be anything. */
function heldAtMost(capacity: number): number {
  return capacity >= 1 ? Math.min(capacity, MAX_CAPACITY) : 1;
}
