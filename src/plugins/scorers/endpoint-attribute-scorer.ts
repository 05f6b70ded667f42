import { z } from 'zod';
import type { AttributeKey } from '../../framework/attribute.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { Scorer } from '../../framework/scorer.ts';
import {
  checkReference,
  numberOf,
  referencedKey,
  referenceParams,
} from '../filters/endpoint-attribute/reference.ts';

const fixedRange = z
  .strictObject({
    min: z.number().default(0).describe('Value at one end of the range.'),
    max: z.number().default(0).describe('Value at the other end; above min.'),
  })
  .refine((range) => range.min < range.max, { path: ['max'], message: 'want more than min' });

const normalization = z
  .strictObject({
    fixedRange: fixedRange.optional().describe('Scores along a range that is given; values outside are cut.'),
    adaptiveRange: z
      .strictObject({})
      .optional()
      .describe('Scores along the range that the candidates have; the default.'),
  })
  .refine((value) => value.fixedRange === undefined || value.adaptiveRange === undefined, {
    path: ['adaptiveRange'],
    message: 'fixedRange and adaptiveRange exclude each other',
  });

const params = z
  .strictObject({
    ...referenceParams,
    algorithm: z
      .strictObject({
        type: z
          .enum(['linear_lower_is_better', 'linear_higher_is_better'])
          .describe('Which end of the range scores 1.'),
        normalization: normalization.prefault({}).describe('Which range the score is linear in.'),
      })
      .describe('How the attribute becomes a score.'),
  })
  .superRefine((value, context) => {
    checkReference(
      value,
      (member, message) => context.addIssue({ code: 'custom', path: [member], message }),
      'attributeKey',
    );
  });

/**
 * Prefers endpoints by one number.
 *
 * share = (value - min) / (max - min), cut to 0..1; score = share, or 1 - share when lower is better.
 * min and max are given, or those of the candidates that have the attribute; these all score 1 when they are equal.
 * An endpoint without the attribute scores 0.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/scorer/endpointattribute
 */
class EndpointAttributeScorer implements Scorer {
  readonly category = 'distribution';
  readonly #key: AttributeKey<unknown>;
  readonly #isLowerBetter: boolean;
  readonly #range: z.infer<typeof fixedRange> | undefined;

  constructor(config: z.infer<typeof params>) {
    this.#key = referencedKey(config);
    this.#isLowerBetter = config.algorithm.type === 'linear_lower_is_better';
    this.#range = config.algorithm.normalization.fixedRange;
  }

  score(_request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void {
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    let i = 0;
    for (const candidate of candidates) {
      const value = numberOf(candidate, this.#key);
      out[i] = value;
      i += 1;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    if (this.#range !== undefined) ({ min, max } = this.#range);
    for (i = 0; i < candidates.length; i += 1) out[i] = this.#scoreOf(out[i] ?? Number.NaN, min, max);
  }

  #scoreOf(value: number, min: number, max: number): number {
    if (Number.isNaN(value)) return 0;
    if (min === max) return 1;
    const share = Math.min(1, Math.max(0, (value - min) / (max - min)));
    return this.#isLowerBetter ? 1 - share : share;
  }
}

/** `endpoint-attribute-scorer`. */
export const endpointAttributeScorer = definePlugin({
  type: 'endpoint-attribute-scorer',
  kinds: ['scorer'],
  stability: 'alpha',
  summary: 'Prefers endpoints with a low, or a high, value of a numeric attribute.',
  params,
  dependencies: (config) => ({ optional: [referencedKey(config)] }),
  create: (config) => new EndpointAttributeScorer(config),
});
