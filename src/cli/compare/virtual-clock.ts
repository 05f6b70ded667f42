import type { CancelTimer, Clock } from '../../util/clock.ts';

/** What falls due at a time. */
interface Timer {
  dueMs: number;
  /** Order of setting: of two that fall due together, the earlier one goes first. */
  order: number;
  /** 0: once. */
  readonly intervalMs: number;
  readonly callback: () => void;
  isCancelled: boolean;
}

/** Any day; people see it on simulated pages only. */
const EPOCH_MS = 1_767_225_600_000;

/**
 * A clock on which time passes only by going to the next thing that falls due, so that a minute takes as long as what
 * happens in it. Timers wait in a binary heap, earliest first.
 */
export class VirtualClock implements Clock {
  #nowMs = 0;
  #orders = 0;
  readonly #heap: Timer[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return EPOCH_MS + this.#nowMs;
  }

  after(delayMs: number, callback: () => void): CancelTimer {
    return this.#set(delayMs, 0, callback);
  }

  every(intervalMs: number, callback: () => void): CancelTimer {
    return this.#set(intervalMs, intervalMs, callback);
  }

  /** Goes to the earliest timer and runs it; false when none is set. */
  step(): boolean {
    let timer = this.#pop();
    while (timer?.isCancelled === true) timer = this.#pop();
    if (timer === undefined) return false;
    this.#nowMs = timer.dueMs;
    if (timer.intervalMs > 0) {
      timer.dueMs += timer.intervalMs;
      this.#push(timer);
    }
    timer.callback();
    return true;
  }

  #set(delayMs: number, intervalMs: number, callback: () => void): CancelTimer {
    const dueMs = this.#nowMs + Math.max(0, delayMs);
    const timer: Timer = { dueMs, order: 0, intervalMs, callback, isCancelled: false };
    this.#push(timer);
    return () => {
      timer.isCancelled = true;
    };
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    this.#orders += 1;
    timer.order = this.#orders;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || !isBefore(timer, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = timer;
  }

  #pop(): Timer | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (last === undefined || last === first) return last;
    let at = 0;
    for (let down = 1; down < heap.length; down = 2 * at + 1) {
      let child = heap[down];
      const right = heap[down + 1];
      if (child !== undefined && right !== undefined && isBefore(right, child)) {
        child = right;
        down += 1;
      }
      if (child === undefined || !isBefore(child, last)) break;
      heap[at] = child;
      at = down;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}
