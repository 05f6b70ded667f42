import type { AttributeKey } from '../framework/attribute.ts';
import { ConfigurationError } from '../framework/errors.ts';
import type { AnyPluginDefinition, DataDependencies, PluginKind } from '../framework/plugin.ts';
import { isAllowedUnasked } from './experimental.ts';
import type { MapNode, Position } from './node.ts';
import { OLD_TYPES } from './old-types.ts';
import type { PluginOutline, Reference } from './outline.ts';
import { OwnTypes, type PluginModule } from './own-types.ts';
import { checkParameters, parametersFrom } from './parameters.ts';
import type { Place, ProblemList } from './problems.ts';
import { suggest } from './suggest.ts';
import { TypeIndex } from './type-index.ts';

/** One plugin instance of the effective configuration. */
export interface PluginEntry {
  /** Unique in the configuration. */
  readonly name: string;
  readonly definition: AnyPluginDefinition;
  /** What the plugin's schema gave; undefined when its parameters are wrong. */
  readonly params: unknown;
  /** Parameters as written, in documented case; undefined when there are none. */
  readonly parameters: MapNode | undefined;
  readonly dependencies: DataDependencies;
  /** The module that defines its type, as written; undefined for types of the catalogue. */
  readonly module: string | undefined;
  /** '' when it is written in the document, else why it was added. */
  readonly reason: string;
  readonly place: Place;
}

/** What plugins produce, together. */
export function producedBy(plugins: readonly PluginEntry[]): ReadonlySet<AttributeKey<unknown>> {
  return new Set(plugins.flatMap(({ dependencies }) => dependencies.produces ?? []));
}

/** What loading may be told besides the text. */
export interface LoadOptions {
  readonly catalogue: readonly AnyPluginDefinition[];
  /** `--allow-experimental-plugins`. */
  readonly allowExperimental?: boolean;
  /** Parameters of plugins, by type, whose entry has none or that are added; from flags of earlier releases. */
  readonly pluginParameters?: ReadonlyMap<string, object>;
  /** What the modules gave that the document names (`modulesIn`), by name. */
  readonly modules?: ReadonlyMap<string, PluginModule>;
}

/** Each compares a name with all others: thousands would cost many seconds. */
const MOST_SUGGESTIONS = 100;

const NOWHERE: Place = { path: [], at: { line: 1, column: 1 } };

/** The configuration while it is completed: plugins by name, and what refers to them. */
export class Draft {
  readonly problems: ProblemList;
  readonly #types: TypeIndex;
  readonly #ownTypes: OwnTypes;
  readonly #options: LoadOptions;
  readonly #byName = new Map<string, PluginEntry>();
  /** Those of `#byName`, each once. */
  readonly #plugins: PluginEntry[] = [];
  /** Names whose entry has a reported problem: references to them stay silent. */
  readonly #brokenNames = new Set<string>();
  readonly #referenced = new Set<PluginEntry>();
  #unknownReferences = 0;

  constructor(options: LoadOptions, problems: ProblemList) {
    this.#options = options;
    this.#types = new TypeIndex(options.catalogue);
    this.#ownTypes = new OwnTypes(options.modules ?? new Map(), this.#types, problems);
    this.problems = problems;
  }

