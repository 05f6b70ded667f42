/** Label values of one series, by label name. */
export type Labels = { readonly [label: string]: string };

/** Longest value, in characters, of a label that clients choose; a longer one is shown as `other`. */
export const MAX_LABEL_LENGTH = 256;

/** One series of a counter: `cell.value += 1`. Obtain it once, keep it. */
export interface CounterCell {
  value: number;
}

/** One series of a histogram. Obtain it once, keep it. */
export interface HistogramCell {
  observe(value: number): void;
}

/**
 * Access to the process's metrics, every one of which is a row of `telemetry/metrics.ts`. Names are canonical,
 * without the `llm_d_epp_` prefix; deprecated twins are fed by the same cells. Each method throws for a name or
 * label set that is not in the table.
 */
export interface Instruments {
  /** The same cell for the same name and labels. */
  counter(name: string, labels: Labels): CounterCell;
  histogram(name: string, labels: Labels): HistogramCell;
  /** `read` is called at exposition; NaN hides the series. Registering again replaces it; returns its removal. */
  gauge(name: string, labels: Labels, read: () => number): () => void;
}
