import type { CancelTimer, Clock } from '../../src/util/clock.ts';

interface Timer {
  dueMs: number;
  readonly intervalMs: number;
  readonly callback: () => void;
}

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  #nowMs = 1_000_000;
  readonly #timers = new Set<Timer>();

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  after(delayMs: number, callback: () => void): CancelTimer {
    return this.#add({ dueMs: this.#nowMs + delayMs, intervalMs: 0, callback });
  }

  every(intervalMs: number, callback: () => void): CancelTimer {
    return this.#add({ dueMs: this.#nowMs + intervalMs, intervalMs, callback });
  }

  /** Timers that are set and have not fired. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Moves time forward and runs what falls due, in order of time. */
  advance(ms: number): void {
    const end = this.#nowMs + ms;
    for (let timer = this.#next(end); timer !== undefined; timer = this.#next(end)) {
      this.#nowMs = Math.max(this.#nowMs, timer.dueMs);
      if (timer.intervalMs > 0) timer.dueMs += timer.intervalMs;
      else this.#timers.delete(timer);
      timer.callback();
    }
    this.#nowMs = end;
  }

  /** `advance` in steps, letting promise callbacks run after each. */
  async advanceAsync(ms: number, stepMs = ms): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.advance(Math.min(stepMs, left));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #add(timer: Timer): CancelTimer {
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  #next(endMs: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs <= endMs && (first === undefined || timer.dueMs < first.dueMs)) first = timer;
    }
    return first;
  }
}
