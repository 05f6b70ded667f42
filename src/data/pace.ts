/** Without a request for this long the pool is idle. */
const IDLE_AFTER_MS = 5_000;

/** Time between two scrapes of one endpoint of an idle pool. */
const IDLE_INTERVAL_MS = 1_000;

/** A tick this late means that the event loop has more to do than it can. */
const LATE_MS = 30;

const MAX_STRETCH = 20;

/**
 * How often to scrape: at the base interval while requests flow, once a second while none do, and less often while
 * the event loop is late, so that scraping never takes the time that requests need.
 */
export class Pace {
  /** Set to true for each request; nothing else is to be done there. */
  hasRequest = false;
  readonly #baseMs: number;
  readonly #tickMs: number;
  #lastRequestMs: number;
  #lastTickMs: number;
  #isIdle = false;
  /** Factor on all intervals, 1..20: half as much again after each late tick, down by 2 % after each other. */
  #stretch = 1;

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
    this.#stretch =
      lateMs > LATE_MS ? Math.min(MAX_STRETCH, this.#stretch * 1.5) : Math.max(1, this.#stretch * 0.98);
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

  /** Milliseconds between two polls of a source with this period; 0 stands for the base interval. */
  intervalMs(periodMs: number): number {
    const busyMs = periodMs > 0 ? periodMs : this.#baseMs;
    return (this.#isIdle ? Math.max(busyMs, IDLE_INTERVAL_MS) : busyMs) * this.#stretch;
  }
}
