/** Names that earlier projects and releases used, and what serves today. */
export const OLD_TYPES: ReadonlyMap<string, string> = new Map([
  ['active-request-filter', 'utilization-filter'],
  ['single-profile', 'single-profile-handler'],
  ['max-score', 'max-score-picker'],
  ['random', 'random-picker'],
  ['weighted-random', 'weighted-random-picker'],
  ['prefix-cache', 'prefix-cache-scorer'],
  ['kv-cache-scorer', 'kv-cache-utilization-scorer'],
  ['kv-cache', 'kv-cache-utilization-scorer'],
  ['queue', 'queue-scorer'],
  ['lora-affinity', 'lora-affinity-scorer'],
  ['low-queue-filter', 'queue-scorer'],
  ['least-queue-filter', 'queue-scorer'],
  ['least-kv-cache-filter', 'kv-cache-utilization-scorer'],
  ['lora-affinity-filter', 'lora-affinity-scorer'],
  ['sheddable-capacity-filter', 'utilization-detector'],
  ['decision-tree-filter', 'utilization-filter'],
  ['predicted-latency-scorer', 'latency-scorer'],
  ['predicted-latency-routing', 'predicted-latency-producer'],
  ['slo-request-tracker', 'predicted-latency-producer'],
  ['slo-aware-profile-handler', 'single-profile-handler'],
]);

/**
 * Experimental types that an older stable release, or a chart of the reference, uses without
 * `--allow-experimental-plugins`: they start with a warning.
 */
export const UNGATED_TYPES: ReadonlySet<string> = new Set([
  'session-affinity-scorer',
  'session-affinity-filter',
  'agent-identity',
]);
