import type { AnyPluginDefinition } from '../framework/plugin.ts';
import { fileDiscovery } from './discovery/file-discovery.ts';
import { coreMetricsExtractor } from './extractors/core-metrics-extractor.ts';
import { byLabel } from './filters/by-label.ts';
import { decodeFilter } from './filters/decode-filter.ts';
import { encodeFilter } from './filters/encode-filter.ts';
import { headerBasedTestingFilter } from './filters/header-based-testing-filter.ts';
import { labelSelectorFilter } from './filters/label-selector-filter.ts';
import { prefillFilter } from './filters/prefill-filter.ts';
import { sessionAffinityFilter } from './filters/session-affinity-filter.ts';
import { agentIdentity } from './header-processors/agent-identity.ts';
import { anthropicParser } from './parsers/anthropic-parser.ts';
import { openaiParser } from './parsers/openai-parser.ts';
import { passthroughParser } from './parsers/passthrough-parser.ts';
import { vllmhttpParser } from './parsers/vllmhttp-parser.ts';
import { maxScorePicker } from './pickers/max-score-picker.ts';
import { randomPicker } from './pickers/random-picker.ts';
import { weightedRandomPicker } from './pickers/weighted-random-picker.ts';
import { approxPrefixCacheProducer } from './producers/approx-prefix-cache-producer.ts';
import { inflightLoadProducer } from './producers/inflight-load-producer.ts';
import { sessionIdProducer } from './producers/session-id-producer.ts';
import { tokenProducer } from './producers/token-producer.ts';
import { singleProfileHandler } from './profile-handlers/single-profile-handler.ts';
import { concurrencyDetector } from './saturation/concurrency-detector.ts';
import { utilizationDetector } from './saturation/utilization-detector.ts';
import { activeRequestScorer } from './scorers/active-request-scorer.ts';
import { kvCacheUtilizationScorer } from './scorers/kv-cache-utilization-scorer.ts';
import { loadAwareScorer } from './scorers/load-aware-scorer.ts';
import { loraAffinityScorer } from './scorers/lora-affinity-scorer.ts';
import { noHitLruScorer } from './scorers/no-hit-lru-scorer.ts';
import { prefixCacheScorer } from './scorers/prefix-cache-scorer.ts';
import { queueScorer } from './scorers/queue-scorer.ts';
import { runningRequestsSizeScorer } from './scorers/running-requests-size-scorer.ts';
import { sessionAffinityScorer } from './scorers/session-affinity-scorer.ts';
import { metricsDataSource } from './sources/metrics-data-source.ts';

const FILTERS: readonly AnyPluginDefinition[] = [
  decodeFilter,
  encodeFilter,
  headerBasedTestingFilter,
  labelSelectorFilter,
  prefillFilter,
  sessionAffinityFilter,
  byLabel,
];
export const SCORERS: readonly AnyPluginDefinition[] = [
  activeRequestScorer,
  kvCacheUtilizationScorer,
  loadAwareScorer,
  loraAffinityScorer,
  noHitLruScorer,
  prefixCacheScorer,
  queueScorer,
  runningRequestsSizeScorer,
  sessionAffinityScorer,
];
const PICKERS: readonly AnyPluginDefinition[] = [maxScorePicker, randomPicker, weightedRandomPicker];
const PROFILE_HANDLERS: readonly AnyPluginDefinition[] = [singleProfileHandler];
const HEADER_PROCESSORS: readonly AnyPluginDefinition[] = [agentIdentity];
const PRODUCERS: readonly AnyPluginDefinition[] = [
  tokenProducer,
  approxPrefixCacheProducer,
  inflightLoadProducer,
  sessionIdProducer,
];
const PARSERS: readonly AnyPluginDefinition[] = [
  openaiParser,
  anthropicParser,
  vllmhttpParser,
  passthroughParser,
];
const SATURATION_DETECTORS: readonly AnyPluginDefinition[] = [concurrencyDetector, utilizationDetector];
const SOURCES: readonly AnyPluginDefinition[] = [metricsDataSource];
const EXTRACTORS: readonly AnyPluginDefinition[] = [coreMetricsExtractor];
const DISCOVERY: readonly AnyPluginDefinition[] = [fileDiscovery];

/** Every built-in plugin. A type or alias listed twice fails the start. */
export const CATALOGUE: readonly AnyPluginDefinition[] = [
  ...FILTERS,
  ...SCORERS,
  ...PICKERS,
  ...PROFILE_HANDLERS,
  ...HEADER_PROCESSORS,
  ...PRODUCERS,
  ...PARSERS,
  ...SATURATION_DETECTORS,
  ...SOURCES,
  ...EXTRACTORS,
  ...DISCOVERY,
];
