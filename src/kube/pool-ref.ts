import { z } from 'zod';
import type { KubeObject } from './objects.ts';

/** What objectives and rewrites name their pool by. */
export interface PoolIdentity {
  readonly name: string;
  /** `--pool-group`. */
  readonly group: string;
}

const schema = z.object({
  poolRef: z.object({ name: z.string(), group: z.string().default('inference.networking.k8s.io') }),
});

/** The pool that `spec.poolRef` names; undefined without one, and for an object on its way out. */
export function poolOf(object: KubeObject): PoolIdentity | undefined {
  if (object.metadata.deletionTimestamp !== undefined) return undefined;
  return schema.safeParse(object.spec).data?.poolRef;
}

/** Whether `spec.poolRef` names the pool, by name and group; false without one, and for an object on its way out. */
export function isForPool(object: KubeObject, pool: PoolIdentity): boolean {
  const named = poolOf(object);
  return named !== undefined && named.name === pool.name && named.group === pool.group;
}
