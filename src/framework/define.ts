import type { EventSource, Extractor, PollSource } from './data-source.ts';
import type { EndpointDiscovery } from './discovery.ts';
import type { Filter } from './filter.ts';
import type {
  Admitter,
  DataProducer,
  Decider,
  EndpointObserver,
  HeaderProcessor,
  PreRequestHook,
  ResponseBodyHook,
  ResponseHeaderHook,
  Screener,
} from './hooks.ts';
import type { Parser } from './parser.ts';
import type { Picker } from './picker.ts';
import type { PluginDefinition, PluginKind } from './plugin.ts';
import type { ProfileHandler } from './profile-handler.ts';
import type { SaturationDetector } from './saturation.ts';
import type { Scorer } from './scorer.ts';

/** A definition of one kind; `alsoServes` lists further kinds that the same instance is. */
export type KindDefinition<Params, Instance extends object> = Omit<
  PluginDefinition<Params, Instance>,
  'kinds'
> & {
  readonly alsoServes?: readonly PluginKind[];
};

type Define<Kind extends object> = <Params, Instance extends Kind>(
  definition: KindDefinition<Params, Instance>,
) => PluginDefinition<Params, Instance>;

function defineKind<Kind extends object>(kind: PluginKind): Define<Kind> {
  return ({ alsoServes = [], ...definition }) => ({ ...definition, kinds: [kind, ...alsoServes] });
}

/** A plugin that rates candidates. */
export const defineScorer: Define<Scorer> = defineKind('scorer');
/** A plugin that removes candidates in a profile. */
export const defineFilter: Define<Filter> = defineKind('filter');
/** A plugin that chooses among rated candidates. */
export const definePicker: Define<Picker> = defineKind('picker');
/** A plugin that decides which profiles run. */
export const defineProfileHandler: Define<ProfileHandler> = defineKind('profile-handler');
/** A plugin that understands the bodies of an API. */
export const defineParser: Define<Parser> = defineKind('parser');
/** A plugin that reads request headers before admission. */
export const defineHeaderProcessor: Define<HeaderProcessor> = defineKind('header-processor');
/** A plugin that removes candidates for all profiles. */
export const defineScreener: Define<Screener> = defineKind('screener');
/** A plugin that finds something out before scheduling. */
export const defineProducer: Define<DataProducer> = defineKind('producer');
/** A plugin that may refuse requests. */
export const defineAdmitter: Define<Admitter> = defineKind('admitter');
/** A plugin that says whether a stage of a disaggregated request runs. */
export const defineDecider: Define<Decider> = defineKind('decider');
/** A plugin that runs between scheduling and the answer to the proxy. */
export const definePreRequestHook: Define<PreRequestHook> = defineKind('pre-request');
/** A plugin that sees response headers. */
export const defineResponseHeaderHook: Define<ResponseHeaderHook> = defineKind('response-header');
/** A plugin that sees responses begin and end. */
export const defineResponseBodyHook: Define<ResponseBodyHook> = defineKind('response-body');
/** A plugin that follows the pool's members. */
export const defineEndpointObserver: Define<EndpointObserver> = defineKind('endpoint-observer');
/** A plugin that says how full endpoints are. */
export const defineSaturationDetector: Define<SaturationDetector> = defineKind('saturation-detector');
/** A plugin that reads something from each endpoint at intervals. */
export const defineSource: Define<PollSource> = defineKind('source');
/** A plugin that names events as a source. */
export const defineEventSource: Define<EventSource> = defineKind('event-source');
/** A plugin that turns a source's bytes into data. */
export const defineExtractor: Define<Extractor> = defineKind('extractor');
/** A plugin that finds endpoints. */
export const defineDiscovery: Define<EndpointDiscovery> = defineKind('discovery');
