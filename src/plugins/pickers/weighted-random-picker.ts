import { z } from 'zod';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { Picker } from '../../framework/picker.ts';
import { definePlugin } from '../../framework/plugin.ts';
import { IndexSelector } from '../../util/index-selector.ts';
import type { Rng } from '../../util/rng.ts';

/** Stands in for a draw of exactly 0, whose logarithm has no value. */
const LEAST_DRAW = 1e-10;

/**
 * Takes candidates at random, each with probability proportional to its total.
 *
 * key = ln(U) / total with U uniform in (0, 1), -∞ when total <= 0; the greatest keys win. This is the order of
 * U^(1/total) (A-Res sampling) without its underflow at small totals. Totals of 0 or less come last, uniformly; when
 * no total is above 0 the pick is uniform.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/picker/weightedrandom
 */
class WeightedRandomPicker implements Picker {
  readonly #count: number;
  readonly #rng: Rng;
  readonly #selector: IndexSelector;
  #keys = new Float64Array(64);

  constructor(count: number, rng: Rng) {
    this.#count = count;
    this.#rng = rng;
    this.#selector = new IndexSelector(rng);
  }

  pick(candidates: readonly Endpoint[], totals: Float64Array): readonly Endpoint[] {
    const n = candidates.length;
    if (n > this.#keys.length) this.#keys = new Float64Array(n * 2);
    const keys = this.#keys;
    for (let i = 0; i < n; i += 1) {
      const total = totals[i] ?? 0;
      keys[i] = total > 0 ? Math.log(this.#rng.next() || LEAST_DRAW) / total : Number.NEGATIVE_INFINITY;
    }
    const targets: Endpoint[] = [];
    for (const i of this.#selector.greatest(keys, n, this.#count, 0)) {
      const target = candidates[i];
      if (target !== undefined) targets.push(target);
    }
    return targets;
  }
}

/** `weighted-random-picker`. */
export const weightedRandomPicker = definePlugin({
  type: 'weighted-random-picker',
  kinds: ['picker'],
  stability: 'beta',
  summary: 'Picks endpoints at random, in proportion to their total score.',
  params: z.strictObject({
    maxNumOfEndpoints: z.int().default(1).describe('Most endpoints to pick; 0 or less means 1.'),
  }),
  create: (params, context) => new WeightedRandomPicker(Math.max(1, params.maxNumOfEndpoints), context.rng),
});
