import { z } from 'zod';
import type { Endpoint } from '../../framework/endpoint.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { Scorer } from '../../framework/scorer.ts';
import { METRIC_KEYS } from '../attributes/metrics.ts';

/**
 * Prefers the endpoint with the most free KV cache.
 *
 * score = 1 - kvCacheUsage, not below 0; absolute, not normalised over the candidates.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/scorer/kvcacheutilization
 */
class KvCacheUtilizationScorer implements Scorer {
  readonly category = 'distribution';

  score(_request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void {
    let i = 0;
    for (const candidate of candidates) {
      const free = 1 - candidate.metrics.kvCacheUsage;
      out[i] = Math.max(free, 0);
      i += 1;
    }
  }
}

/** `kv-cache-utilization-scorer`. */
export const kvCacheUtilizationScorer = definePlugin({
  type: 'kv-cache-utilization-scorer',
  kinds: ['scorer'],
  stability: 'beta',
  summary: 'Prefers endpoints with more free KV cache.',
  params: z.strictObject({}),
  ignoresParameters: true,
  dependencies: () => ({ requires: [METRIC_KEYS.kvCacheUsage] }),
  create: () => new KvCacheUtilizationScorer(),
});
