import type { AnyPluginDefinition } from '../framework/plugin.ts';
import { inputSchema } from './json-schema.ts';
import { oldParameters } from './legacy.ts';
import { API_VERSION, documentSchema, KIND, OLD_API_VERSION } from './schema.ts';

/** Any JSON Schema, draft 7. */
export type PublishedSchema = { readonly [keyword: string]: unknown };

/** Whole numbers have these bounds whether or not they were declared. */
const MAX_SAFE = Number.MAX_SAFE_INTEGER;

/**
 * The JSON Schema of an `EndpointPickerConfig`, for completion and errors in editors: the document, and the parameters of
 * every type of the catalogue by `if` and `then` on the type. It takes what loading takes without a warning, and older
 * types and keys, which are marked; keys in another case and `null` it does not take.
 */
export function publishedSchema(catalogue: readonly AnyPluginDefinition[]): PublishedSchema {
  const types = catalogue
    .filter((definition) => definition.needs === undefined)
    .toSorted((a, b) => (a.type < b.type ? -1 : 1));
  const document = clean(inputSchema(documentSchema));
  const properties = objectIn(document, 'properties');
  return {
    ...document,
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: KIND,
    description: 'Configuration of endpoint-picker. Errors and what is added: docs/configuration.md.',
    properties: {
      ...properties,
      apiVersion: {
        anyOf: [
          { const: API_VERSION },
          { const: OLD_API_VERSION, deprecated: true, description: `Older name of \`${API_VERSION}\`.` },
        ],
      },
      kind: { const: KIND },
      plugins: {
        ...objectIn(properties, 'plugins'),
        items: pluginSchema(types, objectIn(properties, 'plugins')),
      },
    },
  };
}

/** One entry of `plugins`: a type of the catalogue with its parameters, or any type with a module. */
function pluginSchema(types: readonly AnyPluginDefinition[], plugins: PublishedSchema): PublishedSchema {
  const item = objectIn(plugins, 'items');
  const properties = objectIn(item, 'properties');
  const choices = types.flatMap(typeChoices);
  const names = choices.map((choice) => choice['const']);
  return {
    ...item,
    properties: {
      ...properties,
      type: {
        description: 'Plugin type: built in, or defined by the module.',
        anyOf: [...choices, { type: 'string', description: 'A type that `module` defines.' }],
      },
      parameters: { description: 'What the type takes.', type: 'object' },
    },
    allOf: [
      {
        if: { not: { required: ['module'] } },
        // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema
        then: { properties: { type: { enum: names } } },
      },
      ...types.map(parametersByType),
    ],
  };
}

/** A type and its older names, each with what it does. */
function typeChoices(definition: AnyPluginDefinition): readonly PublishedSchema[] {
  const { type, aliases = [], replacedBy, stability, summary, kinds } = definition;
  const notes = [
    `${kinds.join(', ')}: ${summary}`,
    ...(stability === 'alpha' ? ['Experimental: may need `--allow-experimental-plugins`.'] : []),
    ...(replacedBy === undefined ? [] : [`Deprecated: use \`${replacedBy}\`.`]),
  ];
  return [
    {
      const: type,
      description: notes.join(' '),
      ...(replacedBy === undefined ? {} : { deprecated: true }),
    },
    ...aliases.map((alias) => ({
      const: alias,
      description: `Older name of \`${type}\`.`,
      deprecated: true,
    })),
  ];
}

function parametersByType(definition: AnyPluginDefinition): PublishedSchema {
  const { type, aliases = [], params, ignoresParameters } = definition;
  const declared = withOldKeys(clean(inputSchema(params)), type);
  const parameters = ignoresParameters === true ? { ...declared, additionalProperties: true } : declared;
  const isRequired = Array.isArray(declared['required']) && declared['required'].length > 0;
  return {
    if: {
      properties: { type: aliases.length === 0 ? { const: type } : { enum: [type, ...aliases] } },
      required: ['type'],
      not: { required: ['module'] },
    },
    // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema
    then: { properties: { parameters }, ...(isRequired ? { required: ['parameters'] } : {}) },
  };
}

/** Older keys are taken, and marked. */
function withOldKeys(schema: PublishedSchema, type: string): PublishedSchema {
  const old = oldParameters(type);
  if (old.size === 0) return schema;
  const properties: { [key: string]: unknown } = { ...objectIn(schema, 'properties') };
  for (const [key, instead] of old) {
    const present = properties[key];
    properties[key] = {
      ...(typeof present === 'object' ? present : {}),
      description: instead === '' ? 'Deprecated: it has no effect.' : `Deprecated: write ${instead}.`,
      deprecated: true,
    };
  }
  return { ...schema, properties };
}

/** A copy in draft 7, without bounds that nobody declared; defaults of durations as they are written. */
function clean(schema: object): PublishedSchema {
  const copy: { [keyword: string]: unknown } = {};
  for (const [keyword, value] of Object.entries(schema) as [string, unknown][]) {
    const isUndeclared = keyword === '$schema' || Math.abs(Number(value)) === MAX_SAFE;
    if (!isUndeclared) copy[keyword] = keyword === 'default' ? value : cleanValue(keyword, value);
  }
  const { type, default: fallback } = copy;
  if (type === 'string' && typeof fallback === 'number') copy['default'] = durationText(fallback);
  return copy;
}

function cleanValue(keyword: string, value: unknown): unknown {
  if (keyword === 'enum' || keyword === 'const' || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item: unknown) => cleanValue('', item));
  if (keyword !== 'properties') return clean(value);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, cleanValue('', item)]));
}

/** Milliseconds as people write them. */
function durationText(ms: number): string {
  return ms >= 1000 && ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

function objectIn(schema: PublishedSchema, keyword: string): PublishedSchema {
  const value = schema[keyword];
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError(`the schema has no object at '${keyword}'`);
  return value as PublishedSchema; // any object without array is one
}
