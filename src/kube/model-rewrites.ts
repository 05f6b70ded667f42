import { z } from 'zod';
import type { RewriteRule } from '../framework/model-rewrites.ts';
import type { KubeObject, Resource } from './objects.ts';
import { isForPool, type PoolIdentity } from './pool-ref.ts';
import { problemsOf } from './problems.ts';

/** Largest weight, as the CRD has it. */
const MAX_WEIGHT = 1_000_000;

/** InferenceModelRewrites of both groups. */
export const REWRITE_RESOURCES: readonly [preferred: Resource, deprecated: Resource] = [
  { group: 'llm-d.ai', version: 'v1alpha2', plural: 'inferencemodelrewrites' },
  { group: 'inference.networking.x-k8s.io', version: 'v1alpha2', plural: 'inferencemodelrewrites' },
];

/** What is kept of an InferenceModelRewrite. */
export interface RewriteReading {
  readonly name: string;
  /** None when the object is malformed. */
  readonly rules: readonly RewriteRule[];
  readonly problems: readonly string[];
}

const match = z
  .object({ model: z.object({ type: z.literal('Exact').default('Exact'), value: z.string().min(1) }) })
  .transform((one) => one.model.value);

const target = z
  .object({ modelRewrite: z.string(), weight: z.int().min(1).max(MAX_WEIGHT).optional() })
  .transform((one) => ({ model: one.modelRewrite, weight: one.weight }));

const schema = z.object({
  rules: z.array(z.object({ matches: z.array(match).default([]), targets: z.array(target).default([]) })),
});

/** Reads an InferenceModelRewrite; undefined when it is not for `pool` or on its way out. Never throws. */
export function readRewrite(object: KubeObject, pool: PoolIdentity): RewriteReading | undefined {
  const { name, namespace = '', creationTimestamp = '' } = object.metadata;
  if (name === undefined || !isForPool(object, pool)) return undefined;
  const { data, error } = schema.safeParse(object.spec);
  if (data === undefined) return { name, rules: [], problems: problemsOf(error, 'spec') };
  const parsedMs = Date.parse(creationTimestamp);
  const createdAtMs = Number.isNaN(parsedMs) ? Number.POSITIVE_INFINITY : parsedMs;
  const rules = data.rules.map(({ matches, targets }, index) => {
    return { name, namespace, createdAtMs, index, models: matches, targets };
  });
  return { name, rules, problems: rules.flatMap(targetProblems) };
}

/** What of a well-formed rule is hardly meant. */
function targetProblems({ index, targets }: RewriteRule): string[] {
  if (targets.length === 0) return [`spec.rules[${index}].targets: none, so requests have no model`];
  const weighted = targets.filter((one) => one.weight !== undefined).length;
  if (weighted === 0 || weighted === targets.length) return [];
  return [`spec.rules[${index}].targets: those without weight are never chosen beside those with one`];
}
