import type { Extractor, PollSource } from './data-source.ts';
import type { EndpointDiscovery } from './discovery.ts';
import type { Filter } from './filter.ts';
import type {
  Admitter,
  DataProducer,
  EndpointObserver,
  HeaderProcessor,
  ObjectObserver,
  PreRequestHook,
  ReadinessCheck,
  ResponseBodyHook,
  ResponseHeaderHook,
  Screener,
} from './hooks.ts';
import type { Parser } from './parser.ts';
import type { Picker } from './picker.ts';
import type { Named } from './plugin.ts';
import type { ProfileHandler } from './profile-handler.ts';
import type { SaturationDetector } from './saturation.ts';
import type { Scorer } from './scorer.ts';

/** One scheduling profile with its instances, in configuration order. */
export interface ProfileSpec {
  readonly name: string;
  readonly filters: readonly Named<Filter>[];
  readonly scorers: readonly (Named<Scorer> & { readonly weight: number })[];
  readonly picker: Named<Picker>;
}

/** Everything a configuration amounts to: made by `config/build.ts`, wired by `cli/run.ts`. */
export interface Pipeline {
  readonly profiles: readonly ProfileSpec[];
  readonly handler: Named<ProfileHandler>;
  /** In the order in which they run. */
  readonly headerProcessors: readonly Named<HeaderProcessor>[];
  readonly screeners: readonly Named<Screener>[];
  readonly producers: readonly Named<DataProducer>[];
  readonly admitters: readonly Named<Admitter>[];
  readonly preRequestHooks: readonly Named<PreRequestHook>[];
  readonly responseHeaderHooks: readonly Named<ResponseHeaderHook>[];
  readonly responseBodyHooks: readonly Named<ResponseBodyHook>[];
  readonly endpointObservers: readonly Named<EndpointObserver>[];
  readonly objectObservers: readonly Named<ObjectObserver>[];
  readonly readinessChecks: readonly Named<ReadinessCheck>[];
  /** In configuration order; a fallback, if any, is last. */
  readonly parsers: readonly Named<Parser>[];
  readonly saturationDetector: Named<SaturationDetector>;
  readonly sources: readonly {
    readonly source: Named<PollSource>;
    readonly extractors: readonly Named<Extractor>[];
  }[];
  /** Undefined when endpoints come from elsewhere. */
  readonly discovery: Named<EndpointDiscovery> | undefined;
  /** Every instance, in declaration order, then injected ones; for `/debug/plugins/state`. */
  readonly plugins: readonly Named<object>[];
}
