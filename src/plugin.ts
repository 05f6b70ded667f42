/**
 * What a plugin of one's own may import: `import { defineScorer } from 'endpoint-picker/plugin'`. An explicit list; what
 * is not here is not part of the interface (docs/write-a-plugin.md).
 */
// biome-ignore lint/performance/noBarrelFile: what is published is one list
export { z } from 'zod';
export { type AttributeKey, type Attributes, attributeKey } from './framework/attribute.ts';
export type { Api, JsonObject, ParsedBody } from './framework/body.ts';
export { NO_BODY } from './framework/body.ts';
export {
  type EventSource,
  type Extractor,
  type PayloadKind,
  PollError,
  type PollSource,
} from './framework/data-source.ts';
export {
  defineAdmitter,
  defineDecider,
  defineDiscovery,
  defineEndpointObserver,
  defineEventSource,
  defineExtractor,
  defineFilter,
  defineHeaderProcessor,
  defineParser,
  definePicker,
  definePreRequestHook,
  defineProducer,
  defineProfileHandler,
  defineResponseBodyHook,
  defineResponseHeaderHook,
  defineSaturationDetector,
  defineScorer,
  defineScreener,
  defineSource,
  type KindDefinition,
} from './framework/define.ts';
export type { EndpointDiscovery, Objectives, PoolWriter } from './framework/discovery.ts';
export { Endpoint, type EndpointMetadata, EndpointMetrics, parseHostPort } from './framework/endpoint.ts';
export { ConfigurationError, type DropReason, type ErrorCode, RejectionError } from './framework/errors.ts';
export type { Filter } from './framework/filter.ts';
export { Headers } from './framework/headers.ts';
export type {
  Admitter,
  DataProducer,
  Decider,
  EndpointObserver,
  HeaderProcessor,
  ObjectKind,
  ObjectObserver,
  ObservedObject,
  Patience,
  PreRequestHook,
  ResponseBodyHook,
  ResponseHeaderHook,
  Screener,
  StateDumper,
} from './framework/hooks.ts';
export { type EndpointId, endpointId } from './framework/ids.ts';
export type { CounterCell, HistogramCell, Instruments, Labels } from './framework/instruments.ts';
export type { Log } from './framework/log.ts';
export type { Parser } from './framework/parser.ts';
export type { Picker } from './framework/picker.ts';
export {
  type DataDependencies,
  definePlugin,
  type PluginContext,
  type PluginDefinition,
  type PluginKind,
  type PluginReference,
  type Stability,
} from './framework/plugin.ts';
export type {
  ProfileHandler,
  ProfileResult,
  ProfileResults,
  SchedulingResult,
} from './framework/profile-handler.ts';
export { InferenceRequest } from './framework/request.ts';
export { InferenceResponse, type TerminationCause, Usage } from './framework/response.ts';
export type { SaturationDetector } from './framework/saturation.ts';
export { duration, fraction, quantity } from './framework/schema.ts';
export type { Scorer, ScorerCategory } from './framework/scorer.ts';
export { AGENT_IDENTITY, sessionIdKey } from './plugins/attributes/identity.ts';
export {
  type InFlightLoad,
  inFlightLoadKey,
  uncachedTokensKey,
} from './plugins/attributes/in-flight-load.ts';
export { customMetricKey, METRIC_KEYS } from './plugins/attributes/metrics.ts';
export { type PrefixMatch, prefixMatchKey } from './plugins/attributes/prefix-match.ts';
export {
  type MediaFeature,
  type PromptTokens,
  TOKENIZED_PROMPT,
  type TokenizedRequest,
} from './plugins/attributes/tokenized-prompt.ts';
export type { CancelTimer, Clock } from './util/clock.ts';
export { nextInt, type Rng } from './util/rng.ts';
