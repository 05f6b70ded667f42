import { z } from 'zod';
import type { AttributeKey } from '../../framework/attribute.ts';
import type { Extractor } from '../../framework/data-source.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { definePlugin } from '../../framework/plugin.ts';
import { MULTICLUSTER_KV_CACHE_UTILIZATION, MULTICLUSTER_QUEUE_SIZE } from '../attributes/multicluster.ts';
import { PageReader } from './series/page-reader.ts';
import { ScalarPick } from './series/scalar-pick.ts';
import { metricSpec } from './series/spec-field.ts';

const params = z.strictObject({
  kvCacheUtilizationMetric: metricSpec()
    .default('llm_d_epp_average_kv_cache_utilization')
    .describe("Metric of the pool's mean KV-cache use, 0 to 1; empty for none."),
  queueSizeMetric: metricSpec()
    .default('llm_d_epp_average_queue_size')
    .describe("Metric of the pool's mean waiting requests; empty for none."),
});

type Params = z.infer<typeof params>;

/** Each metric stands for itself; `endpoint.scraped`, which is about model servers, is left alone. */
class MulticlusterMetricsExtractor implements Extractor {
  readonly payload = 'prometheus';
  readonly #reader = new PageReader();
  readonly #kvUsage: ScalarPick;
  readonly #queueSize: ScalarPick;

  constructor(config: Params) {
    this.#kvUsage = this.#reader.add(config.kvCacheUtilizationMetric, new ScalarPick('first'));
    this.#queueSize = this.#reader.add(config.queueSizeMetric, new ScalarPick('first'));
  }

  extract(bytes: Uint8Array, endpoint: Endpoint): boolean {
    this.#reader.read(bytes);
    const hasKvUsage = write(endpoint, MULTICLUSTER_KV_CACHE_UTILIZATION, this.#kvUsage.value);
    const hasQueueSize = write(endpoint, MULTICLUSTER_QUEUE_SIZE, this.#queueSize.value);
    return hasKvUsage || hasQueueSize;
  }
}

/** A value that the page lacks stays as it was. */
function write(endpoint: Endpoint, key: AttributeKey<number>, value: number): boolean {
  if (Number.isNaN(value)) return false;
  endpoint.attributes.set(key, value);
  return true;
}

/** `multicluster-metrics-extractor` (llm-d-router: pkg/epp/framework/plugins/datalayer/extractor/multicluster). */
export const multiclusterMetricsExtractor = definePlugin<Params, Extractor>({
  type: 'multicluster-metrics-extractor',
  kinds: ['extractor'],
  stability: 'alpha',
  summary: 'Reads how busy the pool of another cluster is from the metrics of its picker.',
  params,
  dependencies: () => ({ produces: [MULTICLUSTER_KV_CACHE_UTILIZATION, MULTICLUSTER_QUEUE_SIZE] }),
  create: (config) => new MulticlusterMetricsExtractor(config),
});
