/** A Prometheus histogram over typed arrays: observing is a scan over the bounds, nothing is allocated. */
export class Histogram {
  /** Upper bounds without `+Inf`, ascending. */
  readonly bounds: readonly number[];
  readonly #counts: Float64Array;
  #count = 0;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  get count(): number {
    return this.#count;
  }

  get sum(): number {
    return this.#sum;
  }

  /** Records `value` `times` times. */
  observe(value: number, times = 1): void {
    let i = 0;
    while (i < this.bounds.length && value > (this.bounds[i] ?? 0)) i += 1;
    this.#counts[i] = (this.#counts[i] ?? 0) + times;
    this.#count += times;
    this.#sum += value * times;
  }

  /** Observations at or below each bound, then their total. */
  cumulative(): number[] {
    let running = 0;
    return Array.from(this.#counts, (count) => {
      running += count;
      return running;
    });
  }
}

/** Bounds 1, 2, 5, 10, 20, 50, … up to `max`, as vLLM builds those of its token counts. */
export function oneTwoFive(max: number): number[] {
  const bounds: number[] = [];
  for (let power = 1; power <= max; power *= 10) {
    for (const mantissa of [1, 2, 5]) if (mantissa * power <= max) bounds.push(mantissa * power);
  }
  return bounds;
}
