import type { CounterCell } from '../../../framework/instruments.ts';
import type { CancelTimer, Clock } from '../../../util/clock.ts';
import { type JsonClient, member } from './json-client.ts';
import type { PredictionServer, PredictionServers } from './prediction-servers.ts';

/** Most rows that the servers take in one call. */
const MAX_ROWS = 10_000;
/** What a model that has learnt nothing predicts for everything. */
const UNTRAINED_MS = 10;
const UNTRAINED_TOLERANCE_MS = 1e-3;

/** What is predicted for each row of one caller, in milliseconds; NaN where there is no prediction. */
export interface Estimates {
  readonly ttftMs: Float64Array;
  readonly tpotMs: Float64Array;
}

/** How calls are made up. */
export interface PredictionLimits {
  readonly maxBulkSize: number;
  readonly coalesceWindowMs: number;
  readonly maxCoalescedRows: number;
  readonly maxConcurrentDispatches: number;
  readonly httpTimeoutMs: number;
  /** An answer that nobody waited for counts as a failure of the server after this time. */
  readonly slowMs: number;
}

/** What became of calls. */
export interface CallCounters {
  readonly ok: CounterCell;
  readonly failed: CounterCell;
  /** Everybody had left before the answer came. */
  readonly abandoned: CounterCell;
}

/** Rows of one caller, or of a part of them, in one call. */
interface Entry {
  readonly rows: readonly string[];
  /** Of the first row among the caller's. */
  readonly offset: number;
  readonly into: Estimates;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
  hasLeft: boolean;
}

/** What goes out in one call. */
interface Batch {
  readonly entries: Entry[];
  readonly controller: AbortController;
  rows: number;
  waiting: number;
}

/**
 * Asks for predictions. What callers ask within a short window goes out in one call. A caller with more rows than one
 * call may have is spread over several; that fails when one of them does. A call whose callers have all left is given
 * up, so that a server that hangs does not hold the places of others.
 */
export class PredictionClient {
  readonly #http: JsonClient;
  readonly #servers: PredictionServers;
  readonly #limits: PredictionLimits;
  readonly #counters: CallCounters;
  readonly #clock: Clock;
  #open: Batch | undefined = undefined;
  #cancelWindow: CancelTimer = () => {};
  readonly #queue: Batch[] = [];
  #running = 0;

  constructor(
    limits: PredictionLimits,
    parts: {
      readonly http: JsonClient;
      readonly servers: PredictionServers;
      readonly counters: CallCounters;
      readonly clock: Clock;
    },
  ) {
    this.#limits = limits;
    this.#http = parts.http;
    this.#servers = parts.servers;
    this.#counters = parts.counters;
    this.#clock = parts.clock;
  }

