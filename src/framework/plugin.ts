import type { z } from 'zod';
import type { Clock } from '../util/clock.ts';
import type { Rng } from '../util/rng.ts';
import type { AttributeKey } from './attribute.ts';
import type { Endpoint } from './endpoint.ts';
import type { Instruments } from './instruments.ts';
import type { Log } from './log.ts';

/** Extension points. An instance may serve several; each is listed in its definition. */
export type PluginKind =
  | 'filter'
  | 'scorer'
  | 'picker'
  | 'profile-handler'
  | 'parser'
  | 'header-processor'
  | 'screener'
  | 'producer'
  | 'admitter'
  | 'decider'
  | 'pre-request'
  | 'response-header'
  | 'response-body'
  | 'endpoint-observer'
  | 'object-observer'
  | 'readiness-check'
  | 'state-dumper'
  | 'source'
  | 'event-source'
  | 'extractor'
  | 'discovery'
  | 'saturation-detector';

/** How far a plugin's behaviour and parameters may still change. Alpha needs `--allow-experimental-plugins`. */
export type Stability = 'alpha' | 'beta' | 'stable';

/** What a plugin gets besides its parameters. */
export interface PluginContext {
  /** Instance name, unique in the configuration. */
  readonly name: string;
  readonly type: string;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Log;
  readonly instruments: Instruments;
  /** Pool members at the time of the call. */
  endpoints(): readonly Endpoint[];
  /** Pools that share the memory of the process, each with an instance of its own; 1 or more. */
  readonly pools: number;
  /** Aborts when the process stops. */
  readonly signal: AbortSignal;
  /** Environment variables of the process; for settings that a deployment gives there. Parameters win over them. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /**
   * The instance that a parameter names, constructed before this one. Only names that the definition's `references`
   * gave; throws `ConfigurationError` for any other.
   */
  plugin(name: string): object;
}

/** A parameter that names another plugin of the configuration. */
export interface PluginReference {
  /** Where it stands below `parameters`. */
  readonly path: readonly string[];
  /** Instance name; a type in the catalogue is instantiated without parameters. */
  readonly name: string;
  /** What the named plugin must serve as; undefined: anything. */
  readonly kind: PluginKind | undefined;
}

/** A parameter that names a scheduling profile. */
export interface ProfileUse {
  /** Where it stands below `parameters`, or would stand when it is a default. */
  readonly path: readonly string[];
  readonly name: string;
  /** Without that profile nothing can be served: the start fails. Otherwise it is warned of. */
  readonly isRequired: boolean;
}

/** Data an instance makes and needs; decides automatic producers and the order of producers. */
export interface DataDependencies {
  readonly produces?: readonly AttributeKey<unknown>[];
  readonly requires?: readonly AttributeKey<unknown>[];
  /** Used when someone produces it; decides order only. */
  readonly optional?: readonly AttributeKey<unknown>[];
}

/** A plugin type as the catalogue lists it. `Params` is what the schema gives after defaults. */
export interface PluginDefinition<Params, Instance extends object> {
  /** YAML `type`, exact. */
  readonly type: string;
  readonly kinds: readonly PluginKind[];
  readonly stability: Stability;
  /** One sentence for generated docs. */
  readonly summary: string;
  /** Older names that configure the same plugin; each use logs one deprecation warning. */
  readonly aliases?: readonly string[];
  /** Set on types kept for old configurations: what to use instead. */
  readonly replacedBy?: string;
  /** Declared with `z.strictObject`; input is the YAML `parameters` object, `{}` when absent. */
  readonly params: z.ZodType<Params>;
  /** The reference accepts and ignores any `parameters` here; unknown keys only warn. */
  readonly ignoresParameters?: boolean;
  /**
   * Added without parameters, named after its type, when a plugin reads data of that producer and nobody makes it; for
   * types that are no producers. Producers are added so when their data is required, these also when it is optional.
   */
  readonly isAddedOnDemand?: boolean;
  /** Set where this version knows the type and its parameters, but lacks what it works with: the part that is missing. */
  readonly needs?: string;
  /** Other plugins that the parameters name: they are constructed first. */
  references?(params: Params): readonly PluginReference[];
  /** Scheduling profiles that the parameters name and that should exist; `names`: those that do. */
  profiles?(params: Params, names: readonly string[]): readonly ProfileUse[];
  /** Keys depend on parameters and, for produced ones, on the instance name. */
  dependencies?(params: Params, name: string): DataDependencies;
  /** Throws `ConfigurationError` when parameters contradict each other. */
  create(params: Params, context: PluginContext): Instance;
}

/** A definition whose parameter type does not matter to the reader: the catalogue's element type. */
// biome-ignore lint/suspicious/noExplicitAny: parameters are contravariant in create(); each use parses first
export type AnyPluginDefinition = PluginDefinition<any, object>;

/** Identity function that checks a definition's types. */
export function definePlugin<Params, Instance extends object>(
  definition: PluginDefinition<Params, Instance>,
): PluginDefinition<Params, Instance> {
  return definition;
}

/** An instance with its identity, as stages keep it for metrics and logs. */
export interface Named<T> {
  readonly name: string;
  readonly type: string;
  readonly plugin: T;
}
