import type { CancelTimer, Clock } from '../util/clock.ts';
import { SeededRng } from '../util/rng.ts';
import { BlockPool } from './block-pool.ts';
import { EngineStats } from './engine-stats.ts';
import type { SimOptions } from './options.ts';
import { Sequence, type SequenceRequest } from './sequence.ts';

/** Steps that may run in one turn of the event loop when simulated time is faster than timers. */
const MAX_STEPS_PER_TURN = 32;
/** How far simulated time may lag behind a busy machine before the lag is forgiven. */
const MAX_LAG_MS = 250;

/** What the engine needs besides its settings. */
export interface EngineContext {
  readonly clock: Clock;
  readonly seed: number;
  /** Called after each turn in which tokens were made: the moment to write them out. */
  afterTurn(): void;
}

/**
 * The scheduler of one model server, in the manner of vLLM: steps follow each other; each step computes one token for
 * every running sequence and, with what is left of the token budget, parts of prompts; sequences are admitted in order
 * of arrival while a place in the batch, their blocks and their adapter allow it. When blocks run out during decoding
 * the youngest sequence goes back to the head of the queue and starts again.
 *
 * A step takes  decodeStepMs + decodeMsPerSequence · decoding + 1000 · promptTokens / prefillTokensPerSecond
 * milliseconds, varied by `jitter` and multiplied by `timeScale`. One timer drives the whole engine.
 */
export class Engine {
  readonly stats: EngineStats;
  readonly pool: BlockPool;
  /** Longest prompt and answer: `maxModelLen`, or what all blocks together can hold. */
  readonly maxModelLen: number;
  readonly #options: SimOptions;
  readonly #context: EngineContext;
  readonly #rng: SeededRng;
  readonly #waiting: Sequence[] = [];
  #running: Sequence[] = [];
  #deferred = 0;
  #stepEndsMs = 0;
  #cancelTimer: CancelTimer | undefined;
  /** Inside `#turn`, which looks for work itself before it ends. */
  #isInTurn = false;
  /** Walking over `#running`, which must not change length. */
  #isDelivering = false;

  constructor(options: SimOptions, context: EngineContext) {
    this.#options = options;
    this.#context = context;
    this.#rng = new SeededRng(context.seed);
    this.pool = new BlockPool(options.numGpuBlocks, options.prefixCaching);
    this.maxModelLen = Math.min(options.maxModelLen, options.numGpuBlocks * options.blockSize);
    this.stats = new EngineStats(this.maxModelLen);
  }

