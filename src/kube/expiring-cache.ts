import type { Clock } from '../util/clock.ts';

interface Entry<T> {
  readonly value: T;
  readonly untilMs: number;
}

/** Remembers answers for a time; at most `capacity` of them, the oldest goes first. */
export class ExpiringCache<T> {
  readonly #clock: Clock;
  readonly #capacity: number;
  readonly #entries = new Map<string, Entry<T>>();

  constructor(clock: Clock, capacity: number) {
    this.#clock = clock;
    this.#capacity = capacity;
  }

  /** Undefined when it is not known or no longer holds. */
  get(key: string): T | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (this.#clock.nowMs() < entry.untilMs) return entry.value;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, value: T, lifetimeMs: number): void {
    this.#entries.delete(key); // so that the order is that of writing
    this.#entries.set(key, { value, untilMs: this.#clock.nowMs() + lifetimeMs });
    if (this.#entries.size <= this.#capacity) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      return;
    }
  }
}
