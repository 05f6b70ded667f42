import { z } from 'zod';
import type { Endpoint } from '../../framework/endpoint.ts';
import { type Filter, keepWhere } from '../../framework/filter.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { Scorer } from '../../framework/scorer.ts';
import { TOKENIZED_PROMPT } from '../attributes/tokenized-prompt.ts';
import { type LengthRange, LengthRanges } from './context-length-aware/length-range.ts';

const UNLABELLED_SCORE = 0.5;
/** Endpoints whose range holds the request score from here up to 1, others below. */
const IN_RANGE_SCORE = 0.3;
/** Of what is above `IN_RANGE_SCORE`: share of a narrow range, the rest is for room above the request. */
const NARROW_SHARE = 0.7;
/** Width of a range, in tokens, at which it counts half as narrow. */
const HALF_WIDTH_TOKENS = 10_000;
/** Distance from the range, in tokens, at which the score is halved. */
const HALF_DISTANCE_TOKENS = 1000;

/**
 * Prefers endpoints whose label names a narrow range of context lengths that holds the request; as a filter drops
 * those whose range does not.
 *
 * L tokens of the request, 0 when it is not tokenized; range min-max, W = max - min.
 * in range      0.3 + 0.7 × (0.7 / (1 + W / 10000) + 0.3 × (max - L) / W); 1 when W = 0
 * out of range  0.3 / (1 + d / 1000), d tokens to the nearer end
 * no label      0.5; a label that is no range: 0
 * llm-d-router: pkg/epp/framework/plugins/scheduling/scorer/contextlengthaware
 */
class ContextLengthAware implements Scorer, Filter {
  readonly category = 'affinity';
  readonly #label: string;
  readonly #isFiltering: boolean;
  readonly #ranges = new LengthRanges();

  constructor(label: string, isFiltering: boolean) {
    this.#label = label;
    this.#isFiltering = isFiltering;
  }

  filter(request: InferenceRequest, candidates: readonly Endpoint[]): readonly Endpoint[] {
    if (!this.#isFiltering) return candidates;
    const length = lengthOf(request);
    return keepWhere(candidates, (candidate) => {
      const label = candidate.labels.get(this.#label);
      return label === undefined || isWithin(this.#ranges.of(label), length);
    });
  }

  score(request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void {
    const length = lengthOf(request);
    let i = 0;
    for (const candidate of candidates) {
      const label = candidate.labels.get(this.#label);
      out[i] = label === undefined ? UNLABELLED_SCORE : scoreOf(this.#ranges.of(label), length);
      i += 1;
    }
  }
}

function lengthOf(request: InferenceRequest): number {
  return request.attributes.get(TOKENIZED_PROMPT)?.count ?? 0;
}

function isWithin(range: LengthRange | undefined, length: number): boolean {
  return range !== undefined && range.min <= length && length <= range.max;
}

function scoreOf(range: LengthRange | undefined, length: number): number {
  if (range === undefined) return 0;
  const { min, max } = range;
  if (length < min) return IN_RANGE_SCORE / (1 + (min - length) / HALF_DISTANCE_TOKENS);
  if (length > max) return IN_RANGE_SCORE / (1 + (length - max) / HALF_DISTANCE_TOKENS);
  const width = max - min;
  if (width === 0) return 1;
  const narrowness = 1 / (1 + width / HALF_WIDTH_TOKENS);
  const room = (max - length) / width;
  return IN_RANGE_SCORE + (1 - IN_RANGE_SCORE) * (NARROW_SHARE * narrowness + (1 - NARROW_SHARE) * room);
}

/** `context-length-aware`. */
export const contextLengthAware = definePlugin({
  type: 'context-length-aware',
  kinds: ['filter', 'scorer'],
  stability: 'beta',
  summary: 'Prefers endpoints whose label names a narrow range of context lengths that holds the request.',
  params: z.strictObject({
    label: z
      .string()
      .min(1)
      .default('llm-d.ai/context-length-range')
      .describe('Label that holds the range, `min-max` in tokens.'),
    enableFiltering: z
      .boolean()
      .default(false)
      .describe(
        'Whether the plugin, used as a filter, drops endpoints whose range does not hold the request.',
      ),
  }),
  dependencies: () => ({ requires: [TOKENIZED_PROMPT] }),
  create: (params) => new ContextLengthAware(params.label, params.enableFiltering),
});
