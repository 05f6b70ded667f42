import type { CancelTimer, Clock } from '../util/clock.ts';
import { SeededRng } from '../util/rng.ts';
import type { BlockPool } from './block-pool.ts';
import { EngineStats } from './engine-stats.ts';
import type { SimOptions } from './options.ts';
import type { Prompt } from './prompt.ts';
import { Sequence, type SequenceRequest } from './sequence.ts';
import { SequenceBlocks } from './sequence-blocks.ts';

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
 *               + encodeMs · assets
 * milliseconds, varied by `jitter` and multiplied by `timeScale`. One timer drives the whole engine.
 *
 * A sequence whose keys and values come from another server is admitted when they are here; the engine computes what is
 * then still missing.
 */
export class Engine {
  readonly stats: EngineStats;
  /** Longest prompt and answer: `maxModelLen`, or what all blocks together can hold. */
  readonly maxModelLen: number;
  readonly #options: SimOptions;
  readonly #context: EngineContext;
  readonly #rng: SeededRng;
  readonly #blocks: SequenceBlocks;
  readonly #waiting: Sequence[] = [];
  /** Sequences whose keys and values are on their way, with what cancels the end of the transfer. */
  readonly #arriving = new Map<Sequence, CancelTimer>();
  #running: Sequence[] = [];
  #deferred = 0;
  #stepEndsMs = 0;
  /** Time that the step takes for images and sounds. */
  #encodeMs = 0;
  #cancelTimer: CancelTimer | undefined;
  /** Inside `#turn`, which looks for work itself before it ends. */
  #isInTurn = false;
  /** Walking over `#running`, which must not change length. */
  #isDelivering = false;

  constructor(options: SimOptions, context: EngineContext) {
    this.#options = options;
    this.#context = context;
    this.#rng = new SeededRng(context.seed);
    this.maxModelLen = Math.min(options.maxModelLen, options.numGpuBlocks * options.blockSize);
    this.stats = new EngineStats(this.maxModelLen);
    this.#blocks = new SequenceBlocks(options, this.stats);
  }

  get pool(): BlockPool {
    return this.#blocks.pool;
  }

  get running(): number {
    return this.#running.length;
  }

  get waiting(): number {
    return this.#waiting.length + this.#arriving.size;
  }

