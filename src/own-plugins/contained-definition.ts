import { AttributeKey } from '../framework/attribute.ts';
import { ConfigurationError } from '../framework/errors.ts';
import type {
  AnyPluginDefinition,
  DataDependencies,
  PluginReference,
  ProfileUse,
} from '../framework/plugin.ts';
import { faultText } from './fault.ts';
import { type Origin, runAs } from './origin.ts';

/**
 * `definition`, whose functions return what they should and throw nothing but `ConfigurationError` that names the place in
 * the module's file. What goes wrong in `references` and `profiles`, which must not throw, is thrown by `create`.
 */
export function contained(definition: AnyPluginDefinition): AnyPluginDefinition {
  const { type, references, profiles, dependencies } = definition;
  const origin = { pluginType: type };
  let profileNames: readonly string[] = [];
  const read = {
    references: (params: unknown) => checkedReferences(references?.call(definition, params)),
    profiles: (params: unknown) => checkedProfiles(profiles?.call(definition, params, profileNames)),
  };
  return {
    ...definition,
    create: (params, context) => {
      inContext(origin, () => read.references(params));
      inContext(origin, () => read.profiles(params));
      const { name } = context;
      const created = () => definition.create(params, context);
      const instance: unknown = inContext({ plugin: name, pluginType: type }, created);
      if (typeof instance === 'object' && instance !== null && !('then' in instance)) return instance;
      const got = typeof instance === 'object' && instance !== null ? 'a promise' : shown(instance);
      throw new ConfigurationError(`create returned ${got}, want the plugin`);
    },
    references: (params: unknown) => orNone(() => runAs(origin, () => read.references(params))),
    profiles: (params: unknown, names: readonly string[]) => {
      profileNames = names;
      return orNone(() => runAs(origin, () => read.profiles(params)));
    },
    ...(dependencies === undefined
      ? {}
      : {
          dependencies: (params: unknown, name: string) =>
            inContext(origin, () => checkedDependencies(dependencies.call(definition, params, name))),
        }),
  };
}

/** A value of a plugin in words. */
export function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (typeof value === 'string') return JSON.stringify(value);
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : typeof value === 'function' ? 'a function' : String(value);
}

function orNone<T>(read: () => readonly T[]): readonly T[] {
  try {
    return read();
  } catch {
    return []; // create says it
  }
}

function inContext<T>(origin: Origin, call: () => T): T {
  try {
    return runAs(origin, call);
  } catch (error) {
    if (error instanceof ShapeError) throw new ConfigurationError(error.message);
    throw new ConfigurationError(faultText(error), { cause: error });
  }
}

/** A result that is none; where in the program that was found says nothing. */
class ShapeError extends Error {}

/** `given`, or nothing, is a list of objects with a path and a name. */
function checkedReferences(given: unknown): readonly PluginReference[] {
  if (given === undefined) return [];
  if (!isList(given, isNamedPlace))
    throw new ShapeError('references returned no list of { path, name, kind }');
  return given as readonly PluginReference[]; // looked at, but for kind, which is compared only
}

function checkedProfiles(given: unknown): readonly ProfileUse[] {
  if (given === undefined) return [];
  if (!isList(given, isNamedPlace))
    throw new ShapeError('profiles returned no list of { path, name, isRequired }');
  return given as readonly ProfileUse[]; // looked at, but for isRequired, which is true or not
}

function checkedDependencies(given: unknown): DataDependencies {
  if (typeof given !== 'object' || given === null)
    throw new ShapeError(`dependencies returned ${shown(given)}, want an object`);
  for (const role of ['produces', 'requires', 'optional']) {
    const keys: unknown = Reflect.get(given, role);
    if (keys !== undefined && !isList(keys, (key) => key instanceof AttributeKey))
      throw new ShapeError(`dependencies: ${role} is no list of keys made by attributeKey`);
  }
  return given;
}

function isList(value: unknown, isOne: (one: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isOne);
}

function isNamedPlace(value: unknown): boolean {
  const { path, name } = Object(value) as { readonly path?: unknown; readonly name?: unknown };
  return typeof name === 'string' && isList(path, (step) => typeof step === 'string');
}