  /**
   * Predictions for `rows`, each the JSON text of one endpoint's features, in their order. Rejects when a call fails,
   * when no server may be asked, and when `signal` aborts.
   */
  async predict(rows: readonly string[], signal: AbortSignal): Promise<Estimates> {
    signal.throwIfAborted();
    const into = nothingFor(rows.length);
    const { maxBulkSize } = this.#limits;
    const parts: Promise<void>[] = [];
    let offset = 0;
    while (rows.length - offset > maxBulkSize) {
      parts.push(
        this.#ask(rows.slice(offset, offset + maxBulkSize), { offset, into, isAlone: true, signal }),
      );
      offset += maxBulkSize;
    }
    parts.push(this.#ask(offset === 0 ? rows : rows.slice(offset), { offset, into, isAlone: false, signal }));
    await Promise.all(parts);
    return isUntrained(into) ? nothingFor(rows.length) : into;
  }

  /** Calls under way, and calls that wait for a place. */
  get load(): { readonly running: number; readonly queued: number } {
    return { running: this.#running, queued: this.#queue.length };
  }

  #ask(
    rows: readonly string[],
    part: {
      readonly offset: number;
      readonly into: Estimates;
      readonly isAlone: boolean;
      readonly signal: AbortSignal;
    },
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const { signal } = part;
      let batch: Batch | undefined;
      const leave = () => {
        if (entry.hasLeft) return;
        entry.hasLeft = true;
        reject(signal.reason);
        if (batch === undefined) return;
        batch.waiting -= 1;
        if (batch.waiting === 0) batch.controller.abort(signal.reason);
      };
      const settle = (act: () => void) => {
        signal.removeEventListener('abort', leave);
        act();
      };
      const entry: Entry = {
        rows,
        offset: part.offset,
        into: part.into,
        resolve: () => settle(resolve),
        reject: (reason) => settle(() => reject(reason)),
        hasLeft: false,
      };
      signal.addEventListener('abort', leave);
      batch = part.isAlone ? newBatch() : this.#openBatch(rows.length);
      batch.entries.push(entry);
      batch.rows += rows.length;
      batch.waiting += 1;
      if (part.isAlone || this.#limits.coalesceWindowMs === 0) this.#dispatch(batch);
      else if (batch.rows >= Math.min(this.#limits.maxCoalescedRows, MAX_ROWS)) this.#closeWindow();
    });
  }

  /** The batch that collects now, with room for `rows` more. */
  #openBatch(rows: number): Batch {
    const { coalesceWindowMs } = this.#limits;
    if (coalesceWindowMs === 0) return newBatch();
    if (this.#open !== undefined && this.#open.rows + rows > MAX_ROWS) this.#closeWindow();
    if (this.#open === undefined) {
      this.#open = newBatch();
      this.#cancelWindow = this.#clock.after(coalesceWindowMs, () => this.#closeWindow());
    }
    return this.#open;
  }

  #closeWindow(): void {
    const batch = this.#open;
    this.#open = undefined;
    this.#cancelWindow();
    if (batch !== undefined) this.#dispatch(batch);
  }

  #dispatch(batch: Batch): void {
    if (batch.waiting === 0) return;
    if (this.#running >= this.#limits.maxConcurrentDispatches) {
      this.#queue.push(batch);
      return;
    }
    this.#running += 1;
    void this.#send(batch).finally(() => {
      this.#running -= 1;
      const next = this.#nextWaiting();
      if (next !== undefined) this.#dispatch(next);
    });
  }

  #nextWaiting(): Batch | undefined {
    for (let batch = this.#queue.shift(); batch !== undefined; batch = this.#queue.shift()) {
      if (batch.waiting > 0) return batch;
    }
    return undefined;
  }

  /** Never rejects: what goes wrong goes to the callers. */
  async #send(batch: Batch): Promise<void> {
    const entries = batch.entries.filter((entry) => !entry.hasLeft);
    const server = this.#servers.pick();
    if (server === undefined) {
      for (const entry of entries) entry.reject(new Error('no latency predictor may be asked'));
      return;
    }
    const startMs = this.#clock.nowMs();
    const url = `${server.url}/predict/bulk/strict`;
    try {
      const answer = await this.#http.call({
        method: 'POST',
        url,
        body: `{"requests":[${entries.map((entry) => entry.rows.join(',')).join(',')}]}`,
        wantStatus: 200,
        timeoutMs: this.#limits.httpTimeoutMs,
        signal: batch.controller.signal,
      });
      deliver(answer, entries, url);
      this.#servers.succeeded(server);
      this.#counters.ok.value += 1;
    } catch (error) {
      this.#failed(server, { error, isAbandoned: batch.controller.signal.aborted, startMs });
      for (const entry of entries) entry.reject(error);
    }
  }

  /** Clients that leave say nothing about the server, unless it has let them wait. */
  #failed(
    server: PredictionServer,
    {
      error,
      isAbandoned,
      startMs,
    }: { readonly error: unknown; readonly isAbandoned: boolean; readonly startMs: number },
  ): void {
    if (isAbandoned) this.#counters.abandoned.value += 1;
    else this.#counters.failed.value += 1;
    if (!isAbandoned || this.#clock.nowMs() - startMs >= this.#limits.slowMs)
      this.#servers.failed(server, error);
  }
}

function newBatch(): Batch {
  return { entries: [], controller: new AbortController(), rows: 0, waiting: 0 };
}

function nothingFor(rows: number): Estimates {
  return {
    ttftMs: new Float64Array(rows).fill(Number.NaN),
    tpotMs: new Float64Array(rows).fill(Number.NaN),
  };
}

/** Gives every caller its part. Throws when the answer has another number of predictions than was asked for. */
function deliver(answer: unknown, entries: readonly Entry[], url: string): void {
  const predictions = member(answer, 'predictions');
  const rows = entries.reduce((sum, entry) => sum + entry.rows.length, 0);
  if (!Array.isArray(predictions) || predictions.length !== rows) {
    const got = Array.isArray(predictions) ? predictions.length : 'no';
    throw new Error(`${url}: got ${got} predictions, want ${rows}`);
  }
  let at = 0;
  for (const { rows: own, offset, into } of entries) {
    for (let i = 0; i < own.length; i += 1) {
      const ttftMs = latencyOf(predictions[at], 'ttft_ms');
      const tpotMs = latencyOf(predictions[at], 'tpot_ms');
      if (ttftMs >= 0 && tpotMs >= 0) {
        into.ttftMs[offset + i] = ttftMs;
        into.tpotMs[offset + i] = tpotMs;
      }
      at += 1;
    }
  }
  for (const entry of entries) entry.resolve();
}

/** NaN when it is no number of milliseconds. */
function latencyOf(prediction: unknown, name: string): number {
  const value = member(prediction, name);
  return typeof value === 'number' && value >= 0 && Number.isFinite(value) ? value : Number.NaN;
}

/** Whether these are the constants of a model that has not seen any data, which look like confident predictions. */
function isUntrained({ ttftMs, tpotMs }: Estimates): boolean {
  const isConstant = (ms: number) => Math.abs(ms - UNTRAINED_MS) < UNTRAINED_TOLERANCE_MS;
  return ttftMs.every(isConstant) && tpotMs.every(isConstant);
}
