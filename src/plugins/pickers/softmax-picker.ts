import { z } from 'zod';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { Picker } from '../../framework/picker.ts';
import { definePlugin } from '../../framework/plugin.ts';
import { IndexSelector } from '../../util/index-selector.ts';
import type { Rng } from '../../util/rng.ts';

/** Stands in for a draw of exactly 0, whose logarithm has no value. */
const LEAST_DRAW = 1e-10;
/** Totals this close are a tie at temperature 0: they differ by the order of summation only. */
const TIE = 1e-9;

/**
 * Takes candidates at random, each with probability proportional to exp(total / temperature).
 *
 * key = total / temperature - ln(-ln U) with U uniform in (0, 1); the greatest keys win. Adding Gumbel noise and taking
 * the greatest is a draw from the softmax, and the k greatest are k draws without replacement (Kool et al., Stochastic
 * Beams and Where to Find Them, ICML 2019). No exponential is taken, so no total is too great. Temperature 0: the
 * greatest totals, ties uniformly at random.
 */
class SoftmaxPicker implements Picker {
  readonly #temperature: number;
  readonly #count: number;
  readonly #rng: Rng;
  readonly #selector: IndexSelector;
  #keys = new Float64Array(64);

  constructor(temperature: number, count: number, rng: Rng) {
    this.#temperature = temperature;
    this.#count = count;
    this.#rng = rng;
    this.#selector = new IndexSelector(rng);
  }

  pick(candidates: readonly Endpoint[], totals: Float64Array): readonly Endpoint[] {
    const n = candidates.length;
    const isRandom = this.#temperature > 0;
    const keys = isRandom ? this.#noisy(totals, n) : totals;
    const targets: Endpoint[] = [];
    for (const i of this.#selector.greatest(keys, n, this.#count, isRandom ? 0 : TIE)) {
      const target = candidates[i];
      if (target !== undefined) targets.push(target);
    }
    return targets;
  }

  /** Differences to the greatest total, so that a small temperature cannot make them all infinite. */
  #noisy(totals: Float64Array, n: number): Float64Array {
    if (n > this.#keys.length) this.#keys = new Float64Array(n * 2);
    const keys = this.#keys;
    let max = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < n; i += 1) max = Math.max(max, totals[i] ?? 0);
    for (let i = 0; i < n; i += 1) {
      const gumbel = -Math.log(-Math.log(this.#rng.next() || LEAST_DRAW));
      keys[i] = ((totals[i] ?? 0) - max) / this.#temperature + gumbel;
    }
    return keys;
  }
}

/** `softmax-picker`. */
export const softmaxPicker = definePlugin({
  type: 'softmax-picker',
  kinds: ['picker'],
  stability: 'alpha',
  summary: 'Picks endpoints at random, the better the likelier; a temperature says how much.',
  params: z.strictObject({
    temperature: z
      .number()
      .min(0)
      .default(0.1)
      .describe('Difference in total at which the better one is e times likelier; 0 always takes the best.'),
    maxNumOfEndpoints: z.int().default(1).describe('Most endpoints to pick; 0 or less means 1.'),
  }),
  create: (params, context) =>
    new SoftmaxPicker(params.temperature, Math.max(1, params.maxNumOfEndpoints), context.rng),
});
