import type { AttributeKey } from '../framework/attribute.ts';
import { ConfigurationError } from '../framework/errors.ts';
import type { AnyPluginDefinition } from '../framework/plugin.ts';

/** Finds plugin types by name. */
export class TypeIndex {
  readonly #byType = new Map<string, AnyPluginDefinition>();

  /** Throws `ConfigurationError` when a type or alias is listed twice. */
  constructor(catalogue: readonly AnyPluginDefinition[]) {
    for (const definition of catalogue) {
      for (const type of [definition.type, ...(definition.aliases ?? [])]) {
        if (this.#byType.has(type)) throw new ConfigurationError(`plugin type '${type}' is listed twice`);
        this.#byType.set(type, definition);
      }
    }
  }

  /** Adds a definition whose names are all free; returns a name that is taken, and adds nothing, otherwise. */
  add(definition: AnyPluginDefinition): string | undefined {
    const names = [definition.type, ...(definition.aliases ?? [])];
    const taken = names.find((name) => this.#byType.has(name));
    if (taken === undefined) for (const name of names) this.#byType.set(name, definition);
    return taken;
  }

  /** The definition with this type or alias. */
  get(type: string): AnyPluginDefinition | undefined {
    return this.#byType.get(type);
  }

  /** Types and aliases. */
  names(): Iterable<string> {
    return this.#byType.keys();
  }

  /** A type that writes `key` when it is listed without parameters. */
  producerOf(key: AttributeKey<unknown>): string | undefined {
    for (const [type, definition] of this.#byType) if (produces(definition, key)) return type;
    return undefined;
  }
}

function produces(definition: AnyPluginDefinition, key: AttributeKey<unknown>): boolean {
  const parsed: { success: boolean; data?: unknown } = definition.params.safeParse({});
  if (!parsed.success || definition.needs !== undefined) return false;
  try {
    return definition.dependencies?.(parsed.data, definition.type).produces?.includes(key) === true;
  } catch (error) {
    if (error instanceof ConfigurationError) return false;
    throw error;
  }
}
