import { z } from 'zod';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { Picker } from '../../framework/picker.ts';
import { definePlugin } from '../../framework/plugin.ts';
import { IndexSelector } from '../../util/index-selector.ts';
import type { Rng } from '../../util/rng.ts';

/**
 * Takes candidates uniformly at random; totals do not matter.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/picker/random
 */
class RandomPicker implements Picker {
  readonly #count: number;
  readonly #selector: IndexSelector;

  constructor(count: number, rng: Rng) {
    this.#count = count;
    this.#selector = new IndexSelector(rng);
  }

  pick(candidates: readonly Endpoint[]): readonly Endpoint[] {
    const targets: Endpoint[] = [];
    for (const i of this.#selector.random(candidates.length, this.#count)) {
      const target = candidates[i];
      if (target !== undefined) targets.push(target);
    }
    return targets;
  }
}

/** `random-picker`. */
export const randomPicker = definePlugin({
  type: 'random-picker',
  kinds: ['picker'],
  stability: 'beta',
  summary: 'Picks endpoints at random, whatever their score.',
  params: z.strictObject({
    maxNumOfEndpoints: z.int().default(1).describe('Most endpoints to pick; 0 or less means 1.'),
  }),
  create: (params, context) => new RandomPicker(Math.max(1, params.maxNumOfEndpoints), context.rng),
});
