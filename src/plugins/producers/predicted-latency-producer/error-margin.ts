/** Answers after which the margin is used; before that predictions are taken as they are. */
const MIN_OBSERVATIONS = 20;
/** How far one answer moves the margin. */
const STEP = 0.02;
const MAX_FACTOR = 10;

/**
 * By how much predictions fall short: the factor that, put on a prediction, would have covered the given share of recent
 * answers. It moves up when an answer was slower than the raised prediction, and down, by less, when it was not, so that
 * it rests where that share holds. Never below 1: predictions that are too high already keep a reserve.
 */
export class ErrorMargin {
  readonly #quantile: number;
  #factor = 1;
  #observations = 0;

  /** `quantile`: 0 switches it off, below 1. */
  constructor(quantile: number) {
    this.#quantile = quantile;
  }

  /** 1 or more. */
  get factor(): number {
    return this.#observations < MIN_OBSERVATIONS ? 1 : this.#factor;
  }

  /** Both in milliseconds; nothing is learnt from a prediction of 0 or NaN. */
  observe(predictedMs: number, actualMs: number): void {
    if (this.#quantile === 0 || !(predictedMs > 0) || !(actualMs >= 0)) return;
    this.#observations += 1;
    const isShort = actualMs > predictedMs * this.#factor;
    const moved = this.#factor * (1 + STEP * (isShort ? this.#quantile : this.#quantile - 1));
    this.#factor = Math.min(MAX_FACTOR, Math.max(1, moved));
  }
}
