import { z } from 'zod';
import type { Endpoint } from '../../framework/endpoint.ts';
import { type Filter, keepWhere } from '../../framework/filter.ts';
import { definePlugin, type PluginContext } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { SaturationDetector } from '../../framework/saturation.ts';
import { duration, fraction } from '../../framework/schema.ts';
import { LogGate } from '../../util/log-gate.ts';
import { METRIC_KEYS } from '../attributes/metrics.ts';

const params = z.strictObject({
  queueDepthThreshold: z.int().min(1).default(5).describe('Waiting requests at which an endpoint is full.'),
  kvCacheUtilThreshold: fraction()
    .gt(0)
    .default(0.8)
    .describe('Share of the KV cache in use at which an endpoint is full.'),
  metricsStalenessThreshold: duration()
    .refine((ms) => ms > 0, 'must be above 0')
    .default(200)
    .describe('Age above which metrics no longer count and the endpoint is taken as full.'),
  headroom: z
    .number()
    .min(0)
    .default(0)
    .describe('Share by which both limits are raised where the plugin is used as a filter.'),
});

/** An idle pool is scraped seldom on purpose; the first request after that must not find it stale. */
const MISSABLE_SCRAPES = 2;

/**
 * Saturation from what model servers report: the mean over endpoints of
 * max(waiting / queueDepthThreshold, kvCacheUsage / kvCacheUtilThreshold), 1 for an endpoint whose metrics are
 * missing or older than metricsStalenessThreshold and than twice the interval at which it is scraped as of now.
 *
 * As a filter it drops stale endpoints and those with waiting >= queueDepthThreshold × (1 + headroom) or
 * kvCacheUsage >= kvCacheUtilThreshold × (1 + headroom); when that leaves nobody, all stay.
 * llm-d-router: pkg/epp/framework/plugins/flowcontrol/saturationdetector/utilization
 */
class UtilizationDetector implements SaturationDetector, Filter {
  readonly #config: z.infer<typeof params>;
  readonly #context: PluginContext;
  readonly #waitingLimit: number;
  readonly #kvCacheLimit: number;
  #staleEndpoints = 0;
  readonly #staleGate = new LogGate();

  constructor(config: z.infer<typeof params>, context: PluginContext) {
    this.#config = config;
    this.#context = context;
    this.#waitingLimit = config.queueDepthThreshold * (1 + config.headroom);
    this.#kvCacheLimit = config.kvCacheUtilThreshold * (1 + config.headroom);
    context.instruments.gauge(
      'flow_control_stale_endpoints',
      { detector: context.name },
      () => this.#staleEndpoints,
    );
  }

  saturation(endpoints: readonly Endpoint[], nowMs: number): number {
    const { queueDepthThreshold, kvCacheUtilThreshold } = this.#config;
    let sum = 0;
    let stale = 0;
    for (const endpoint of endpoints) {
      const { waitingQueueSize, kvCacheUsage } = endpoint.scraped;
      if (this.#isStale(endpoint, nowMs)) {
        stale += 1;
        sum += 1;
      } else {
        const queue = waitingQueueSize / queueDepthThreshold;
        const cache = kvCacheUsage / kvCacheUtilThreshold;
        sum += Math.max(queue, cache);
      }
    }
    this.#staleEndpoints = stale;
    if (stale > 0 && this.#staleGate.pass(nowMs)) this.#logStale(stale, endpoints.length);
    return endpoints.length === 0 ? 1 : sum / endpoints.length;
  }

  filter(_request: InferenceRequest, candidates: readonly Endpoint[]): readonly Endpoint[] {
    const nowMs = this.#context.clock.nowMs();
    const kept = keepWhere(candidates, (candidate) => this.#hasRoom(candidate, nowMs));
    return kept.length === 0 ? candidates : kept;
  }

  #hasRoom(endpoint: Endpoint, nowMs: number): boolean {
    const { waitingQueueSize, kvCacheUsage } = endpoint.scraped;
    if (waitingQueueSize >= this.#waitingLimit || kvCacheUsage >= this.#kvCacheLimit) return false;
    return !this.#isStale(endpoint, nowMs);
  }

  #isStale(endpoint: Endpoint, nowMs: number): boolean {
    const plannedMs = MISSABLE_SCRAPES * endpoint.scrapeIntervalMs;
    const allowedMs = Math.max(this.#config.metricsStalenessThreshold, plannedMs);
    return nowMs - endpoint.scraped.updatedAtMs > allowedMs;
  }

  #logStale(stale: number, total: number): void {
    this.#context.log.warn(
      { detector: this.#context.name, stale, total },
      'endpoints without recent metrics are taken as full',
    );
  }
}

/** `utilization-detector`. */
export const utilizationDetector = definePlugin({
  type: 'utilization-detector',
  kinds: ['saturation-detector', 'filter'],
  stability: 'beta',
  summary: 'Saturation from reported queue lengths and KV-cache use; as a filter, drops full endpoints.',
  params,
  dependencies: () => ({ optional: [METRIC_KEYS.waitingQueueSize, METRIC_KEYS.kvCacheUsage] }),
  create(config, context) {
    if (config.headroom > 1) context.log.warn({ headroom: config.headroom }, 'headroom is above 1');
    return new UtilizationDetector(config, context);
  },
});
