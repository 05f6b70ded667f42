import { type AttributeKey, attributeKey } from '../../framework/attribute.ts';

const EXTRACTOR = 'core-metrics-extractor';

/**
 * Declarations only: the values are fields of `Endpoint.metrics`. They let the start fail when a scorer is
 * configured and nothing extracts what it reads.
 */
export const METRIC_KEYS = {
  waitingQueueSize: attributeKey<number>('WaitingQueueSize', EXTRACTOR),
  runningRequestsSize: attributeKey<number>('RunningRequestsSize', EXTRACTOR),
  kvCacheUsage: attributeKey<number>('KVCacheUsagePercent', EXTRACTOR),
  activeModels: attributeKey<ReadonlySet<string>>('ActiveModels', EXTRACTOR),
  waitingModels: attributeKey<ReadonlySet<string>>('WaitingModels', EXTRACTOR),
} as const;

/** On the endpoint: a scalar that `customMetrics` of an engine configuration extracts. */
export function customMetricKey(dataType: string): AttributeKey<number> {
  return attributeKey(dataType, EXTRACTOR);
}
