import { PollError } from '../framework/data-source.ts';
import type { Endpoint } from '../framework/endpoint.ts';
import type { EndpointObserver } from '../framework/hooks.ts';
import type { Log } from '../framework/log.ts';
import type { Clock } from '../util/clock.ts';
import type { Rng } from '../util/rng.ts';
import { Pace, pollCostMs } from './pace.ts';
import { type PollBinding, PollEntry } from './poll-entry.ts';
import { type PollGroup, type PollSeat, TICK_MS } from './poll-group.ts';
import { PollLog } from './poll-log.ts';

/** A poll that takes longer is given up (llm-d-router: pkg/epp/datalayer, one second as well). */
const POLL_TIMEOUT_MS = 1_000;

/** Longest pause after failures; with the jitter of 20 % and ticks a server that is back is noticed within a second. */
const MAX_BACK_OFF_MS = 780;

/** Ticks after which the cost of all polls is reckoned again. */
const WEIGH_TICKS = 10;

/** An idle pool is looked at every fifth tick: five polls at a time cost half as much as five alone. */
const IDLE_TICKS = 5;

/** Least time between two polls that are asked for outside the timetable. */
const MIN_GAP_MS = 25;

/** Told how each poll ended. */
export interface PollListener {
  pollSucceeded(endpoint: Endpoint, sourceIndex: number, startedAtMs: number): void;
  pollFailed(endpoint: Endpoint, sourceIndex: number, isRefused: boolean): void;
}

/** What a poller works with. */
export interface PollerOptions {
  readonly bindings: readonly PollBinding[];
  /** Interval while requests flow. */
  readonly baseIntervalMs: number;
  /** Age from which an endpoint's values count as stale for the log. */
  readonly stalenessMs: number;
  readonly clock: Clock;
  /** What it shares with the pollers of other pools. */
  readonly group: PollGroup;
  readonly rng: Rng;
  readonly log: Log;
  readonly listener: PollListener;
}

/**
 * Polls every source at every endpoint by the timer of its group: one entry per (endpoint, source), each with its own timetable,
 * never two polls of one entry at a time. A scan over all entries each tick takes a microsecond per thousand and
 * needs no ordered structure.
 */
export class Poller implements EndpointObserver {
  readonly #options: PollerOptions;
  readonly #clock: Clock;
  readonly #pace: Pace;
  readonly #log: PollLog;
  readonly #entries: PollEntry[] = [];
  readonly #byEndpoint = new Map<Endpoint, readonly PollEntry[]>();
  #seat: PollSeat | undefined = undefined;
  #isClosed = false;
  #ticks = 0;
  /** Where the scan over the entries goes on, so that those at the end get their turn too. */
  #cursor = 0;
  /** More polls were due than one tick may begin. */
  #isBehind = false;
  /** Called when a first poll has ended. */
  readonly #waiting = new Set<() => void>();

  constructor(options: PollerOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#log = new PollLog(options.log, options.stalenessMs);
    this.#pace = new Pace(options.baseIntervalMs, TICK_MS, options.clock.nowMs());
  }

  /** Begins; endpoints that are there are polled at once. */
  start(): void {
    const nowMs = this.#clock.nowMs();
    if (this.#seat === undefined) {
      this.#seat = this.#options.group.join(() => this.#tick());
      this.#ticks = this.#seat.index;
    }
    for (const entry of this.#entries) this.#pollIfDue(entry, nowMs);
  }

  /** Resolves when each entry that is there has been polled once, well or not, and at the latest after `waitMs`. */
  firstRound(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const finish = () => {
        cancel();
        this.#waiting.delete(check);
        resolve();
      };
      const check = () => {
        if (!this.#entries.some((entry) => entry.isFirst)) finish();
      };
      const cancel = this.#clock.after(waitMs, finish);
      this.#waiting.add(check);
      check();
    });
  }

