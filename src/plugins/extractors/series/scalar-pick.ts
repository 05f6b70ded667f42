import type { PageScanner } from '../../../util/prometheus-text.ts';
import { EngineIndex } from './engine-index.ts';

/** What the values of several engines on one page amount to; `first` looks at one series only. */
export type Combination = 'sum' | 'mean' | 'first';

/** Takes the samples of one metric and keeps what is wanted of them; `reset` before each page. */
export interface SeriesPick {
  reset(): void;
  /** The scanner stands on a sample that matches. Throws `PageError` when the page has too many. */
  offer(scanner: PageScanner): void;
}

/** In the page's own unit; without a timestamp a sample is older than every sample that has one. */
export function timestampOf(scanner: PageScanner): number {
  return Number.isNaN(scanner.timestamp) ? Number.NEGATIVE_INFINITY : scanner.timestamp;
}

/**
 * One number. Of the series of one engine the one with the largest timestamp counts, the first of equals; then the
 * engines are combined. NaN and infinite samples count as missing.
 * (llm-d-router: pkg/epp/framework/plugins/datalayer/extractor/metrics; it looks at one series only)
 */
export class ScalarPick implements SeriesPick {
  readonly #combination: Combination;
  readonly #engines: EngineIndex;
  /** By number of the engine. */
  readonly #values: number[] = [];
  readonly #timestamps: number[] = [];

  constructor(combination: Combination) {
    this.#combination = combination;
    this.#engines = new EngineIndex(combination === 'first');
  }

  reset(): void {
    this.#engines.reset();
    this.#values.length = 0;
    this.#timestamps.length = 0;
  }

  offer(scanner: PageScanner): void {
    if (!Number.isFinite(scanner.value)) return;
    const timestamp = timestampOf(scanner);
    const i = this.#engines.of(scanner);
    if (i < this.#values.length && !(timestamp > (this.#timestamps[i] ?? 0))) return;
    this.#values[i] = scanner.value;
    this.#timestamps[i] = timestamp;
  }

  /** NaN when there was no usable sample. */
  get value(): number {
    if (this.#values.length === 0) return Number.NaN;
    let sum = 0;
    for (const value of this.#values) sum += value;
    return this.#combination === 'mean' ? sum / this.#values.length : sum;
  }
}
