import type { PageScanner } from '../../../util/prometheus-text.ts';

/** What the values of several engines on one page amount to; `first` looks at one series only. */
export type Combination = 'sum' | 'mean' | 'first';

/** Takes the samples of one metric and keeps what is wanted of them; `reset` before each page. */
export interface SeriesPick {
  reset(): void;
  /** The scanner stands on a sample that matches. */
  offer(scanner: PageScanner): void;
}

/** Labels that tell the engines of one server apart: vLLM, SGLang. */
const ENGINE_LABELS: readonly Buffer[] = [Buffer.from('engine'), Buffer.from('dp_rank')];

function engineOf(scanner: PageScanner): string {
  for (const label of ENGINE_LABELS) {
    const engine = scanner.label(label);
    if (engine !== undefined) return engine;
  }
  return '';
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
  readonly #engines: string[] = [];
  readonly #values: number[] = [];
  readonly #timestamps: number[] = [];

  constructor(combination: Combination) {
    this.#combination = combination;
  }

  reset(): void {
    this.#engines.length = 0;
    this.#values.length = 0;
    this.#timestamps.length = 0;
  }

  offer(scanner: PageScanner): void {
    if (!Number.isFinite(scanner.value)) return;
    const engine = this.#combination === 'first' ? '' : engineOf(scanner);
    const timestamp = timestampOf(scanner);
    const i = this.#engines.indexOf(engine);
    if (i < 0) {
      this.#engines.push(engine);
      this.#values.push(scanner.value);
      this.#timestamps.push(timestamp);
    } else if (timestamp > (this.#timestamps[i] ?? 0)) {
      this.#values[i] = scanner.value;
      this.#timestamps[i] = timestamp;
    }
  }

  /** NaN when there was no usable sample. */
  get value(): number {
    if (this.#values.length === 0) return Number.NaN;
    let sum = 0;
    for (const value of this.#values) sum += value;
    return this.#combination === 'mean' ? sum / this.#values.length : sum;
  }
}
