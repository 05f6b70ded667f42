import type { AnyPluginDefinition } from '../framework/plugin.ts';
import { readDocument } from './document.ts';
import { outlineOf, type PluginOutline, type Reference } from './outline.ts';
import { ProblemList } from './problems.ts';
import { suggest } from './suggest.ts';
import type { TypeIndex } from './type-index.ts';

/** What the module of a plugin gave: the types it defines, or why it cannot be used. */
export type PluginModule =
  | { readonly definitions: readonly AnyPluginDefinition[]; readonly fault?: undefined }
  | { readonly definitions?: undefined; readonly fault: string };

/** Modules that the plugins of a document name, as written, each once. Never throws. */
export function modulesIn(text: string): readonly string[] {
  const unread = new ProblemList(); // loading the document reports them
  const root = readDocument(text, unread);
  if (root === undefined) return [];
  const names = outlineOf(root, unread).plugins.flatMap(({ module }) => module?.name ?? []);
  return [...new Set(names)];
}

/** Plugin types that modules of the document define. */
export class OwnTypes {
  readonly #modules: ReadonlyMap<string, PluginModule>;
  readonly #types: TypeIndex;
  readonly #problems: ProblemList;
  /** Module of each definition that an entry chose. */
  readonly #moduleOf = new Map<AnyPluginDefinition, string>();
  readonly #refused = new Set<PluginOutline>();
  readonly #reported = new Set<string>();

  constructor(modules: ReadonlyMap<string, PluginModule>, types: TypeIndex, problems: ProblemList) {
    this.#modules = modules;
    this.#types = types;
    this.#problems = problems;
  }

  /** Takes in the types that `plugins` name together with a module; an entry that cannot be served is reported. */
  admit(plugins: readonly PluginOutline[]): void {
    for (const plugin of plugins) {
      const { module } = plugin;
      if (module === undefined || plugin.type === '') continue;
      if (!this.#admitOne(plugin, module)) this.#refused.add(plugin);
    }
  }

  /** A reported problem of its module keeps it out. */
  isRefused(plugin: PluginOutline): boolean {
    return this.#refused.has(plugin);
  }

  /** Name of the module that `definition` is from; undefined for types of the catalogue. */
  moduleOf(definition: AnyPluginDefinition): string | undefined {
    return this.#moduleOf.get(definition);
  }

  #admitOne({ type, typeAt, path }: PluginOutline, reference: Reference): boolean {
    const { name } = reference;
    const module = this.#modules.get(name) ?? { fault: 'it was not loaded' };
    if (module.definitions === undefined) {
      const isFirst = !this.#reported.has(name);
      this.#reported.add(name);
      if (isFirst)
        this.#problems.error('plugin-module', reference, `cannot load module '${name}': ${module.fault}`);
      return false;
    }
    const definition = module.definitions.find((one) => one.type === type || one.aliases?.includes(type));
    if (definition === undefined) {
      const types = module.definitions.map((one) => one.type);
      this.#problems.error(
        'plugin-module',
        { path: [...path, 'type'], at: typeAt },
        `module '${name}' defines no plugin type '${type}', it defines ${types.join(', ')}`,
        suggest(type, types),
      );
      return false;
    }
    if (this.#moduleOf.has(definition)) return true;
    const taken = this.#types.add(definition);
    if (taken === undefined) {
      this.#moduleOf.set(definition, name);
      return true;
    }
    const other = this.#types.get(taken);
    const owner = other === undefined ? undefined : this.#moduleOf.get(other);
    this.#problems.error(
      'plugin-module',
      reference,
      `module '${name}' defines plugin type '${taken}', which ${owner === undefined ? 'is built in' : `module '${owner}' defines too`}; give it another type`,
    );
    return false;
  }
}
