import { MAX_LABEL_LENGTH } from '../framework/instruments.ts';

/** What values past the bound become. */
export const OTHER = 'other';

/**
 * Bounds the number and the length of values that clients can bring into one kind of label. Admission is sticky, so that what is
 * added under a value is also taken off under it.
 */
export class LabelBound {
  readonly #limit: number;
  readonly #admitted = new Set<string>();
  readonly #pinned = new Set<string>();

  /** `limit`: most values admitted in the life of the process, pinned ones not counted. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** `value` itself while there is room or when it was admitted before, unless it is too long; '' always passes. */
  admit(value: string): string {
    if (value === '' || this.#admitted.has(value) || this.#pinned.has(value)) return value;
    if (value.length > MAX_LABEL_LENGTH || this.#admitted.size >= this.#limit) return OTHER;
    this.#admitted.add(value);
    return value;
  }

  /** Lets `value` through for good without using up room; for names that the operator configured. */
  pin(value: string): void {
    this.#pinned.add(value);
  }
}
