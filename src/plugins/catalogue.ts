import type { AnyPluginDefinition } from '../framework/plugin.ts';
import { latencySloAdmitter } from './admitters/latency-slo-admitter.ts';
import { probabilisticAdmitter } from './admitters/probabilistic-admitter.ts';
import { alwaysDisaggMultimodalDecider } from './deciders/always-disagg-multimodal-decider.ts';
import { alwaysDisaggPdDecider } from './deciders/always-disagg-pd-decider.ts';
import { prefixBasedPdDecider } from './deciders/prefix-based-pd-decider.ts';
import { fileDiscovery } from './discovery/file-discovery.ts';
import { multiclusterFileDiscovery } from './discovery/multicluster-file-discovery.ts';
import { coreMetricsExtractor } from './extractors/core-metrics-extractor.ts';
import { dcgmExtractor } from './extractors/dcgm-extractor.ts';
import { modelsDataExtractor } from './extractors/models-data-extractor.ts';
import { multiclusterMetricsExtractor } from './extractors/multicluster-metrics-extractor.ts';
import { topologyExtractor } from './extractors/topology-extractor.ts';
import { byLabel } from './filters/by-label.ts';
import { decodeFilter } from './filters/decode-filter.ts';
import { encodeFilter } from './filters/encode-filter.ts';
import { endpointAttributeFilter } from './filters/endpoint-attribute-filter.ts';
import { headerBasedTestingFilter } from './filters/header-based-testing-filter.ts';
import { labelSelectorFilter } from './filters/label-selector-filter.ts';
import { multiclusterSessionAffinityFilter } from './filters/multicluster-session-affinity-filter.ts';
import { prefillFilter } from './filters/prefill-filter.ts';
import { prefixCacheAffinityFilter } from './filters/prefix-cache-affinity-filter.ts';
import { sessionAffinityFilter } from './filters/session-affinity-filter.ts';
import { sloHeadroomTierFilter } from './filters/slo-headroom-tier-filter.ts';
import { topologyAffinityFilter } from './filters/topology-affinity-filter.ts';
import { utilizationFilter } from './filters/utilization-filter.ts';
import { agentIdentity } from './header-processors/agent-identity.ts';
import { anthropicParser } from './parsers/anthropic-parser.ts';
import { openaiParser } from './parsers/openai-parser.ts';
import { passthroughParser } from './parsers/passthrough-parser.ts';
import { sglanghttpParser } from './parsers/sglanghttp-parser.ts';
import { vertexaiParser } from './parsers/vertexai-parser.ts';
import { vllmgrpcParser } from './parsers/vllmgrpc-parser.ts';
import { vllmhttpParser } from './parsers/vllmhttp-parser.ts';
import { maxScorePicker } from './pickers/max-score-picker.ts';
import { randomPicker } from './pickers/random-picker.ts';
import { softmaxPicker } from './pickers/softmax-picker.ts';
import { weightedRandomPicker } from './pickers/weighted-random-picker.ts';
import { PLANNED } from './planned-types.ts';
import { disaggHeadersHandler } from './pre-request-hooks/disagg-headers-handler.ts';
import { approxPrefixCacheProducer } from './producers/approx-prefix-cache-producer.ts';
import { burstPrefixCacheProducer } from './producers/burst-prefix-cache-producer.ts';
import { inflightLoadProducer } from './producers/inflight-load-producer.ts';
import { mmEmbeddingsCacheProducer } from './producers/mm-embeddings-cache-producer.ts';
import { multiclusterApproxPrefixCacheProducer } from './producers/multicluster-approx-prefix-cache-producer.ts';
import { p2pSourceProducer } from './producers/p2p-source-producer.ts';
import { predictedLatencyProducer } from './producers/predicted-latency-producer.ts';
import { sessionIdProducer } from './producers/session-id-producer.ts';
import { tokenProducer } from './producers/token-producer.ts';
import { dataParallelProfileHandler } from './profile-handlers/data-parallel-profile-handler.ts';
import { disaggProfileHandler } from './profile-handlers/disagg-profile-handler.ts';
import { headerProfileHandler } from './profile-handlers/header-profile-handler.ts';
import { pdProfileHandler } from './profile-handlers/pd-profile-handler.ts';
import { singleProfileHandler } from './profile-handlers/single-profile-handler.ts';
import { destinationEndpointServedVerifier } from './response-hooks/destination-endpoint-served-verifier.ts';
import { requestAttributeReporter } from './response-hooks/request-attribute-reporter.ts';
import { concurrencyDetector } from './saturation/concurrency-detector.ts';
import { utilizationDetector } from './saturation/utilization-detector.ts';
import { activeRequestScorer } from './scorers/active-request-scorer.ts';
import { contextLengthAware } from './scorers/context-length-aware.ts';
import { endpointAttributeScorer } from './scorers/endpoint-attribute-scorer.ts';
import { headerLabelAffinityScorer } from './scorers/header-label-affinity-scorer.ts';
import { kvCacheUtilizationScorer } from './scorers/kv-cache-utilization-scorer.ts';
import { latencyScorer } from './scorers/latency-scorer.ts';
import { lmetricScorer } from './scorers/lmetric-scorer.ts';
import { loadAwareScorer } from './scorers/load-aware-scorer.ts';
import { loraAffinityScorer } from './scorers/lora-affinity-scorer.ts';
import { mmEmbeddingsCacheScorer } from './scorers/mm-embeddings-cache-scorer.ts';
import { multiclusterKvCacheUtilizationScorer } from './scorers/multicluster-kv-cache-utilization-scorer.ts';
import { multiclusterPrefixCacheScorer } from './scorers/multicluster-prefix-cache-scorer.ts';
import { multiclusterQueueScorer } from './scorers/multicluster-queue-scorer.ts';
import { noHitLruScorer } from './scorers/no-hit-lru-scorer.ts';
import { prefixCacheScorer } from './scorers/prefix-cache-scorer.ts';
import { prefixHashScorer } from './scorers/prefix-hash-scorer.ts';
import { queueScorer } from './scorers/queue-scorer.ts';
import { runningRequestsSizeScorer } from './scorers/running-requests-size-scorer.ts';
import { sessionAffinityScorer } from './scorers/session-affinity-scorer.ts';
import { tokenLoadScorer } from './scorers/token-load-scorer.ts';
import { topologyAffinityScorer } from './scorers/topology-affinity-scorer.ts';
import { disaggregatedsetRolloutScreener } from './screeners/disaggregatedset-rollout-screener.ts';
import { dcgmDataSource } from './sources/dcgm-data-source.ts';
import { endpointNotificationSource } from './sources/endpoint-notification-source.ts';
import { k8sNotificationSource } from './sources/k8s-notification-source.ts';
import { metricsDataSource } from './sources/metrics-data-source.ts';
import { modelsDataSource } from './sources/models-data-source.ts';
import { multiclusterMetricsDataSource } from './sources/multicluster-metrics-data-source.ts';

