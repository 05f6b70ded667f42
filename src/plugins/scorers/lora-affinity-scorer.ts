import { z } from 'zod';
import type { Endpoint, EndpointMetrics } from '../../framework/endpoint.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { Scorer } from '../../framework/scorer.ts';
import { METRIC_KEYS } from '../attributes/metrics.ts';

/**
 * Prefers endpoints that have the request's LoRA adapter loaded, then those with a free adapter slot.
 *
 * 1.0  the adapter is active
 * 0.8  active + waiting adapters < most adapters at once (an adapter in both sets counts twice)
 * 0.6  the adapter is waiting
 * 0.0  otherwise
 * llm-d-router: pkg/epp/framework/plugins/scheduling/scorer/loraaffinity
 */
class LoraAffinityScorer implements Scorer {
  readonly category = 'affinity';

  score(request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void {
    const model = request.targetModel;
    let i = 0;
    for (const candidate of candidates) {
      out[i] = affinity(model, candidate.metrics);
      i += 1;
    }
  }
}

function affinity(model: string, metrics: EndpointMetrics): number {
  const { activeModels, waitingModels } = metrics;
  if (activeModels.has(model)) return 1;
  if (activeModels.size + waitingModels.size < metrics.maxActiveModels) return 0.8;
  return waitingModels.has(model) ? 0.6 : 0;
}

/** `lora-affinity-scorer`. */
export const loraAffinityScorer = definePlugin({
  type: 'lora-affinity-scorer',
  kinds: ['scorer'],
  stability: 'beta',
  summary: 'Prefers endpoints that have the requested LoRA adapter loaded or room for it.',
  params: z.strictObject({}),
  ignoresParameters: true,
  dependencies: () => ({ requires: [METRIC_KEYS.activeModels, METRIC_KEYS.waitingModels] }),
  create: () => new LoraAffinityScorer(),
});
