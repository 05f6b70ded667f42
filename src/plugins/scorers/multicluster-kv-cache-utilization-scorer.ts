import { z } from 'zod';
import type { Endpoint } from '../../framework/endpoint.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { Scorer } from '../../framework/scorer.ts';
import { MULTICLUSTER_KV_CACHE_UTILIZATION } from '../attributes/multicluster.ts';

/**
 * Prefers the cluster whose KV caches are least in use.
 *
 * score = 1 - use, cut to 0..1; 0 for a cluster that reports none.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/scorer/multicluster
 */
class MulticlusterKvCacheUtilizationScorer implements Scorer {
  readonly category = 'distribution';

  score(_request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void {
    let i = 0;
    for (const candidate of candidates) {
      const use = candidate.attributes.get(MULTICLUSTER_KV_CACHE_UTILIZATION) ?? 1;
      out[i] = Math.min(1, Math.max(0, 1 - use));
      i += 1;
    }
  }
}

/** `multicluster-kv-cache-utilization-scorer`. */
export const multiclusterKvCacheUtilizationScorer = definePlugin({
  type: 'multicluster-kv-cache-utilization-scorer',
  kinds: ['scorer'],
  stability: 'alpha',
  summary: 'Prefers clusters whose KV caches are less in use.',
  params: z.strictObject({}),
  ignoresParameters: true,
  dependencies: () => ({ requires: [MULTICLUSTER_KV_CACHE_UTILIZATION] }),
  create: () => new MulticlusterKvCacheUtilizationScorer(),
});
