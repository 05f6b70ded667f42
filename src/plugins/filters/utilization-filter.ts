import { z } from 'zod';
import type { AttributeKey } from '../../framework/attribute.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { type Filter, keepWhere } from '../../framework/filter.ts';
import { type DataDependencies, definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import {
  DEFAULT_IN_FLIGHT_PRODUCER,
  type InFlightLoad,
  inFlightLoadKey,
} from '../attributes/in-flight-load.ts';
import { METRIC_KEYS } from '../attributes/metrics.ts';

const condition = z
  .strictObject({
    metric: z
      .enum(['active-requests', 'running-requests', 'waiting-queue', 'kv-cache-utilization'])
      .describe('What is measured: requests this picker has under way, or what the model server reports.'),
    maxValue: z
      .number()
      .min(0)
      .describe('Greatest value at which an endpoint stays; at most 1 for kv-cache-utilization.'),
  })
  .refine((value) => value.metric !== 'kv-cache-utilization' || value.maxValue <= 1, {
    path: ['maxValue'],
    message: 'want at most 1, since kv-cache-utilization is a share',
  });

type Condition = z.infer<typeof condition>;

const params = z.strictObject({
  conditions: z.array(condition).min(1).describe('Caps; an endpoint stays when it keeps all of them.'),
  fallbackOnEmpty: z.boolean().default(false).describe('Whether all stay when nobody keeps the caps.'),
  inFlightLoadProducerName: z
    .string()
    .default(DEFAULT_IN_FLIGHT_PRODUCER)
    .describe('Name of the producer whose in-flight counts active-requests reads.'),
});

/**
 * Keeps endpoints that are below every cap: value <= maxValue. What an endpoint does not report counts as 0.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/filter/utilization
 */
class UtilizationFilter implements Filter {
  readonly #conditions: readonly Condition[];
  readonly #fallsBack: boolean;
  readonly #loadKey: AttributeKey<InFlightLoad>;

  constructor(config: z.infer<typeof params>) {
    this.#conditions = config.conditions;
    this.#fallsBack = config.fallbackOnEmpty;
    this.#loadKey = inFlightLoadKey(config.inFlightLoadProducerName);
  }

  filter(_request: InferenceRequest, candidates: readonly Endpoint[]): readonly Endpoint[] {
    const kept = keepWhere(candidates, (candidate) => this.#hasRoom(candidate));
    if (kept.length === 0 && this.#fallsBack) return candidates;
    return kept;
  }

  #hasRoom(endpoint: Endpoint): boolean {
    for (const { metric, maxValue } of this.#conditions) {
      if (this.#valueOf(metric, endpoint) > maxValue) return false;
    }
    return true;
  }

  #valueOf(metric: Condition['metric'], endpoint: Endpoint): number {
    switch (metric) {
      case 'active-requests':
        return endpoint.attributes.get(this.#loadKey)?.requests ?? 0;
      case 'running-requests':
        return endpoint.metrics.runningRequestsSize;
      case 'waiting-queue':
        return endpoint.metrics.waitingQueueSize;
      case 'kv-cache-utilization':
        return endpoint.metrics.kvCacheUsage;
      default:
        return metric satisfies never;
    }
  }
}

const METRIC_OF = {
  'running-requests': METRIC_KEYS.runningRequestsSize,
  'waiting-queue': METRIC_KEYS.waitingQueueSize,
  'kv-cache-utilization': METRIC_KEYS.kvCacheUsage,
} as const;

function dependencies(config: z.infer<typeof params>): DataDependencies {
  const requires: AttributeKey<unknown>[] = [];
  const optional: AttributeKey<unknown>[] = [];
  for (const { metric } of config.conditions) {
    if (metric === 'active-requests') requires.push(inFlightLoadKey(config.inFlightLoadProducerName));
    else optional.push(METRIC_OF[metric]);
  }
  return { requires, optional };
}

/** `utilization-filter`. */
export const utilizationFilter = definePlugin({
  type: 'utilization-filter',
  kinds: ['filter'],
  stability: 'alpha',
  summary: 'Drops endpoints above a cap on requests, queue or KV-cache use.',
  params,
  dependencies,
  create: (config) => new UtilizationFilter(config),
});
