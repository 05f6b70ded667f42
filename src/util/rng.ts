/** Source of chance; seedable, so that a run can be repeated. */
export interface Rng {
  /** Uniform in [0, 1). */
  next(): number;
}

/** sfc32, a small fast generator with a 128-bit state; equal seeds give equal sequences. */
export class SeededRng implements Rng {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** `seed`: any 32-bit integer. */
  constructor(seed: number) {
    this.#a = seed | 0;
    this.#b = (seed ^ 0x9e3779b9) | 0;
    this.#c = (seed ^ 0x243f6a88) | 0;
    for (let i = 0; i < 12; i += 1) this.next();
  }

  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4_294_967_296;
  }
}

/** A seed that differs from start to start. */
export function randomSeed(): number {
  return Math.floor(Math.random() * 0xffff_ffff);
}

/** Uniform integer in [0, bound); `bound` must be positive. */
export function nextInt(rng: Rng, bound: number): number {
  return Math.floor(rng.next() * bound);
}
