/** Cancels a timer; safe to call more than once and after it fired. */
export type CancelTimer = () => void;

/** Time as the program sees it. Injected everywhere, so that tests can move it. */
export interface Clock {
  /** Monotonic milliseconds with a fraction; only differences mean anything. */
  nowMs(): number;
  /** Milliseconds since the Unix epoch; only for output that people read. */
  wallMs(): number;
  /** Calls `callback` once, `delayMs` from now. The timer does not keep the process alive. */
  after(delayMs: number, callback: () => void): CancelTimer;
  /** Calls `callback` every `intervalMs`. The timer does not keep the process alive. */
  every(intervalMs: number, callback: () => void): CancelTimer;
}

/** Longest delay that Node.js takes, 24.8 days; it makes a longer one 1 ms. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The process's own clock. What repeats does so every 24.8 days at the latest. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, callback) {
    if (delayMs > MAX_TIMER_MS) return afterLong(delayMs, callback);
    const timer = setTimeout(callback, delayMs).unref();
    return () => clearTimeout(timer);
  },
  every(intervalMs, callback) {
    const timer = setInterval(callback, Math.min(intervalMs, MAX_TIMER_MS)).unref();
    return () => clearInterval(timer);
  },
};

/** In steps, each as long as a timer may be. */
function afterLong(delayMs: number, callback: () => void): CancelTimer {
  let cancel = systemClock.after(MAX_TIMER_MS, () => {
    cancel = systemClock.after(delayMs - MAX_TIMER_MS, callback);
  });
  return () => cancel();
}

/** Resolves after `delayMs` of `clock`, or at once when `signal` aborts; never rejects. */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = () => {
      cancel();
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const cancel = clock.after(delayMs, finish);
    signal.addEventListener('abort', finish);
  });
}
