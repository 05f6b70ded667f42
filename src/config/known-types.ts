/** Plugin types of the reference (`llm-d-router` of 2026-08): an absent one is unavailable, not unknown. */
export const KNOWN_TYPES: ReadonlySet<string> = new Set(
  `active-request-scorer agent-identity always-disagg-multimodal-decider always-disagg-pd-decider anthropic-parser
  approx-prefix-cache-producer burst-prefix-cache-producer by-label by-label-selector concurrency-detector
  context-length-aware core-metrics-extractor data-parallel-profile-handler dcgm-data-source dcgm-extractor decode-filter
  destination-endpoint-served-verifier disagg-headers-handler disagg-profile-handler disaggregatedset-rollout-screener
  edf-ordering-policy encode-filter endpoint-attribute-filter endpoint-attribute-scorer endpoint-notification-source
  fcfs-ordering-policy file-discovery global-strict-fairness-policy header-based-testing-filter
  header-label-affinity-scorer header-profile-handler inflight-load-producer k8s-notification-source
  kv-cache-utilization-scorer label-selector-filter latency-scorer latency-slo-admitter load-aware-scorer
  lora-affinity-scorer max-score-picker metrics-data-source mm-embeddings-cache-producer mm-embeddings-cache-scorer
  models-data-extractor models-data-source multicluster-approx-prefix-cache-producer multicluster-file-discovery
  multicluster-kv-cache-utilization-scorer multicluster-metrics-data-source multicluster-metrics-extractor
  multicluster-prefix-cache-scorer multicluster-queue-scorer multicluster-session-affinity-filter no-hit-lru-scorer
  openai-parser p2p-source-producer passthrough-parser pd-profile-handler precise-prefix-cache-producer
  precise-prefix-cache-scorer predicted-latency-producer prefill-filter prefill-header-handler prefix-based-pd-decider
  prefix-cache-affinity-filter prefix-cache-scorer priority-holdback-policy priority-then-time-eviction-order-policy
  probabilistic-admitter program-aware-fairness queue-scorer random-picker request-attribute-reporter
  round-robin-fairness-policy running-requests-size-scorer session-affinity-filter session-affinity-scorer
  session-id-producer sglanghttp-parser sheddable-eviction-filter single-profile-handler slo-deadline-ordering-policy
  slo-headroom-tier-filter soft-reflective-ceiling-policy static-usage-limit-policy token-load-scorer token-producer
  tokenizer topology-affinity-filter topology-affinity-scorer topology-extractor utilization-detector utilization-filter
  vertexai-parser vllmgrpc-parser vllmhttp-parser weighted-random-picker`.split(/\s+/),
);

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
