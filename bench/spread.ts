/** A ratio measured several times: where it lies, and how far it moves by itself. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
  readonly rounds: number;
}

/** NaN everywhere for no values. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  const lower = sorted.length % 2 === 1 ? upper : (sorted[middle - 1] ?? Number.NaN);
  return {
    min: sorted[0] ?? Number.NaN,
    median: (lower + upper) / 2,
    max: sorted.at(-1) ?? Number.NaN,
    rounds: sorted.length,
  };
}