  /** Waiting sequences that the last step passed over because of their adapter, or that wait for a transfer. */
  get deferred(): number {
    return Math.min(this.#deferred, this.#waiting.length) + this.#arriving.size;
  }

  /** Adapters of running and of waiting sequences, each in order of first use. */
  adapters(): { running: string[]; waiting: string[] } {
    return { running: [...adaptersOf(this.#running)], waiting: [...adaptersOf(this.#waiting)] };
  }

  /**
   * Queues a sequence. `prompt.length + outputTokens` must not exceed `maxModelLen`. One with a `remote` waits for the
   * transfer first, which begins at once unless it is pending; then `arrive` begins it.
   */
  submit(request: SequenceRequest): Sequence {
    const sequence = new Sequence(request, this.#context.clock.nowMs());
    if (request.remote === undefined) this.#enqueue(sequence);
    else {
      sequence.state = 'arriving';
      this.#arriving.set(sequence, () => undefined);
      if (!request.remote.isPending) this.arrive(sequence);
    }
    return sequence;
  }

  /** The other server has the keys and values of an arriving sequence: the transfer of those not cached here begins. */
  arrive(sequence: Sequence): void {
    if (sequence.state !== 'arriving') return;
    const { blockSize, kvTransferTokensPerSecond, timeScale } = this.#options;
    const wanted = Math.min(sequence.request.remote?.tokens ?? 0, sequence.length);
    const tokens = Math.max(0, wanted - this.#blocks.cachedBlocks(sequence) * blockSize);
    const cancel = this.#context.clock.after((tokens * 1000 * timeScale) / kvTransferTokensPerSecond, () => {
      this.#arriving.delete(sequence);
      sequence.state = 'waiting';
      this.#enqueue(sequence);
    });
    this.#arriving.set(sequence, cancel);
  }

  /** Leading tokens of a prompt that are cached here, in full blocks. */
  cachedTokens({ hashes }: Prompt): number {
    let found = 0;
    while (found < hashes.length && this.pool.find(hashes[found] ?? Number.NaN) >= 0) found += 1;
    return found * this.#options.blockSize;
  }

  /** Drops a sequence, wherever it is; nothing happens when it is already over. */
  abort(sequence: Sequence): void {
    if (sequence.state === 'finished') return;
    const { state } = sequence;
    sequence.state = 'finished';
    this.#blocks.release(sequence);
    this.stats.finishedAbort += 1;
    if (state === 'arriving') {
      this.#arriving.get(sequence)?.();
      this.#arriving.delete(sequence);
    } else if (state === 'waiting') this.#waiting.splice(this.#waiting.indexOf(sequence), 1);
    else if (!this.#isDelivering) this.#running.splice(this.#running.indexOf(sequence), 1);
  }

  /** Stops the timers; sequences stay as they are. */
  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    for (const cancel of this.#arriving.values()) cancel();
  }

  #enqueue(sequence: Sequence): void {
    this.#waiting.push(sequence);
    if (this.#cancelTimer === undefined && !this.#isInTurn) this.#begin(this.#context.clock.nowMs());
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
      this.#blocks.register(sequence, sequence.computed + tokens);
    }
    this.#encodeMs = 0;
    left = this.#admit(left, startMs);
    if (left === budget) return false;
    const { decodeStepMs, decodeMsPerSequence, prefillTokensPerSecond, jitter, timeScale } = this.#options;
    const prefillMs = ((budget - left - decoding) * 1000) / prefillTokensPerSecond;
    const stepMs = decodeStepMs + decodeMsPerSequence * decoding + prefillMs + this.#encodeMs;
    this.#stepEndsMs = startMs + stepMs * (1 + jitter * (2 * this.#rng.next() - 1)) * timeScale;
    return true;
  }

  /** Blocks for all tokens of a running sequence. Preempts from the end of the batch; false when it hit `sequence`. */
  #reserve(sequence: Sequence): boolean {
    while (!this.#blocks.grow(sequence)) {
      const victim = this.#running.pop();
      if (victim === undefined) return false;
      this.#blocks.release(victim);
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
      if (!this.#blocks.claim(sequence)) break;
      if (adapter !== '') adapters.add(adapter);
      this.#waiting.splice(i, 1);
      this.#running.push(sequence);
      sequence.state = 'running';
      if (sequence.generated === 0) {
        this.stats.queueTime.observe((nowMs - sequence.arrivedMs) / 1000);
        this.#encodeMs += sequence.request.encodeMs;
      }
      sequence.scheduled = Math.min(sequence.length - sequence.computed, left);
      left -= sequence.scheduled;
      this.#blocks.register(sequence, sequence.computed + sequence.scheduled);
    }
    return left;
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
      stats.remotePromptTokens += sequence.remoteTokens;
      stats.cachedPromptTokens += sequence.cachedTokens - sequence.remoteTokens;
      stats.timeToFirstToken.observe((nowMs - sequence.arrivedMs) / 1000);
    } else stats.interTokenLatency.observe((nowMs - sequence.lastTokenMs) / 1000);
    sequence.lastTokenMs = nowMs;
    if (isLast) this.#finish(sequence, nowMs);
    request.sink.onToken(sequence, text, isLast);
  }

  #finish(sequence: Sequence, nowMs: number): void {
    const { stats } = this;
    sequence.state = 'finished';
    if (sequence.request.isForRemoteDecode) sequence.sentBlocks = [...sequence.blocks];
    this.#blocks.release(sequence);
    if (sequence.request.finishReason === 'stop') stats.finishedStop += 1;
    else stats.finishedLength += 1;
    stats.endToEnd.observe((nowMs - sequence.arrivedMs) / 1000);
    stats.requestPromptTokens.observe(sequence.request.prompt.length);
    stats.requestGenerationTokens.observe(sequence.generated);
  }
}

function adaptersOf(sequences: readonly Sequence[]): Set<string> {
  const names = new Set<string>();
  for (const { request } of sequences) if (request.adapter !== '') names.add(request.adapter);
  return names;
}
