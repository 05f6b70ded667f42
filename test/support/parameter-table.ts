import { z } from 'zod';
import { inputSchema, type JsonSchema } from '../../src/config/json-schema.ts';

/** One parameter as documentation shows it. */
interface Row {
  readonly path: string;
  readonly type: string;
  readonly default: string;
  readonly range: string;
  readonly meaning: string;
}

/** A Markdown table of what a declaration accepts; a sentence when that is nothing. */
export function parameterTable(declaration: z.ZodType): string {
  const rows = rowsOf(declaration, '');
  if (rows.length === 0) return 'None.';
  return [
    '| parameter | type | default | range | meaning |',
    '| --- | --- | --- | --- | --- |',
    ...rows.map((row) =>
      `| \`${row.path}\` | ${row.type} | ${row.default} | ${row.range} | ${row.meaning} |`.replaceAll(
        '  ',
        ' ',
      ),
    ),
  ].join('\n');
}

function rowsOf(declaration: unknown, prefix: string): readonly Row[] {
  const { inner } = unwrap(declaration);
  if (inner instanceof z.ZodObject) {
    return Object.entries(inner.shape).flatMap(([key, member]) => memberRows(member, `${prefix}${key}`));
  }
  if (inner instanceof z.ZodArray) return rowsOf(inner.element, `${prefix.replace(/\.$/, '')}[].`);
  if (inner instanceof z.ZodUnion) return inner.options.flatMap((option) => rowsOf(option, prefix));
  return [];
}

function memberRows(member: unknown, path: string): readonly Row[] {
  const { inner, fallback, isRequired, description } = unwrap(member);
  if (!(inner instanceof z.ZodType)) return [];
  const schema = inputSchema(inner);
  const kind = kindOf(inner, schema);
  const row: Row = {
    path,
    type: kind,
    default: isRequired ? 'required' : fallbackText(fallback, kind),
    range: rangeText(schema),
    meaning: escaped(description ?? schema.description ?? ''),
  };
  return [row, ...rowsOf(inner, `${path}.`)];
}

/** What is inside optional, default and the like. */
function unwrap(declaration: unknown): {
  readonly inner: unknown;
  readonly fallback: unknown;
  readonly isRequired: boolean;
  readonly description: string | undefined;
} {
  let inner = declaration;
  let fallback: unknown;
  let isRequired = true;
  let description: string | undefined;
  for (;;) {
    if (inner instanceof z.ZodType) description ??= inner.description;
    if (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) {
      fallback ??= inner.def.defaultValue;
      isRequired = false;
      inner = inner.def.innerType;
    } else if (inner instanceof z.ZodOptional || inner instanceof z.ZodNullable) {
      isRequired = false;
      inner = inner.def.innerType;
    } else if (inner instanceof z.ZodPipe && inner.def.in instanceof z.ZodObject) {
      inner = inner.def.in;
    } else if (
      inner instanceof z.ZodPipe &&
      !(inner.def.in instanceof z.ZodString || inner.def.in instanceof z.ZodUnion)
    ) {
      inner = inner.def.in;
    } else {
      return { inner, fallback, isRequired, description };
    }
  }
}

/** In the words of the configuration reference. */
function kindOf(inner: z.ZodType, schema: JsonSchema): string {
  if (inner instanceof z.ZodPipe) {
    const second = inner.safeParse('1s');
    if (second.success && second.data === 1000) return 'duration';
    const kibi = inner.safeParse('1Ki');
    if (kibi.success && kibi.data === 1024) return 'quantity';
  }
  return typeText(schema);
}

function typeText(schema: JsonSchema): string {
  if (schema.enum !== undefined) return 'choice';
  switch (schema.type) {
    case 'integer':
      return 'int';
    case 'number':
      return 'float';
    case 'boolean':
      return 'bool';
    case 'array':
      return `list of ${schema.items === undefined ? 'anything' : typeText(schema.items)}`;
    case 'object':
      return typeof schema.additionalProperties === 'object'
        ? `map of ${typeText(schema.additionalProperties)}`
        : 'object';
    case undefined: {
      const choices = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].map(typeText);
      return choices.length === 0 ? 'anything' : [...new Set(choices)].join(' or ');
    }
    default:
      return schema.type;
  }
}

function fallbackText(fallback: unknown, kind: string): string {
  if (fallback === undefined) return '';
  if (kind === 'duration' && typeof fallback === 'number') {
    return fallback >= 1000 && fallback % 1000 === 0 ? `\`${fallback / 1000}s\`` : `\`${fallback}ms\``;
  }
  const text = typeof fallback === 'string' ? fallback : JSON.stringify(fallback);
  return text === '' ? '`""`' : `\`${escaped(text)}\``;
}

function rangeText(schema: JsonSchema): string {
  const choices = schema.enum ?? schema.items?.enum;
  if (choices !== undefined) return choices.map((choice) => `\`${String(choice)}\``).join(', ');
  const parts: string[] = [];
  const isSet = (bound: number | undefined): bound is number =>
    bound !== undefined && Math.abs(bound) < Number.MAX_SAFE_INTEGER;
  if (isSet(schema.exclusiveMinimum)) parts.push(`> ${schema.exclusiveMinimum}`);
  if (isSet(schema.minimum)) parts.push(`≥ ${schema.minimum}`);
  if (isSet(schema.exclusiveMaximum)) parts.push(`< ${schema.exclusiveMaximum}`);
  if (isSet(schema.maximum)) parts.push(`≤ ${schema.maximum}`);
  if (schema.minItems !== undefined) parts.push(`at least ${schema.minItems}`);
  if (schema.maxItems !== undefined) parts.push(`at most ${schema.maxItems}`);
  return parts.join(', ');
}

function escaped(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
