const RIDGE = 1e-6;

/** Least squares over the samples so far, with a little ridge so that there always is one answer. */
export class LinearModel {
  /** Samples so far. */
  size = 0;
  #products: number[][] = [];
  #targets: number[] = [];
  #weights: readonly number[] | undefined = undefined;

  /** `features` of every sample have the same length. */
  learn(features: readonly number[], target: number): void {
    if (this.size === 0) {
      this.#products = features.map((_, i) => features.map((__, j) => (i === j ? RIDGE : 0)));
      this.#targets = features.map(() => 0);
    }
    this.size += 1;
    this.#weights = undefined;
    features.forEach((value, i) => {
      this.#targets[i] = (this.#targets[i] ?? 0) + value * target;
      const products = this.#products[i] ?? [];
      features.forEach((other, j) => {
        products[j] = (products[j] ?? 0) + value * other;
      });
    });
  }

  estimate(features: readonly number[]): number {
    this.#weights ??= solve(this.#products, this.#targets);
    const weights = this.#weights;
    return features.reduce((sum, value, i) => sum + value * (weights[i] ?? 0), 0);
  }
}

/** Solves a positive definite system by elimination. */
function solve(matrix: readonly (readonly number[])[], targets: readonly number[]): readonly number[] {
  const rows = matrix.map((products, i) => [...products, targets[i] ?? 0]);
  rows.forEach((pivot, i) => {
    for (const other of rows.slice(i + 1)) {
      const factor = (other[i] ?? 0) / (pivot[i] ?? 1);
      pivot.forEach((value, j) => {
        other[j] = (other[j] ?? 0) - factor * value;
      });
    }
  });
  const weights = targets.map(() => 0);
  for (let i = rows.length - 1; i >= 0; i -= 1) {
    const own = rows[i] ?? [];
    let rest = own[targets.length] ?? 0;
    for (let j = i + 1; j < targets.length; j += 1) rest -= (own[j] ?? 0) * (weights[j] ?? 0);
    weights[i] = rest / (own[i] ?? 1);
  }
  return weights;
}
