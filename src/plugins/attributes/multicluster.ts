import { type AttributeKey, attributeKey } from '../../framework/attribute.ts';

/** On an endpoint that stands for the pool of another cluster: mean waiting requests of its members. */
export const MULTICLUSTER_QUEUE_SIZE: AttributeKey<number> = attributeKey(
  'llm-d.ai/multicluster-queue-size',
  '',
);

/** On an endpoint that stands for the pool of another cluster: mean share of the KV cache in use, 0..1. */
export const MULTICLUSTER_KV_CACHE_UTILIZATION: AttributeKey<number> = attributeKey(
  'llm-d.ai/multicluster-kv-cache-utilization',
  '',
);
