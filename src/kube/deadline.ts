import type { Clock } from '../util/clock.ts';
import { KubeError, type OwnReason } from './api.ts';

/** What bounds a piece of work. */
export interface Limit {
  readonly clock: Clock;
  /** What is under way, for messages. */
  readonly call: string;
  readonly limitMs: number;
  /** Ends the work as well. */
  readonly signal?: AbortSignal;
}

/**
 * Runs `work` with a signal that aborts when its time is over or the caller's signal aborts, and rejects with `KubeError`
 * at that moment even when `work` does not listen.
 */
export async function bounded<T>(work: (signal: AbortSignal) => Promise<T>, limit: Limit): Promise<T> {
  const { clock, call, limitMs, signal = new AbortController().signal } = limit;
  using deadline = new Deadline(clock, call, signal);
  deadline.signal.throwIfAborted();
  deadline.set(limitMs, 'an answer of the API server');
  return await deadline.race(work(deadline.signal));
}

/** The end of a call's time: aborts `signal` with the `KubeError` that says so, as does the caller's own signal. */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #clock: Clock;
  readonly #call: string;
  readonly #outer: AbortSignal;
  #cancel: () => void = () => undefined;

  /** `call`: what is under way, for messages. */
  constructor(clock: Clock, call: string, outer: AbortSignal) {
    this.#clock = clock;
    this.#call = call;
    this.#outer = outer;
    if (outer.aborted) this.#end('Cancelled', 'cancelled');
    else outer.addEventListener('abort', this.#onOuterAbort);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Starts the time anew; `wanted` is what must happen in it. */
  set(limitMs: number, wanted: string): void {
    this.#cancel();
    this.#cancel = this.#clock.after(limitMs, () => {
      this.#end('TimedOut', `nothing within ${Math.ceil(limitMs) / 1000} s, wanted ${wanted}`);
    });
  }

  /** Settles as `work` does, or rejects when time is over. */
  async race<T>(work: Promise<T>): Promise<T> {
    const { promise: over, reject } = Promise.withResolvers<never>();
    const onAbort = () => reject(this.signal.reason);
    if (this.signal.aborted) onAbort();
    this.signal.addEventListener('abort', onAbort);
    try {
      return await Promise.race([work, over]);
    } catch (error) {
      throw this.signal.aborted ? this.signal.reason : error;
    } finally {
      this.signal.removeEventListener('abort', onAbort);
    }
  }

  [Symbol.dispose](): void {
    this.#cancel();
    this.#outer.removeEventListener('abort', this.#onOuterAbort);
  }

  readonly #onOuterAbort = (): void => this.#end('Cancelled', 'cancelled');

  #end(reason: OwnReason, text: string): void {
    this.#controller.abort(new KubeError(0, reason, `${this.#call}: ${text}`));
  }
}