  /** Ends all polls and closes what the sources keep open; endpoints that join later are not polled. */
  close(): void {
    this.#isClosed = true;
    this.#seat?.leave();
    this.#seat = undefined;
    for (const endpoint of [...this.#byEndpoint.keys()]) this.endpointRemoved(endpoint);
  }

  /** A request came; the first one after idleness makes all endpoints be polled within one interval. */
  noteActivity(): void {
    this.#pace.hasRequest = true;
  }

  /** Milliseconds between two polls of an endpoint by a source without interval of its own, as of now. */
  get intervalMs(): number {
    return this.#pace.intervalMs(0);
  }

  endpointAdded(endpoint: Endpoint): void {
    if (this.#isClosed) return;
    const nowMs = this.#clock.nowMs();
    const entries = this.#options.bindings.map((binding) => new PollEntry(endpoint, binding, nowMs, this));
    this.#byEndpoint.set(endpoint, entries);
    this.#entries.push(...entries);
    if (this.#seat === undefined) return;
    for (const entry of entries) this.#pollIfDue(entry, nowMs);
  }

  /** Nothing is written to the endpoint after this. */
  endpointRemoved(endpoint: Endpoint): void {
    const entries = this.#byEndpoint.get(endpoint) ?? [];
    this.#byEndpoint.delete(endpoint);
    for (const entry of entries) {
      entry.isRemoved = true;
      const last = this.#entries.pop();
      const at = last === undefined || last === entry ? -1 : this.#entries.indexOf(entry);
      if (at >= 0 && last !== undefined) this.#entries[at] = last;
      if (entry.isPolling) entry.aborter.abort(new Error('the endpoint left the pool'));
      entry.binding.source.plugin.release(endpoint);
    }
    for (const check of this.#waiting) check();
  }

  /** Whether the primary source polls this endpoint. */
  scrapes(endpoint: Endpoint): boolean {
    return (this.#byEndpoint.get(endpoint)?.length ?? 0) > 0;
  }

  /** Polls the endpoint with the primary source as soon as may be, back-off or not. */
  scrapeSoon(endpoint: Endpoint): void {
    const entry = this.#byEndpoint.get(endpoint)?.[0];
    if (entry === undefined) return;
    if (entry.isPolling) {
      entry.isWantedSoon = true;
      return;
    }
    const nowMs = this.#clock.nowMs();
    entry.dueMs = Math.min(entry.dueMs, Math.max(nowMs, entry.startedMs + MIN_GAP_MS));
    if (entry.dueMs > nowMs || this.#seat === undefined) return;
    this.#options.group.takes();
    this.#poll(entry, nowMs);
  }

  /** For `PollEntry` only. */
  pageArrived(entry: PollEntry, page: Uint8Array): void {
    entry.deadlineMs = Number.POSITIVE_INFINITY;
    if (entry.isRemoved) return;
    const { binding, endpoint } = entry;
    const nowMs = this.#clock.nowMs();
    entry.costMs = pollCostMs(page.length);
    this.#options.listener.pollSucceeded(endpoint, binding.index, entry.startedMs);
    const problem = entry.extract(page, nowMs);
    if (problem === undefined) this.#succeeded(entry, nowMs);
    else this.#failed(entry, nowMs, problem);
  }

  /** For `PollEntry` only. */
  pollFailed(entry: PollEntry, error: unknown): void {
    entry.deadlineMs = Number.POSITIVE_INFINITY;
    if (entry.isRemoved) return;
    if (entry.aborter.signal.aborted) entry.aborter = new AbortController();
    entry.binding.pollErrors.value += 1;
    const isRefused = error instanceof PollError && error.isRefused;
    this.#options.listener.pollFailed(entry.endpoint, entry.binding.index, isRefused);
    this.#failed(entry, this.#clock.nowMs(), error instanceof Error ? error.message : String(error));
  }

  #tick(): void {
    const nowMs = this.#clock.nowMs();
    this.#ticks += 1;
    const isWoken = this.#pace.tick(nowMs);
    if (isWoken || this.#ticks % WEIGH_TICKS === 0) this.#weigh();
    if (isWoken) this.#spread(nowMs);
    if (this.#pace.isIdle && !this.#isBehind && this.#ticks % IDLE_TICKS !== 0) return;
    this.#isBehind = false;
    const entries = this.#entries;
    const start = this.#cursor < entries.length ? this.#cursor : 0;
    for (let i = 0; i < entries.length; i += 1) {
      const at = start + i < entries.length ? start + i : start + i - entries.length;
      const entry = entries[at];
      if (entry === undefined) return; // a poll that ended at once took an endpoint with it
      if (entry.dueMs <= nowMs) {
        if (this.#options.group.takes()) this.#poll(entry, nowMs);
        else if (!this.#isBehind) {
          this.#isBehind = true;
          this.#cursor = at;
        }
      } else if (entry.deadlineMs <= nowMs) this.#giveUp(entry);
    }
  }

  /** Reckons what all polls cost, those of the other pollers too; those that fail are rare and cost little. */
  #weigh(): void {
    const pace = this.#pace;
    let share = 0;
    for (const { failures, costMs, binding } of this.#entries) {
      if (failures === 0) share += costMs / pace.plannedMs(binding.periodMs);
    }
    const seat = this.#seat;
    seat?.weigh(share, pace.isIdle);
    pace.weigh(seat?.load ?? share);
    const { intervalMs } = this;
    this.#log.weighed({ crowding: pace.crowding, endpoints: this.#byEndpoint.size, intervalMs });
  }

  /** The pool was idle and is no more: everything that works is polled within one interval, not all at once. */
  #spread(nowMs: number): void {
    for (const entry of this.#entries) {
      if (entry.isPolling || entry.failures > 0) continue;
      entry.dueMs = Math.min(
        entry.dueMs,
        nowMs + this.#options.rng.next() * this.#pace.intervalMs(entry.binding.periodMs),
      );
    }
  }

  /** Polls an entry that is due, unless this tick has begun enough; then a later one does. */
  #pollIfDue(entry: PollEntry, nowMs: number): void {
    if (entry.dueMs > nowMs) return;
    if (this.#options.group.takes()) this.#poll(entry, nowMs);
    else this.#isBehind = true;
  }

  #poll(entry: PollEntry, nowMs: number): void {
    entry.plannedMs = entry.dueMs;
    entry.dueMs = Number.POSITIVE_INFINITY;
    entry.startedMs = nowMs;
    entry.deadlineMs = nowMs + POLL_TIMEOUT_MS;
    let page: Promise<Uint8Array>;
    try {
      page = entry.binding.source.plugin.poll(entry.endpoint, entry.aborter.signal);
    } catch (error) {
      entry.onError(error);
      return;
    }
    Promise.resolve(page).then(entry.onPage, entry.onError); // a plugin of one's own may return anything
  }

  /** The poll stays under way until its source has taken note. */
  #giveUp(entry: PollEntry): void {
    entry.deadlineMs = Number.POSITIVE_INFINITY;
    entry.aborter.abort(new Error(`no answer within ${POLL_TIMEOUT_MS} ms`));
  }

  #succeeded(entry: PollEntry, nowMs: number): void {
    this.#log.fresh(entry, nowMs);
    entry.failures = 0;
    entry.lastGoodMs = nowMs;
    const intervalMs = this.#pace.intervalMs(entry.binding.periodMs);
    // the first polls of many endpoints come together; later ones are to be spread
    const phaseMs = entry.isFirst ? (0.5 + this.#options.rng.next()) * intervalMs : intervalMs;
    this.#ended(entry);
    this.#plan(entry, nowMs, Math.max(entry.plannedMs + phaseMs, nowMs + intervalMs / 2));
    if (entry.binding.index === 0) entry.endpoint.scrapeIntervalMs = entry.dueMs - nowMs;
  }

  #failed(entry: PollEntry, nowMs: number, reason: string): void {
    this.#log.failed(entry, nowMs, reason);
    const longestMs = Math.max(MAX_BACK_OFF_MS, entry.binding.periodMs);
    const backOffMs = Math.min(longestMs, this.#options.baseIntervalMs * 2 ** Math.min(entry.failures, 20));
    entry.failures += 1;
    this.#ended(entry);
    this.#plan(entry, nowMs, nowMs + backOffMs * (0.8 + 0.4 * this.#options.rng.next()));
  }

  #ended(entry: PollEntry): void {
    if (!entry.isFirst) return;
    entry.isFirst = false;
    for (const check of this.#waiting) check();
  }

  #plan(entry: PollEntry, nowMs: number, dueMs: number): void {
    entry.dueMs = entry.isWantedSoon ? Math.max(nowMs, entry.startedMs + MIN_GAP_MS) : dueMs;
    entry.isWantedSoon = false;
  }
}
