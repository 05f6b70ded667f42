/** Without a request for this long the pool is idle. */
const IDLE_AFTER_MS = 5_000;

/** Time between two scrapes of one endpoint of an idle pool. */
const IDLE_INTERVAL_MS = 1_000;

/** A tick this late means that the event loop has more to do than it can. */
const LATE_MS = 30;

/** Most that lateness makes of an interval; half the age from which values count as stale by default. */
const LONGEST_LATE_INTERVAL_MS = 1_000;

/**
 * Share of one core that polls may take, by the estimate of `pollCostMs`. 100 pages of 63 kB every 50 ms, which a
 * vLLM server under load has, stay just below it; 1,000 endpoints get theirs about every 430 ms.
 */
export const CPU_SHARE = 0.3;

/** A poll whatever its page, and each byte of it: measured as 0.09, 0.12 and 0.24 ms for 1, 49 and 148 kB. */
const POLL_COST_MS = 0.08;
const BYTE_COST_MS = 1e-6;

/** Estimated CPU time of one poll whose page has `bytes` bytes, in milliseconds. */
export function pollCostMs(bytes: number): number {
  return POLL_COST_MS + bytes * BYTE_COST_MS;
}

/**
 * How often to poll: at the base interval while requests flow, once a second while none do. All intervals grow where
 * so many endpoints would take more than a set share of the core, and while the event loop is late, so that scraping
 * never takes the time that requests need.
 */
export class Pace {
  /** Set to true for each request; nothing else is to be done there. */
  hasRequest = false;
  readonly #baseMs: number;
  readonly #tickMs: number;
  #lastRequestMs: number;
  #lastTickMs: number;
  #isIdle = false;
  /** Factor on all intervals that keeps polls within their share of the core; 1 or more. */
  #crowding = 1;
  /** Factor on all intervals: half as much again after each late tick, down by 2 % after each other; 1 or more. */
  #lateness = 1;

  /** `baseMs`: interval while requests flow. `tickMs`: time between two calls of `tick`. */
  constructor(baseMs: number, tickMs: number, nowMs: number) {
    this.#baseMs = baseMs;
    this.#tickMs = tickMs;
    this.#lastRequestMs = nowMs;
    this.#lastTickMs = nowMs;
  }

  /** Takes notice of what happened since the last tick; true when the first request after idleness was among it. */
  tick(nowMs: number): boolean {
    const lateMs = nowMs - this.#lastTickMs - this.#tickMs;
    this.#lastTickMs = nowMs;
    const most = LONGEST_LATE_INTERVAL_MS / this.#baseMs;
    this.#lateness = Math.max(
      1,
      lateMs > LATE_MS ? Math.min(most, this.#lateness * 1.5) : this.#lateness * 0.98,
    );
    if (this.hasRequest) {
      const wasIdle = this.#isIdle;
      this.hasRequest = false;
      this.#lastRequestMs = nowMs;
      this.#isIdle = false;
      return wasIdle;
    }
    if (nowMs - this.#lastRequestMs > IDLE_AFTER_MS) this.#isIdle = true;
    return false;
  }

  /** No request came for some seconds. */
  get isIdle(): boolean {
    return this.#isIdle;
  }

  /** Factor by which intervals are longer than planned because polls would take too much of the core; 1 or more. */
  get crowding(): number {
    return this.#crowding;
  }

  /** `share` of one core: what all polls take together, by estimate, each repeated after its `plannedMs`. */
  weigh(share: number): void {
    this.#crowding = Math.max(1, share / CPU_SHARE);
  }

  /** Milliseconds between two polls of a source with this period, were time no matter; 0 stands for the base interval. */
  plannedMs(periodMs: number): number {
    const busyMs = periodMs > 0 ? periodMs : this.#baseMs;
    return this.#isIdle ? Math.max(busyMs, IDLE_INTERVAL_MS) : busyMs;
  }

  /** Milliseconds between two polls of a source with this period as of now; 0 stands for the base interval. */
  intervalMs(periodMs: number): number {
    const ownMs = this.plannedMs(periodMs) * this.#crowding;
    return Math.max(ownMs, Math.min(ownMs * this.#lateness, LONGEST_LATE_INTERVAL_MS));
  }
}
