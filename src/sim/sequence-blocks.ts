import { BlockPool } from './block-pool.ts';
import type { EngineStats } from './engine-stats.ts';
import type { Sequence } from './sequence.ts';

/** What these blocks need of an engine's settings. */
interface BlockOptions {
  readonly blockSize: number;
  readonly numGpuBlocks: number;
  readonly prefixCaching: boolean;
}

/** The KV-cache blocks of one engine in the hands of its sequences. */
export class SequenceBlocks {
  readonly pool: BlockPool;
  readonly #blockSize: number;
  readonly #stats: EngineStats;

  constructor({ blockSize, numGpuBlocks, prefixCaching }: BlockOptions, stats: EngineStats) {
    this.pool = new BlockPool(numGpuBlocks, prefixCaching);
    this.#blockSize = blockSize;
    this.#stats = stats;
  }

  /** Leading full blocks of the prompt and answer so far that are cached here, at most all but the last token's. */
  cachedBlocks(sequence: Sequence): number {
    // The last token is always computed: its output is what is wanted.
    const findable = Math.min(sequence.fullBlocks, Math.floor((sequence.length - 1) / this.#blockSize));
    let found = 0;
    while (found < findable && this.pool.find(sequence.hashOf(found)) >= 0) found += 1;
    return found;
  }

  /**
   * Shares the cached blocks of the prefix and takes new ones for the rest, some of which may hold keys and values that
   * came from another server; false and nothing taken when too few are free.
   */
  claim(sequence: Sequence): boolean {
    const { pool } = this;
    const needed = Math.ceil(sequence.length / this.#blockSize);
    const found = this.cachedBlocks(sequence);
    let foundFree = 0;
    for (let i = 0; i < found; i += 1) if (pool.isFree(pool.find(sequence.hashOf(i)))) foundFree += 1;
    if (needed - found > pool.free - foundFree) return false;
    for (let i = 0; i < found; i += 1) {
      const block = pool.find(sequence.hashOf(i));
      pool.share(block);
      sequence.blocks.push(block);
    }
    while (sequence.blocks.length < needed) sequence.blocks.push(pool.allocate());
    sequence.computed = found * this.#blockSize;
    if (sequence.cachedTokens < 0) this.#firstLook(sequence);
    return true;
  }

  /** Makes the blocks findable that are full once `computed` tokens are in. */
  register(sequence: Sequence, computed: number): void {
    const full = Math.floor(computed / this.#blockSize);
    for (let i = Math.floor(sequence.computed / this.#blockSize); i < full; i += 1) {
      this.pool.register(sequence.blocks[i] ?? 0, sequence.hashOf(i));
    }
  }

  /** Takes a further block when the next token needs one; false when none is free. */
  grow(sequence: Sequence): boolean {
    while (sequence.blocks.length * this.#blockSize < sequence.length) {
      const block = this.pool.allocate();
      if (block < 0) return false;
      sequence.blocks.push(block);
    }
    return true;
  }

  /** Last block first, so that the head of a prefix, which more prompts share, is evicted last. */
  release(sequence: Sequence): void {
    for (let block = sequence.blocks.pop(); block !== undefined; block = sequence.blocks.pop()) {
      this.pool.release(block);
    }
  }

  /** Counts where the prompt came from, and takes what another server has sent; a preempted sequence has lost that. */
  #firstLook(sequence: Sequence): void {
    const stats = this.#stats;
    const local = sequence.computed;
    const { remote } = sequence.request;
    stats.prefixCacheQueries += sequence.length;
    stats.prefixCacheHits += local;
    if (remote !== undefined) {
      const total = Math.max(local, Math.min(remote.tokens, sequence.length - 1));
      this.register(sequence, total);
      sequence.computed = total;
      stats.externalCacheQueries += sequence.length - local;
      stats.externalCacheHits += total - local;
    }
    sequence.cachedTokens = sequence.computed;
    sequence.remoteTokens = sequence.computed - local;
  }
}
