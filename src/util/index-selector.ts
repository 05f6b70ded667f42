import { nextInt, type Rng } from './rng.ts';

/** Draws without replacement from `0 … n - 1`, reusing one index buffer. Results are valid until the next call. */
export class IndexSelector {
  readonly #rng: Rng;
  #indices = new Int32Array(64);

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  /** `min(k, n)` indices, uniformly at random, in random order. */
  random(n: number, k: number): Int32Array {
    const indices = this.#reset(n);
    const count = Math.min(k, n);
    for (let i = 0; i < count; i += 1) swap(indices, i, i + nextInt(this.#rng, n - i));
    return indices.subarray(0, count);
  }

  /**
   * Indices of the `min(k, n)` greatest of the first `n` values, greatest first. Values within `tolerance` of the
   * greatest that is left count as equal to it; who of them comes first is uniformly random. Values must not be
   * NaN; -Infinity is allowed. Takes O(n · k).
   */
  greatest(values: Float64Array, n: number, k: number, tolerance: number): Int32Array {
    const indices = this.#reset(n);
    const count = Math.min(k, n);
    for (let i = 0; i < count; i += 1) swap(indices, i, this.#draw(values, indices, i, n, tolerance));
    return indices.subarray(0, count);
  }

  /** Position in `indices[from … n - 1]` of one of the greatest values. */
  #draw(values: Float64Array, indices: Int32Array, from: number, n: number, tolerance: number): number {
    let max = Number.NEGATIVE_INFINITY;
    for (let i = from; i < n; i += 1) {
      const value = values[indices[i] ?? 0] ?? 0;
      if (value > max) max = value;
    }
    const limit = max - tolerance;
    let tied = 0;
    let found = from;
    for (let i = from; i < n; i += 1) {
      if ((values[indices[i] ?? 0] ?? 0) < limit) continue;
      tied += 1;
      // Reservoir of one: each of the tied is found with equal chance, and one without rivals costs no draw.
      if (tied === 1 || nextInt(this.#rng, tied) === 0) found = i;
    }
    return found;
  }

  #reset(n: number): Int32Array {
    if (n > this.#indices.length) this.#indices = new Int32Array(n * 2);
    const indices = this.#indices;
    for (let i = 0; i < n; i += 1) indices[i] = i;
    return indices;
  }
}

function swap(indices: Int32Array, a: number, b: number): void {
  const kept = indices[a] ?? 0;
  indices[a] = indices[b] ?? 0;
  indices[b] = kept;
}