const FILTERS: readonly AnyPluginDefinition[] = [
  decodeFilter,
  encodeFilter,
  endpointAttributeFilter,
  headerBasedTestingFilter,
  labelSelectorFilter,
  multiclusterSessionAffinityFilter,
  prefillFilter,
  prefixCacheAffinityFilter,
  sessionAffinityFilter,
  sloHeadroomTierFilter,
  topologyAffinityFilter,
  utilizationFilter,
  byLabel,
];
export const SCORERS: readonly AnyPluginDefinition[] = [
  activeRequestScorer,
  contextLengthAware,
  endpointAttributeScorer,
  headerLabelAffinityScorer,
  kvCacheUtilizationScorer,
  latencyScorer,
  lmetricScorer,
  loadAwareScorer,
  loraAffinityScorer,
  mmEmbeddingsCacheScorer,
  multiclusterKvCacheUtilizationScorer,
  multiclusterPrefixCacheScorer,
  multiclusterQueueScorer,
  noHitLruScorer,
  prefixCacheScorer,
  prefixHashScorer,
  queueScorer,
  runningRequestsSizeScorer,
  sessionAffinityScorer,
  tokenLoadScorer,
  topologyAffinityScorer,
];
const PICKERS: readonly AnyPluginDefinition[] = [
  maxScorePicker,
  randomPicker,
  softmaxPicker,
  weightedRandomPicker,
];
const PROFILE_HANDLERS: readonly AnyPluginDefinition[] = [
  dataParallelProfileHandler,
  disaggProfileHandler,
  headerProfileHandler,
  pdProfileHandler,
  singleProfileHandler,
];
const DECIDERS: readonly AnyPluginDefinition[] = [
  alwaysDisaggMultimodalDecider,
  alwaysDisaggPdDecider,
  prefixBasedPdDecider,
];
const PRE_REQUEST_HOOKS: readonly AnyPluginDefinition[] = [disaggHeadersHandler];
const SCREENERS: readonly AnyPluginDefinition[] = [disaggregatedsetRolloutScreener];
const HEADER_PROCESSORS: readonly AnyPluginDefinition[] = [agentIdentity];
const ADMITTERS: readonly AnyPluginDefinition[] = [latencySloAdmitter, probabilisticAdmitter];
const PRODUCERS: readonly AnyPluginDefinition[] = [
  tokenProducer,
  approxPrefixCacheProducer,
  multiclusterApproxPrefixCacheProducer,
  burstPrefixCacheProducer,
  inflightLoadProducer,
  mmEmbeddingsCacheProducer,
  p2pSourceProducer,
  predictedLatencyProducer,
  sessionIdProducer,
];
const PARSERS: readonly AnyPluginDefinition[] = [
  openaiParser,
  anthropicParser,
  vllmhttpParser,
  sglanghttpParser,
  vllmgrpcParser,
  vertexaiParser,
  passthroughParser,
];
const RESPONSE_HOOKS: readonly AnyPluginDefinition[] = [
  destinationEndpointServedVerifier,
  requestAttributeReporter,
];
const SATURATION_DETECTORS: readonly AnyPluginDefinition[] = [concurrencyDetector, utilizationDetector];
const SOURCES: readonly AnyPluginDefinition[] = [
  metricsDataSource,
  dcgmDataSource,
  modelsDataSource,
  multiclusterMetricsDataSource,
  endpointNotificationSource,
  k8sNotificationSource,
];
const EXTRACTORS: readonly AnyPluginDefinition[] = [
  coreMetricsExtractor,
  dcgmExtractor,
  modelsDataExtractor,
  multiclusterMetricsExtractor,
  topologyExtractor,
];
const DISCOVERY: readonly AnyPluginDefinition[] = [fileDiscovery, multiclusterFileDiscovery];

/** Every built-in plugin. A type or alias listed twice fails the start. */
export const CATALOGUE: readonly AnyPluginDefinition[] = [
  ...FILTERS,
  ...SCORERS,
  ...PICKERS,
  ...PROFILE_HANDLERS,
  ...DECIDERS,
  ...PRE_REQUEST_HOOKS,
  ...SCREENERS,
  ...HEADER_PROCESSORS,
  ...PRODUCERS,
  ...ADMITTERS,
  ...PARSERS,
  ...RESPONSE_HOOKS,
  ...SATURATION_DETECTORS,
  ...SOURCES,
  ...EXTRACTORS,
  ...DISCOVERY,
  ...PLANNED,
];
