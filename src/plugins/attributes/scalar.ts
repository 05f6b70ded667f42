import { type AttributeKey, attributeKey } from '../../framework/attribute.ts';

/** Producer of the metrics that `customMetrics` of an engine configuration names. */
export const DEFAULT_SCALAR_PRODUCER = 'core-metrics-extractor';

/**
 * On the endpoint: a number that a configuration names. `producer`: instance name; '' for an attribute that has none.
 * Whoever reads it must check that it is a number, since a configuration may name data of another type.
 */
export function scalarKey(dataType: string, producer: string): AttributeKey<unknown> {
  return attributeKey(dataType, producer);
}

/** On the endpoint: share of time that the busiest GPU of the pod was at work, 0..1. `producer`: instance name. */
export function gpuUtilizationKey(producer: string): AttributeKey<number> {
  return attributeKey('GPUUtilization', producer);
}
