import type { Rng } from '../util/rng.ts';
import { KubeError } from './api.ts';

/** First wait after a failure. */
const FIRST_MS = 200;

/** Longest wait between attempts. */
const MAX_MS = 30_000;

/** Longest wait that the server can ask for. */
const MAX_RETRY_AFTER_MS = 60_000;

/** Waits between attempts: 0.2 s, doubling to 30 s, each shortened by up to a half so that clients spread. */
export class BackOff {
  readonly #rng: Rng;
  #baseMs = 0;

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  /** No failure since the last success. */
  get isFresh(): boolean {
    return this.#baseMs === 0;
  }

  /** Counts a failure; milliseconds to wait before the next attempt, no less than what the server asked for, up to 60 s. */
  next(error: unknown): number {
    this.#baseMs = this.#baseMs === 0 ? FIRST_MS : Math.min(this.#baseMs * 2, MAX_MS);
    const askedMs = error instanceof KubeError ? Math.min(error.retryAfterMs, MAX_RETRY_AFTER_MS) : 0;
    return Math.max(askedMs, this.#baseMs * (1 - this.#rng.next() / 2));
  }

  /** Counts a success. */
  reset(): void {
    this.#baseMs = 0;
  }
}
