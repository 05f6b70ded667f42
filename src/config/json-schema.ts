import { z } from 'zod';
import type { Path } from './node.ts';

/** The part of JSON Schema that parameter declarations use. */
export interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly properties?: { readonly [key: string]: JsonSchema };
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

const schemas = new WeakMap<z.ZodType, JsonSchema>();

/** What the declaration accepts, before defaults and transforms. */
export function inputSchema(declaration: z.ZodType): JsonSchema {
  let schema = schemas.get(declaration);
  if (schema === undefined) {
    const made: unknown = z.toJSONSchema(declaration, {
      io: 'input',
      unrepresentable: 'any',
      reused: 'inline',
    });
    schema = made as JsonSchema; // a subset of what the function documents
    schemas.set(declaration, schema);
  }
  return schema;
}

/** Schemas that may describe `path` below `schema`; several where there is a choice. */
export function schemasAt(schema: JsonSchema, path: Path): readonly JsonSchema[] {
  let current = alternatives(schema);
  for (const step of path) {
    current = current.flatMap((one) => {
      const next = typeof step === 'number' ? one.items : property(one, step);
      return next === undefined ? [] : alternatives(next);
    });
  }
  return current;
}

/** Keys of the objects that may stand at `path`. */
export function keysAt(schema: JsonSchema, path: Path): readonly string[] {
  const keys = schemasAt(schema, path).flatMap((one) => Object.keys(one.properties ?? {}));
  return [...new Set(keys)];
}

function property(schema: JsonSchema, key: string): JsonSchema | undefined {
  if (schema.properties !== undefined && Object.hasOwn(schema.properties, key)) return schema.properties[key];
  return typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined;
}

function alternatives(schema: JsonSchema): readonly JsonSchema[] {
  const choices = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])];
  return [schema, ...choices.flatMap(alternatives)];
}
