import type { Instruments } from '../framework/instruments.ts';
import type { Clock } from '../util/clock.ts';

/** Time between two probes: stalls shorter than this may be missed. */
const PROBE_MS = 20;
/** The gauge holds the worst of the running and the previous window, so that no scrape at 15 s misses a stall. */
const WINDOW_MS = 15_000;

/** Measures how late timers fire, which is how long some work held the event loop. */
export class EventLoopLag implements Disposable {
  readonly #clock: Clock;
  readonly #stop: () => void;
  #expectedMs: number;
  #windowEndMs: number;
  #worstMs = 0;
  #previousWorstMs = 0;

  /** Probes until disposed of. */
  constructor(instruments: Instruments, clock: Clock) {
    this.#clock = clock;
    this.#expectedMs = clock.nowMs() + PROBE_MS;
    this.#windowEndMs = clock.nowMs() + WINDOW_MS;
    const cancelTimer = clock.every(PROBE_MS, () => this.#probe());
    const remove = instruments.gauge('event_loop_lag_seconds', {}, () => this.worstMs / 1000);
    this.#stop = () => {
      cancelTimer();
      remove();
    };
  }

  /** Longest delay seen in the last 15 to 30 seconds. */
  get worstMs(): number {
    return Math.max(this.#worstMs, this.#previousWorstMs);
  }

  [Symbol.dispose](): void {
    this.#stop();
  }

  #probe(): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs >= this.#windowEndMs) {
      this.#previousWorstMs = this.#worstMs;
      this.#worstMs = 0;
      this.#windowEndMs = nowMs + WINDOW_MS;
    }
    this.#worstMs = Math.max(this.#worstMs, nowMs - this.#expectedMs);
    this.#expectedMs = nowMs + PROBE_MS;
  }
}
