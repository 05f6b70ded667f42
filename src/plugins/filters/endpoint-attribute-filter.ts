import { z } from 'zod';
import type { AttributeKey } from '../../framework/attribute.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { type Filter, keepWhere } from '../../framework/filter.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { checkReference, numberOf, referencedKey, referenceParams } from './endpoint-attribute/reference.ts';

const threshold = z.strictObject({
  operator: z
    .enum(['LessThan', 'LessThanOrEqual', 'GreaterThan', 'GreaterThanOrEqual', 'Equal', 'NotEqual'])
    .describe('How the attribute is compared with the value.'),
  value: z.number().default(0).describe('What the attribute is compared with.'),
});

type Threshold = z.infer<typeof threshold>;

const params = z
  .strictObject({
    ...referenceParams,
    onMissing: z
      .enum(['Pass', 'Fail'])
      .default('Pass')
      .describe('Whether endpoints without the attribute stay.'),
    fallbackOnEmpty: z.boolean().default(false).describe('Whether all stay when nobody would.'),
    algorithm: z
      .strictObject({
        type: z.enum(['threshold']).describe('How the attribute is judged.'),
        threshold: threshold.describe('For type threshold.'),
      })
      .describe('What makes an endpoint stay.'),
  })
  .superRefine((value, context) => {
    checkReference(
      value,
      (member, message) => context.addIssue({ code: 'custom', path: [member], message }),
      'attribute',
    );
  });

/**
 * Keeps endpoints of which one number compares well with a value.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/filter/endpointattribute
 */
class EndpointAttributeFilter implements Filter {
  readonly #key: AttributeKey<unknown>;
  readonly #threshold: Threshold;
  readonly #keepsMissing: boolean;
  readonly #fallsBack: boolean;

  constructor(config: z.infer<typeof params>) {
    this.#key = referencedKey(config);
    this.#threshold = config.algorithm.threshold;
    this.#keepsMissing = config.onMissing === 'Pass';
    this.#fallsBack = config.fallbackOnEmpty;
  }

  filter(_request: InferenceRequest, candidates: readonly Endpoint[]): readonly Endpoint[] {
    const kept = keepWhere(candidates, (candidate) => this.#admits(numberOf(candidate, this.#key)));
    if (kept.length === 0 && this.#fallsBack) return candidates;
    return kept;
  }

  #admits(value: number): boolean {
    return Number.isNaN(value) ? this.#keepsMissing : holds(this.#threshold, value);
  }
}

function holds({ operator, value: bound }: Threshold, value: number): boolean {
  switch (operator) {
    case 'LessThan':
      return value < bound;
    case 'LessThanOrEqual':
      return value <= bound;
    case 'GreaterThan':
      return value > bound;
    case 'GreaterThanOrEqual':
      return value >= bound;
    case 'Equal':
      return value === bound;
    case 'NotEqual':
      return value !== bound;
    default:
      return operator satisfies never;
  }
}

/** `endpoint-attribute-filter`. */
export const endpointAttributeFilter = definePlugin({
  type: 'endpoint-attribute-filter',
  kinds: ['filter'],
  stability: 'alpha',
  summary: 'Keeps endpoints of which a numeric attribute compares well with a value.',
  params,
  dependencies: (config) => ({ optional: [referencedKey(config)] }),
  create: (config) => new EndpointAttributeFilter(config),
});
