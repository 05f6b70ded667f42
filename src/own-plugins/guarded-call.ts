import type { Clock } from '../util/clock.ts';
import type { Breaker } from './breaker.ts';

/** Where failures that are not thrown to the caller go. */
export interface Faults {
  report(error: unknown): void;
}

/** What all methods of an instance share. */
export interface Guarded {
  readonly breaker: Breaker;
  readonly clock: Clock;
  /** Requests that the plugin was told of before they were sent: it is told of their end too, slow or not. */
  readonly begun: WeakSet<object>;
  /** Runs code of the plugin, so that what it starts is known as the plugin's. */
  readonly run: <T>(call: () => T) => T;
}

/** A method. */
export type Call = (...args: readonly unknown[]) => unknown;

/** Runs `call` and tells the breaker how long it took. */
export function timed({ breaker, clock }: Guarded, call: Call, args: readonly unknown[]): unknown {
  const startMs = clock.nowMs();
  try {
    return call(...args);
  } finally {
    breaker.ended(startMs);
  }
}

/** The same for methods that must not wait: a promise is an error, and what becomes of it is nobody's business. */
export function timedAtOnce(guarded: Guarded, call: Call, args: readonly unknown[]): unknown {
  const result = timed(guarded, call, args);
  if (typeof result !== 'object' || result === null || !('then' in result)) return result;
  if (result instanceof Promise) result.catch(() => {}); // it must not end the process
  throw new TypeError('it returned a promise, but this method must not wait: drop async');
}
