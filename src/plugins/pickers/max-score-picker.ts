import { z } from 'zod';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { Picker } from '../../framework/picker.ts';
import { definePlugin } from '../../framework/plugin.ts';
import { IndexSelector } from '../../util/index-selector.ts';
import type { Rng } from '../../util/rng.ts';

/** Totals this close are a tie: they differ by the order of summation only. */
const TIE = 1e-9;

/**
 * Takes the candidates with the highest totals; among equals the order is uniformly random.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/picker/maxscore
 */
class MaxScorePicker implements Picker {
  readonly #count: number;
  readonly #selector: IndexSelector;

  constructor(count: number, rng: Rng) {
    this.#count = count;
    this.#selector = new IndexSelector(rng);
  }

  pick(candidates: readonly Endpoint[], totals: Float64Array): readonly Endpoint[] {
    const targets: Endpoint[] = [];
    for (const i of this.#selector.greatest(totals, candidates.length, this.#count, TIE)) {
      const target = candidates[i];
      if (target !== undefined) targets.push(target);
    }
    return targets;
  }
}

/** `max-score-picker`. */
export const maxScorePicker = definePlugin({
  type: 'max-score-picker',
  kinds: ['picker'],
  stability: 'beta',
  summary: 'Picks the endpoints with the highest total score, ties at random.',
  params: z.strictObject({
    maxNumOfEndpoints: z.int().default(1).describe('Most endpoints to pick; 0 or less means 1.'),
  }),
  create: (params, context) => new MaxScorePicker(Math.max(1, params.maxNumOfEndpoints), context.rng),
});
