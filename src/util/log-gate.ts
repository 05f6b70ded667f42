/** What fails on every request is logged twice a minute, not thousands of times a second. */
const INTERVAL_MS = 30_000;

/** Lets one line through every 30 s. */
export class LogGate {
  #opensAtMs = Number.NEGATIVE_INFINITY;

  /** Whether a line may be written now; then the next one may in 30 s. `nowMs`: `Clock.nowMs()`. */
  pass(nowMs: number): boolean {
    if (nowMs < this.#opensAtMs) return false;
    this.#opensAtMs = nowMs + INTERVAL_MS;
    return true;
  }
}