  get running(): number {
    return this.#running.length;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Waiting sequences that the last step passed over because of their adapter. */
  get deferred(): number {
    return Math.min(this.#deferred, this.#waiting.length);
  }

  /** Adapters of running and of waiting sequences, each in order of first use. */
  adapters(): { running: string[]; waiting: string[] } {
    return { running: [...adaptersOf(this.#running)], waiting: [...adaptersOf(this.#waiting)] };
  }

  /** Queues a sequence. `prompt.length + outputTokens` must not exceed `maxModelLen`. */
  submit(request: SequenceRequest): Sequence {
    const nowMs = this.#context.clock.nowMs();
    const sequence = new Sequence(request, nowMs);
    this.#waiting.push(sequence);
    if (this.#cancelTimer === undefined && !this.#isInTurn) this.#begin(nowMs);
    return sequence;
  }

  /** Drops a sequence, wherever it is; nothing happens when it is already over. */
  abort(sequence: Sequence): void {
    if (sequence.state === 'finished') return;
    const list = sequence.state === 'waiting' ? this.#waiting : this.#running;
    const isListed = sequence.state === 'waiting' || !this.#isDelivering;
    sequence.state = 'finished';
    this.#releaseBlocks(sequence);
    this.stats.finishedAbort += 1;
    if (isListed) list.splice(list.indexOf(sequence), 1);
  }

  /** Stops the timer; sequences stay as they are. */
  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #begin(nowMs: number): void {
    if (!this.#schedule(nowMs)) return;
    this.#cancelTimer = this.#context.clock.after(this.#stepEndsMs - nowMs, () => this.#turn());
  }

  #turn(): void {
    const { clock } = this.#context;
    this.#cancelTimer = undefined;
    this.#isInTurn = true;
    let isBusy = true;
    // A timer may fire a fraction of a millisecond early; such a step counts as over.
    const untilMs = clock.nowMs() + 0.5;
    for (let steps = 0; isBusy && steps < MAX_STEPS_PER_TURN && this.#stepEndsMs <= untilMs; steps += 1) {
      this.#deliver(this.#stepEndsMs);
      isBusy = this.#schedule(this.#stepEndsMs);
    }
    this.#context.afterTurn();
    this.#isInTurn = false;
    const nowMs = clock.nowMs();
    // Whoever was called back may have submitted or aborted; only an idle engine has to look again.
    if (!isBusy) isBusy = this.#schedule(nowMs);
    if (!isBusy) return;
    if (nowMs - this.#stepEndsMs > MAX_LAG_MS) this.#stepEndsMs = nowMs;
    this.#cancelTimer = clock.after(Math.max(0, this.#stepEndsMs - nowMs), () => this.#turn());
  }

  /** Chooses the work of the step that starts at `startMs`; false when there is none. */
  #schedule(startMs: number): boolean {
    const budget = this.#options.maxNumBatchedTokens;
    let left = budget;
    let decoding = 0;
    for (let i = 0; i < this.#running.length; i += 1) {
      const sequence = this.#running[i];
      if (sequence === undefined) break;
      const wanted = sequence.length - sequence.computed;
      const tokens = Math.min(wanted, left);
      sequence.scheduled = tokens;
      if (tokens === 0 || !this.#reserve(sequence)) continue;
      left -= tokens;
      if (wanted === 1) decoding += 1;
      this.#register(sequence, sequence.computed + tokens);
    }
    left = this.#admit(left, startMs);
    if (left === budget) return false;
    const { decodeStepMs, decodeMsPerSequence, prefillTokensPerSecond, jitter, timeScale } = this.#options;
    const prefillMs = ((budget - left - decoding) * 1000) / prefillTokensPerSecond;
    const stepMs = decodeStepMs + decodeMsPerSequence * decoding + prefillMs;
    this.#stepEndsMs = startMs + stepMs * (1 + jitter * (2 * this.#rng.next() - 1)) * timeScale;
    return true;
  }

  /** Blocks for all tokens of a running sequence. Preempts from the end of the batch; false when it hit `sequence`. */
  #reserve(sequence: Sequence): boolean {
    while (sequence.blocks.length * this.#options.blockSize < sequence.length) {
      const block = this.pool.allocate();
      if (block >= 0) {
        sequence.blocks.push(block);
        continue;
      }
      const victim = this.#running.pop();
      if (victim === undefined) return false;
      this.#releaseBlocks(victim);
      victim.state = 'waiting';
      victim.computed = 0;
      victim.scheduled = 0;
      this.stats.preemptions += 1;
      this.#waiting.unshift(victim);
      if (victim === sequence) return false;
    }
    return true;
  }

  #admit(budget: number, nowMs: number): number {
    let left = budget;
    this.#deferred = 0;
    if (this.#waiting.length === 0) return left;
    const adapters = adaptersOf(this.#running);
    for (let i = 0; i < this.#waiting.length && left > 0; ) {
      const sequence = this.#waiting[i];
      if (sequence === undefined || this.#running.length >= this.#options.maxNumSeqs) break;
      const { adapter } = sequence.request;
      if (adapter !== '' && !adapters.has(adapter) && adapters.size >= this.#options.maxLoras) {
        this.#deferred += 1;
        i += 1;
        continue;
      }
      if (!this.#claimBlocks(sequence)) break;
      if (adapter !== '') adapters.add(adapter);
      this.#waiting.splice(i, 1);
      this.#running.push(sequence);
      sequence.state = 'running';
      if (sequence.generated === 0) this.stats.queueTime.observe((nowMs - sequence.arrivedMs) / 1000);
      sequence.scheduled = Math.min(sequence.length - sequence.computed, left);
      left -= sequence.scheduled;
      this.#register(sequence, sequence.computed + sequence.scheduled);
    }
    return left;
  }

  /** Shares the cached blocks of the prefix and takes new ones for the rest; false and nothing taken when too few. */
  #claimBlocks(sequence: Sequence): boolean {
    const { blockSize } = this.#options;
    const { pool } = this;
    const needed = Math.ceil(sequence.length / blockSize);
    // The last token is always computed: its output is what is wanted.
    const findable = Math.min(sequence.fullBlocks, Math.floor((sequence.length - 1) / blockSize));
    let found = 0;
    let foundFree = 0;
    for (; found < findable; found += 1) {
      const block = pool.find(sequence.hashOf(found));
      if (block < 0) break;
      if (pool.isFree(block)) foundFree += 1;
    }
    if (needed - found > pool.free - foundFree) return false;
    for (let i = 0; i < found; i += 1) {
      const block = pool.find(sequence.hashOf(i));
      pool.share(block);
      sequence.blocks.push(block);
    }
    while (sequence.blocks.length < needed) sequence.blocks.push(pool.allocate());
    sequence.computed = found * blockSize;
    if (sequence.cachedTokens < 0) {
      sequence.cachedTokens = sequence.computed;
      this.stats.prefixCacheQueries += sequence.length;
      this.stats.prefixCacheHits += sequence.computed;
    }
    return true;
  }

  /** Makes the blocks findable that are full once `computed` tokens are in. */
  #register(sequence: Sequence, computed: number): void {
    const { blockSize } = this.#options;
    const full = Math.floor(computed / blockSize);
    for (let i = Math.floor(sequence.computed / blockSize); i < full; i += 1) {
      this.pool.register(sequence.blocks[i] ?? 0, sequence.hashOf(i));
    }
  }

  /** Ends the step at `nowMs`: every sequence whose tokens are all computed gets its next one. */
  #deliver(nowMs: number): void {
    this.#isDelivering = true;
    const batch = this.#running;
    let kept = 0;
    for (let i = 0; i < batch.length; i += 1) {
      const sequence = batch[i];
      if (sequence === undefined) continue;
      if (sequence.state === 'running') {
        sequence.computed += sequence.scheduled;
        if (sequence.computed === sequence.length) this.#emit(sequence, nowMs);
      }
      if (this.#isRunning(sequence)) {
        batch[kept] = sequence;
        kept += 1;
      }
    }
    batch.length = kept;
    this.#isDelivering = false;
  }

  /** Reads the state anew: a sink may have aborted the sequence. */
  #isRunning(sequence: Sequence): boolean {
    return sequence.state === 'running';
  }

  #emit(sequence: Sequence, nowMs: number): void {
    const { stats } = this;
    const { request } = sequence;
    const text = sequence.grow(this.#options.blockSize);
    const isLast = sequence.generated === request.outputTokens;
    stats.generationTokens += 1;
    if (sequence.generated === 1) {
      sequence.firstTokenMs = nowMs;
      stats.promptTokens += request.prompt.length;
      stats.timeToFirstToken.observe((nowMs - sequence.arrivedMs) / 1000);
    } else stats.interTokenLatency.observe((nowMs - sequence.lastTokenMs) / 1000);
    sequence.lastTokenMs = nowMs;
    if (isLast) this.#finish(sequence, nowMs);
    request.sink.onToken(sequence, text, isLast);
  }

  #finish(sequence: Sequence, nowMs: number): void {
    const { stats } = this;
    sequence.state = 'finished';
    this.#releaseBlocks(sequence);
    if (sequence.request.finishReason === 'stop') stats.finishedStop += 1;
    else stats.finishedLength += 1;
    stats.endToEnd.observe((nowMs - sequence.arrivedMs) / 1000);
    stats.requestPromptTokens.observe(sequence.request.prompt.length);
    stats.requestGenerationTokens.observe(sequence.generated);
  }

  /** Last block first, so that the head of a prefix, which more prompts share, is evicted last. */
  #releaseBlocks(sequence: Sequence): void {
    for (let block = sequence.blocks.pop(); block !== undefined; block = sequence.blocks.pop()) {
      this.pool.release(block);
    }
  }
}

function adaptersOf(sequences: readonly Sequence[]): Set<string> {
  const names = new Set<string>();
  for (const { request } of sequences) if (request.adapter !== '') names.add(request.adapter);
  return names;
}
