import type { AttributeKey } from '../framework/attribute.ts';
import type { EventSource, Extractor, PollSource } from '../framework/data-source.ts';
import type { EndpointDiscovery } from '../framework/discovery.ts';
import { ConfigurationError } from '../framework/errors.ts';
import type { Filter } from '../framework/filter.ts';
import type {
  Admitter,
  DataProducer,
  Decider,
  EndpointObserver,
  HeaderProcessor,
  ObjectObserver,
  PreRequestHook,
  ReadinessCheck,
  ResponseBodyHook,
  ResponseHeaderHook,
  Screener,
  StateDumper,
} from '../framework/hooks.ts';
import type { Parser } from '../framework/parser.ts';
import type { Picker } from '../framework/picker.ts';
import type { DataDependencies, Named, PluginContext, PluginKind } from '../framework/plugin.ts';
import type { ProfileHandler } from '../framework/profile-handler.ts';
import type { SaturationDetector } from '../framework/saturation.ts';
import type { Scorer } from '../framework/scorer.ts';
import { type PluginEntry, producedBy } from './draft.ts';
import type { EndpointPickerConfig } from './load.ts';
import type { ProblemList } from './problems.ts';

/** What an instance of each kind is. */
interface Kinds {
  filter: Filter;
  scorer: Scorer;
  picker: Picker;
  'profile-handler': ProfileHandler;
  parser: Parser;
  'header-processor': HeaderProcessor;
  screener: Screener;
  producer: DataProducer;
  admitter: Admitter;
  decider: Decider;
  'pre-request': PreRequestHook;
  'response-header': ResponseHeaderHook;
  'response-body': ResponseBodyHook;
  'endpoint-observer': EndpointObserver;
  'object-observer': ObjectObserver;
  'readiness-check': ReadinessCheck;
  'state-dumper': StateDumper;
  source: PollSource;
  'event-source': EventSource;
  extractor: Extractor;
  discovery: EndpointDiscovery;
  'saturation-detector': SaturationDetector;
}

/** The method that proves a kind; undefined where there is none. */
const METHODS = {
  filter: 'filter',
  scorer: 'score',
  picker: 'pick',
  'profile-handler': 'process',
  parser: 'parse',
  'header-processor': 'requestHeaders',
  screener: 'screen',
  producer: 'produce',
  admitter: 'admit',
  decider: 'decide',
  'pre-request': 'preRequest',
  'response-header': 'responseHeaders',
  'response-body': 'responseComplete',
  'endpoint-observer': 'endpointRemoved',
  'object-observer': 'objectChanged',
  'readiness-check': 'isReady',
  'state-dumper': 'dumpState',
  source: 'poll',
  'event-source': undefined,
  extractor: 'extract',
  discovery: 'start',
  'saturation-detector': 'saturation',
} as const satisfies Record<PluginKind, string | undefined>;

const NO_REFERENCES: ReadonlyMap<string, PluginEntry> = new Map();

/** Gives a plugin what it needs, but for other plugins; called once for each instance. */
export type ContextFactory = (name: string, type: string) => Omit<PluginContext, 'plugin'>;

/**
 * Puts something around an instance whose type a module of the configuration defines, so that it can do no harm; what is
 * returned serves in its place.
 */
export type Guard = (plugin: Named<object>, role: GuardedRole) => object;

/** What is known of a plugin that is guarded. */
export interface GuardedRole {
  readonly kinds: readonly PluginKind[];
  readonly dependencies: DataDependencies;
  /** What the plugins of the configuration produce, together. */
  readonly produced: ReadonlySet<AttributeKey<unknown>>;
}

/** Instances by their entry. */
export class Instances {
  readonly #config: EndpointPickerConfig;
  readonly #problems: ProblemList;
  readonly #contextFor: ContextFactory;
  readonly #guard: Guard;
  readonly #produced: ReadonlySet<AttributeKey<unknown>>;
  readonly #byEntry = new Map<PluginEntry, object>();
  readonly #begun = new Set<PluginEntry>();

  constructor(
    config: EndpointPickerConfig,
    problems: ProblemList,
    { contextFor, guard }: { readonly contextFor: ContextFactory; readonly guard: Guard },
  ) {
    this.#config = config;
    this.#problems = problems;
    this.#contextFor = contextFor;
    this.#guard = guard;
    this.#produced = producedBy(config.plugins);
  }

  /** Constructs one plugin after those it names, once; a failure is a problem at its place. */
  create(entry: PluginEntry): void {
    if (this.#begun.has(entry)) return;
    this.#begun.add(entry);
    const named = this.#config.references.get(entry) ?? NO_REFERENCES;
    for (const other of named.values()) this.create(other);
    if ([...named.values()].some((other) => !this.#byEntry.has(other))) return; // reported there
    const { name, definition } = entry;
    try {
      const instance = definition.create(entry.params, {
        ...this.#contextFor(name, definition.type),
        plugin: (other) => this.#referenced(named, other),
      });
      for (const kind of definition.kinds) {
        const method = METHODS[kind];
        if (method !== undefined && typeof Reflect.get(instance, method) !== 'function') {
          throw new ConfigurationError(`it is listed as ${kind} but has no method ${method}`);
        }
      }
      const isOwn = entry.module !== undefined;
      this.#byEntry.set(entry, isOwn ? this.#guarded(entry, instance) : instance);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#problems.error(
        'invalid-parameters',
        entry.place,
        `plugin '${name}' (type ${definition.type}) cannot start: ${reason}`,
      );
    }
  }

  #guarded({ name, definition, dependencies }: PluginEntry, plugin: object): object {
    const { type, kinds } = definition;
    return this.#guard({ name, type, plugin }, { kinds, dependencies, produced: this.#produced });
  }

  #referenced(named: ReadonlyMap<string, PluginEntry>, name: string): object {
    const entry = named.get(name);
    if (entry === undefined) throw new ConfigurationError(`it does not declare that it refers to '${name}'`);
    return this.named(entry).plugin;
  }

  named(entry: PluginEntry): Named<object> {
    const plugin = this.#byEntry.get(entry);
    if (plugin === undefined) throw new ConfigurationError(`plugin '${entry.name}' was not constructed`);
    return { name: entry.name, type: entry.definition.type, plugin };
  }

  /** The instance as what its definition lists. */
  as<K extends PluginKind>(kind: K, entry: PluginEntry): Named<Kinds[K]> {
    const named = this.named(entry);
    if (!entry.definition.kinds.includes(kind))
      throw new ConfigurationError(`plugin '${entry.name}' is no ${kind}`);
    return { ...named, plugin: named.plugin as Kinds[K] }; // create() checked the kind's method
  }

  /** Those of `entries` that are of `kind`, in order. */
  all<K extends PluginKind>(kind: K, entries: readonly PluginEntry[]): readonly Named<Kinds[K]>[] {
    return entries
      .filter((entry) => entry.definition.kinds.includes(kind))
      .map((entry) => this.as(kind, entry));
  }
}
