import type { Log } from '../framework/log.ts';
import type { Clock } from '../util/clock.ts';

/** Keys remembered at once; past it the longest unseen is forgotten and may warn early. */
const MAX_KEYS = 1000;

interface Window {
  readonly startMs: number;
  suppressed: number;
}

/** Warns once per key and window, so that a condition that lasts does not flood the log. */
export class WarnLimiter {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #windows = new Map<string, Window>();

  /** `windowMs`: least time between two warnings of one key. */
  constructor(log: Log, clock: Clock, windowMs: number) {
    this.#log = log;
    this.#clock = clock;
    this.#windowMs = windowMs;
  }

  /** Logs, unless it did for this key within the window; `suppressed` says how often it did not. */
  warn(key: string, fields: object, message: string): void {
    const nowMs = this.#clock.nowMs();
    const window = this.#windows.get(key);
    if (window !== undefined && nowMs - window.startMs < this.#windowMs) {
      window.suppressed += 1;
      return;
    }
    const suppressed = window?.suppressed ?? 0;
    this.#log.warn(suppressed === 0 ? fields : { ...fields, suppressed }, message);
    this.#windows.delete(key);
    this.#windows.set(key, { startMs: nowMs, suppressed: 0 });
    if (this.#windows.size <= MAX_KEYS) return;
    for (const oldest of this.#windows.keys()) {
      this.#windows.delete(oldest);
      break;
    }
  }
}
