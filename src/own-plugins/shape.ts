import { z } from 'zod';
import type { AnyPluginDefinition, PluginKind } from '../framework/plugin.ts';
import { contained, shown } from './contained-definition.ts';
import { faultText } from './fault.ts';

/** Every kind there is. */
const KINDS: { readonly [K in PluginKind]: true } = {
  filter: true,
  scorer: true,
  picker: true,
  'profile-handler': true,
  parser: true,
  'header-processor': true,
  screener: true,
  producer: true,
  admitter: true,
  decider: true,
  'pre-request': true,
  'response-header': true,
  'response-body': true,
  'endpoint-observer': true,
  'object-observer': true,
  'readiness-check': true,
  'state-dumper': true,
  source: true,
  'event-source': true,
  extractor: true,
  discovery: true,
  'saturation-detector': true,
};

const STABILITIES: readonly unknown[] = ['alpha', 'beta', 'stable'];

/** What a module defines. */
export interface ModuleShape {
  readonly definitions: readonly AnyPluginDefinition[];
  /** For each export that means to be a definition and is none; `name` is '' when it is about the whole module. */
  readonly faults: readonly { readonly name: string; readonly reason: string }[];
}

const shapes = new WeakMap<object, ModuleShape>();

/**
 * The definitions among the exports of a module; other exports are its own business. The same for the same module. Throws
 * what reading an export of a module that is not through throws.
 */
export function shapeOf(namespace: object): ModuleShape {
  let shape = shapes.get(namespace);
  if (shape === undefined) {
    shape = readShape(namespace);
    shapes.set(namespace, shape);
  }
  return shape;
}

function readShape(namespace: object): ModuleShape {
  const definitions: AnyPluginDefinition[] = [];
  const faults: { name: string; reason: string }[] = [];
  const seen = new Set<unknown>();
  for (const [name, value] of Object.entries(namespace) as [string, unknown][]) {
    if (seen.has(value)) continue;
    seen.add(value);
    const read = readExport(value);
    if (typeof read === 'string') faults.push({ name, reason: `export '${name}' is no plugin: ${read}` });
    else if (read !== undefined) definitions.push(read);
  }
  if (definitions.length === 0 && faults.length === 0) {
    const names = Object.keys(namespace).filter((name) => name !== 'module.exports');
    const got = names.length === 0 ? 'it exports nothing' : `it exports ${names.join(', ')}`;
    const wanted = 'want a definition made by defineScorer or another define function';
    faults.push({ name: '', reason: `no plugin: ${got}, ${wanted}` });
  }
  return { definitions, faults };
}

/** The definition that an export is, or what keeps it from being one; undefined when it does not mean to be one. */
function readExport(value: unknown): AnyPluginDefinition | string | undefined {
  try {
    if (!isDefinitionLike(value)) return undefined;
    return faultOf(value) ?? contained(value as unknown as AnyPluginDefinition); // faultOf looked at every member
  } catch (error) {
    return faultText(error); // a getter threw
  }
}

type Members = { readonly [key: string]: unknown };

function isDefinitionLike(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && ('create' in value || 'kinds' in value);
}

/** What keeps `value` from being a definition. */
function faultOf(value: Members): string | undefined {
  const { type, kinds, stability, summary, params, create, aliases } = value;
  if (typeof type !== 'string' || type === '') return `type: got ${shown(type)}, want text`;
  if (!Array.isArray(kinds) || kinds.length === 0) {
    return `kinds: got ${shown(kinds)}, want a list; defineScorer and the like fill it in`;
  }
  const unknownKind = (kinds as unknown[]).find(
    (kind) => typeof kind !== 'string' || !Object.hasOwn(KINDS, kind),
  );
  if (unknownKind !== undefined)
    return `kinds: got ${shown(unknownKind)}, want one of ${Object.keys(KINDS).join(', ')}`;
  if (kinds.includes('picker') && kinds.includes('profile-handler'))
    return 'kinds: got picker and profile-handler, which have different methods of the name pick';
  if (!STABILITIES.includes(stability)) {
    return `stability: got ${shown(stability)}, want 'alpha', 'beta' or 'stable'`;
  }
  if (typeof summary !== 'string') return `summary: got ${shown(summary)}, want one sentence`;
  if (typeof create !== 'function') return `create: got ${shown(create)}, want a function`;
  for (const name of ['references', 'profiles', 'dependencies']) {
    const member = value[name];
    if (member !== undefined && typeof member !== 'function')
      return `${name}: got ${shown(member)}, want a function`;
  }
  if (aliases !== undefined && !(Array.isArray(aliases) && aliases.every((one) => typeof one === 'string'))) {
    return `aliases: got ${shown(aliases)}, want a list of texts`;
  }
  return faultOfParams(params);
}

function faultOfParams(params: unknown): string | undefined {
  const isSchema = typeof params === 'object' && params !== null && '_zod' in params && 'safeParse' in params;
  if (!isSchema) {
    return `params: got ${shown(params)}, want a schema such as z.strictObject({}), with z from endpoint-picker/plugin`;
  }
  try {
    z.toJSONSchema(params as unknown as z.ZodType, { io: 'input', unrepresentable: 'any', reused: 'inline' });
  } catch (error) {
    return `params: ${faultText(error)}`;
  }
  return undefined;
}
