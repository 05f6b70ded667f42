import { z } from 'zod';
import type { Endpoint } from '../../framework/endpoint.ts';
import { type Filter, keepWhere } from '../../framework/filter.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';

const PART = '[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?';
const DNS_LABEL = '[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?';
const VALUE = new RegExp(`^(?:${PART})?$`);
const KEY = new RegExp(`^(?:(?=[^/]{1,253}/)${DNS_LABEL}(?:\\.${DNS_LABEL})*/)?${PART}$`);

const labelKey = z.string().regex(KEY, 'want a Kubernetes label key');
const labelValue = z.string().regex(VALUE, 'want a Kubernetes label value');

const expression = z
  .strictObject({
    key: labelKey.describe('Label to look at.'),
    operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']).describe('How its value is judged.'),
    values: z.array(labelValue).default([]).describe('For In and NotIn, at least one; else none.'),
  })
  .superRefine((value, context) => {
    const wantsValues = value.operator === 'In' || value.operator === 'NotIn';
    if (wantsValues === value.values.length > 0) return;
    context.addIssue({
      code: 'custom',
      path: ['values'],
      message: `operator ${value.operator} takes ${wantsValues ? 'at least one value' : 'no values'}`,
    });
  });

type Expression = z.infer<typeof expression>;

/**
 * Keeps endpoints whose labels match a Kubernetes label selector: every term must hold. `NotIn` also holds for a
 * missing label, `In` does not. An empty selector keeps all.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/filter/bylabel/selector.go
 */
class LabelSelectorFilter implements Filter {
  readonly #equal: readonly (readonly [string, string])[];
  readonly #expressions: readonly Expression[];

  constructor(equal: readonly (readonly [string, string])[], expressions: readonly Expression[]) {
    this.#equal = equal;
    this.#expressions = expressions;
  }

  filter(_request: InferenceRequest, candidates: readonly Endpoint[]): readonly Endpoint[] {
    return keepWhere(candidates, (candidate) => this.#matches(candidate.labels));
  }

  #matches(labels: ReadonlyMap<string, string>): boolean {
    for (const [key, value] of this.#equal) if (labels.get(key) !== value) return false;
    for (const one of this.#expressions) if (!holds(one, labels.get(one.key))) return false;
    return true;
  }
}

function holds(expression: Expression, value: string | undefined): boolean {
  switch (expression.operator) {
    case 'In':
      return value !== undefined && expression.values.includes(value);
    case 'NotIn':
      return value === undefined || !expression.values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default:
      return expression.operator satisfies never;
  }
}

/** `label-selector-filter`. */
export const labelSelectorFilter = definePlugin({
  type: 'label-selector-filter',
  kinds: ['filter'],
  stability: 'beta',
  summary: 'Keeps endpoints whose labels match a Kubernetes label selector.',
  aliases: ['by-label-selector'],
  params: z.strictObject({
    matchLabels: z.record(labelKey, labelValue).default({}).describe('Labels and the value each must have.'),
    matchExpressions: z.array(expression).default([]).describe('Further conditions; all must hold.'),
  }),
  create: (params) => new LabelSelectorFilter(Object.entries(params.matchLabels), params.matchExpressions),
});
