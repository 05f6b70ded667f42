import { z } from 'zod';
import type { Objectives } from '../framework/discovery.ts';
import type { KubeObject, Resource } from './objects.ts';
import { isForPool, type PoolIdentity } from './pool-ref.ts';
import { problemsOf } from './problems.ts';

/** InferenceObjectives of both groups. */
export const OBJECTIVE_RESOURCES: readonly [preferred: Resource, deprecated: Resource] = [
  { group: 'llm-d.ai', version: 'v1alpha2', plural: 'inferenceobjectives' },
  { group: 'inference.networking.x-k8s.io', version: 'v1alpha2', plural: 'inferenceobjectives' },
];

/** What is kept of an InferenceObjective. */
export interface ObjectiveReading {
  readonly name: string;
  /** Higher is more important; 0 when there is none. */
  readonly priority: number;
  readonly problems: readonly string[];
}

const schema = z.object({ priority: z.int32().default(0) });

/** Reads an InferenceObjective; undefined when it is not for `pool` or on its way out. Never throws. */
export function readObjective(object: KubeObject, pool: PoolIdentity): ObjectiveReading | undefined {
  const { name } = object.metadata;
  if (name === undefined || !isForPool(object, pool)) return undefined;
  const { data, error } = schema.safeParse(object.spec);
  if (data === undefined) return { name, priority: 0, problems: problemsOf(error, 'spec') };
  return { name, priority: data.priority, problems: [] };
}

/** Priorities by name. */
export function objectivesOf(readings: Iterable<ObjectiveReading>): Objectives {
  const objectives = new Map<string, number>();
  for (const { name, priority } of readings) objectives.set(name, priority);
  return objectives;
}
