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

/** Whether `spec.poolRef` names the pool, by name and group; false without one, and for an object on its way out. */
export function isForPool(object: KubeObject, pool: PoolIdentity): boolean {
  if (object.metadata.deletionTimestamp !== undefined) return false;
  const { data } = schema.safeParse(object.spec);
  return data !== undefined && data.poolRef.name === pool.name && data.poolRef.group === pool.group;
}