  /** In declaration order, then added ones. */
  get plugins(): readonly PluginEntry[] {
    return [...this.#plugins];
  }

  isReferenced(entry: PluginEntry): boolean {
    return this.#referenced.has(entry);
  }

  refer(entry: PluginEntry): void {
    this.#referenced.add(entry);
  }

  get(name: string): PluginEntry | undefined {
    return this.#byName.get(name);
  }

  /** A plugin was meant here, but a reported problem keeps it out. */
  isBroken(name: string): boolean {
    return this.#brokenNames.has(name);
  }

  /** Types of producers in the catalogue. */
  producerTypes(): readonly string[] {
    return [...this.#types.names()].filter((type) => this.isProducerType(type));
  }

  /** Producers come by themselves when their data is needed; extractors and others do not, unless they say so. */
  isProducerType(type: string): boolean {
    const definition = this.#types.get(type);
    if (definition === undefined || definition.needs !== undefined) return false;
    return definition.kinds.includes('producer') || definition.isAddedOnDemand === true;
  }

  /** Comes by itself even where its data is optional. */
  isAddedOnDemand(type: string): boolean {
    return this.#types.get(type)?.isAddedOnDemand === true && this.isProducerType(type);
  }

  /** A type that would write data of no named producer. */
  typeThatProduces(key: AttributeKey<unknown>): string | undefined {
    return this.#types.producerOf(key);
  }

  /** What this version lacks for a type of the catalogue; undefined when nothing, or when there is no such type. */
  needsOf(type: string): string | undefined {
    return this.#types.get(type)?.needs;
  }

  /** Some plugin was left out, so that what it would do cannot be judged. */
  get isIncomplete(): boolean {
    return this.#brokenNames.size > 0;
  }

  /** Some reference was reported: what it was to bring is missing for that reason. */
  get hasUnknownReference(): boolean {
    return this.#unknownReferences > 0;
  }

  firstOfType(type: string): PluginEntry | undefined {
    return this.#plugins.find((entry) => entry.definition.type === type);
  }

  firstOfKind(kind: PluginKind): PluginEntry | undefined {
    return this.#plugins.find((entry) => entry.definition.kinds.includes(kind));
  }

  /** Takes the listed plugins in. */
  declare(plugins: readonly PluginOutline[]): void {
    this.#ownTypes.admit(plugins);
    const names = new Set(plugins.map((plugin) => plugin.name || plugin.type));
    for (const plugin of plugins) this.#declareOne(plugin, names);
  }

  #declareOne(plugin: PluginOutline, names: ReadonlySet<string>): void {
    const written = plugin.name || plugin.type;
    const definition = this.#definitionOf(plugin);
    const place = { path: plugin.path, at: plugin.at };
    if (definition === undefined) {
      if (written !== '') this.#brokenNames.add(written);
      return;
    }
    const previous = this.#byName.get(written);
    if (previous !== undefined) {
      this.problems.error(
        'duplicate-name',
        { path: [...plugin.path, 'name'], at: plugin.nameAt },
        `plugin name '${written}' stands here and on line ${previous.place.at.line}; give one of them another name`,
      );
      return;
    }
    // An unnamed plugin under an old type is called as the current one; its old name still resolves.
    const isRenamed = plugin.name === '' && plugin.type !== definition.type && !names.has(definition.type);
    const name = isRenamed ? definition.type : written;
    const { params, canonical } = checkParameters(
      {
        definition,
        node: plugin.parameters ?? this.#givenParameters(definition, plugin.at),
        path: parametersPath(plugin),
        at: plugin.at,
      },
      this.problems,
    );
    if (definition.needs !== undefined) {
      this.#reportNeeds(definition, { path: [...plugin.path, 'type'], at: plugin.typeAt });
      this.#brokenNames.add(written).add(name);
      return;
    }
    const entry = this.#entry({ name, definition, params, canonical, reason: plugin.reason, place });
    this.#plugins.push(entry);
    this.#byName.set(name, entry);
    if (isRenamed) this.#byName.set(written, entry);
  }

  /**
   * The default plugin of a kind: one is added unless a listed plugin has its name, which then serves in its place, as in
   * the reference (`llm-d-router: pkg/epp/config/loader/defaults.go`). Reports one that is not of that kind.
   */
  addDefault(type: string, kind: PluginKind, reason: string): PluginEntry | undefined {
    const existing = this.#byName.get(type);
    if (existing === undefined) return this.add(type, reason);
    const { definition, place } = existing;
    if (definition.kinds.includes(kind)) return existing;
    if (!this.#brokenNames.has(type)) {
      this.problems.error(
        'wrong-kind',
        place,
        `plugin '${type}' (type ${definition.type}) serves as ${definition.kinds.join(', ')}, but has the name of the default ${kind}, which is needed here: ${reason}; give it another name`,
      );
    }
    this.#brokenNames.add(type);
    return undefined;
  }

  /**
   * Adds a plugin of a type in the catalogue under the name of its type, and returns it; the existing one when the
   * name is taken.
   */
  add(type: string, reason: string, place: Place = NOWHERE): PluginEntry | undefined {
    const existing = this.#byName.get(type);
    if (existing !== undefined) return existing;
    const definition = this.#types.get(type);
    if (definition === undefined || !this.#isAllowed(definition, place)) return undefined;
    if (definition.needs !== undefined) {
      this.#reportNeeds(definition, place);
      this.#brokenNames.add(type);
      return undefined;
    }
    const node = this.#givenParameters(definition, place.at);
    const { params, canonical } = checkParameters(
      { definition, node, path: [...place.path], at: place.at },
      this.problems,
    );
    const entry = this.#entry({ name: type, definition, params, canonical, reason, place });
    this.#plugins.push(entry);
    this.#byName.set(type, entry);
    return entry;
  }

  #givenParameters(definition: AnyPluginDefinition, at: Position): MapNode | undefined {
    const given = this.#options.pluginParameters?.get(definition.type);
    return given === undefined ? undefined : parametersFrom(given, at);
  }

  /**
   * The plugin a reference means: an instance of that name, else a new one of that type without parameters.
   * Reports what is wrong and returns undefined, also when it is not of one of `kinds` (empty: any).
   */
  resolve(reference: Reference, kinds: readonly PluginKind[]): PluginEntry | undefined {
    const { name } = reference;
    if (this.#brokenNames.has(name)) return undefined;
    let entry = this.#byName.get(name);
    if (entry === undefined && this.#types.get(name) !== undefined) {
      entry = this.add(name, 'referenced by its type', reference);
      if (entry === undefined) return undefined;
    }
    if (entry === undefined) {
      this.#reportUnknown(reference);
      return undefined;
    }
    if (kinds.length > 0 && !entry.definition.kinds.some((kind) => kinds.includes(kind))) {
      this.problems.error(
        'wrong-kind',
        reference,
        `plugin '${name}' (type ${entry.definition.type}) serves as ${entry.definition.kinds.join(', ')}, want ${kinds.join(' or ')}`,
      );
      return undefined;
    }
    this.#referenced.add(entry);
    return entry;
  }

  #reportNeeds({ type, needs }: AnyPluginDefinition, place: Place): void {
    this.problems.error(
      'unavailable-type',
      place,
      `plugin type '${type}' is known but not available in this version: it needs ${needs}`,
    );
  }

  #reportUnknown(reference: Reference): void {
    const { name } = reference;
    this.#unknownReferences += 1;
    const close =
      this.#unknownReferences > MOST_SUGGESTIONS
        ? undefined
        : (suggest(name, [...this.#byName.keys(), ...this.#brokenNames]) ??
          OLD_TYPES.get(name) ??
          suggest(name, this.#types.names()));
    this.problems.error('unknown-reference', reference, `no plugin is named '${name}'`, close);
  }

  #definitionOf(plugin: PluginOutline): AnyPluginDefinition | undefined {
    const { type } = plugin;
    if (type === '' || this.#ownTypes.isRefused(plugin)) return undefined; // reported
    const place = { path: [...plugin.path, 'type'], at: plugin.typeAt };
    const definition = this.#types.get(type);
    if (definition === undefined) {
      const close = OLD_TYPES.get(type) ?? suggest(type, this.#types.names());
      this.problems.error('unknown-type', place, `unknown plugin type '${type}'`, close);
      return undefined;
    }
    const successor = type === definition.type ? definition.replacedBy : definition.type;
    if (successor !== undefined) {
      this.problems.warn('deprecated-type', place, `plugin type '${type}' is deprecated; use ${successor}`);
    }
    return this.#isAllowed(definition, place) ? definition : undefined;
  }

  #isAllowed(definition: AnyPluginDefinition, place: Place): boolean {
    const isFree = definition.stability !== 'alpha' || this.#ownTypes.moduleOf(definition) !== undefined;
    if (isFree || this.#options.allowExperimental === true) return true;
    return isAllowedUnasked(definition, place, this.problems);
  }

  #entry(
    parts: Pick<PluginEntry, 'name' | 'definition' | 'params' | 'reason' | 'place'> & {
      readonly canonical: MapNode | undefined;
    },
  ): PluginEntry {
    const { name, definition, params, canonical, reason, place } = parts;
    return {
      name,
      definition,
      params,
      parameters: canonical,
      dependencies: this.#dependenciesOf(definition, params, parts),
      module: this.#ownTypes.moduleOf(definition),
      reason,
      place,
    };
  }

  #dependenciesOf(
    definition: AnyPluginDefinition,
    params: unknown,
    { name, place }: Pick<PluginEntry, 'name' | 'place'>,
  ): DataDependencies {
    if (params === undefined || definition.dependencies === undefined) return {};
    try {
      return definition.dependencies(params, name);
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      this.problems.error('invalid-parameters', place, `plugin '${name}': ${error.message}`);
      return {};
    }
  }
}

/** Moved parameters stand where they were written. */
function parametersPath(plugin: PluginOutline): PluginOutline['path'] {
  return plugin.reason === '' ? [...plugin.path, 'parameters'] : plugin.path;
}
