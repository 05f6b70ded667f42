import type { z } from 'zod';
import type { AnyPluginDefinition } from '../framework/plugin.ts';
import { reportFirstIssues } from './first-issues.ts';
import { check } from './issues.ts';
import { inputSchema, type JsonSchema, keysAt } from './json-schema.ts';
import {
  type ConfigNode,
  isNull,
  type MapEntry,
  type MapNode,
  nodeFrom,
  type Path,
  type Position,
  pathText,
  plainOf,
  withEntries,
} from './node.ts';
import type { ProblemList } from './problems.ts';

/** Parameters of one plugin, checked. */
export interface CheckedParameters {
  /** What the plugin's schema gives; undefined when a problem was reported. */
  readonly params: unknown;
  /** As written, in documented case, without ignored keys; undefined when there are none. */
  readonly canonical: MapNode | undefined;
}

/** What is to be checked: parameters as written, and where the plugin stands. */
export interface ParametersInput {
  readonly definition: AnyPluginDefinition;
  readonly node: ConfigNode | undefined;
  /** Path of the parameters in the document. */
  readonly path: Path;
  /** Where the plugin stands; used when there are no parameters. */
  readonly at: Position;
}

/**
 * Checks parameters against the plugin's declaration. Keys match in any case, with a warning, as the reference's
 * decoder does (`llm-d-router: pkg/epp/framework/interface/plugin`).
 */
export function checkParameters(input: ParametersInput, problems: ProblemList): CheckedParameters {
  const { definition, path, at } = input;
  const given = input.node;
  const whole = given === undefined || isNull(given) ? emptyMap(at) : given;
  if (whole.kind !== 'map') {
    if (definition.ignoresParameters === true)
      return { params: definition.params.parse({}), canonical: undefined };
    problems.error(
      'invalid-value',
      { path, at: whole },
      `${pathText(path)}: got ${whole.kind === 'list' ? 'a list' : 'a plain value'}, want an object`,
    );
    return { params: undefined, canonical: undefined };
  }
  const schema = inputSchema(definition.params);
  const canonical = canonicalCase(ignoreUnknown(whole, input, schema, problems), schema, path, problems);
  const parsed = parse(definition.params, canonical, input, problems);
  if (parsed === undefined) return { params: undefined, canonical: undefined };
  if (!parsed.success) {
    const checked = {
      node: canonical,
      declaration: definition.params,
      path,
      knownKeys: (below: Path) => keysAt(schema, below),
    };
    reportFirstIssues(parsed.error.issues, checked, problems);
  }
  return {
    params: parsed.success ? parsed.data : undefined,
    canonical: canonical.kind === 'map' && canonical.entries.length > 0 ? canonical : undefined,
  };
}

/** Undefined, and a problem, when a check of the declaration itself fails. */
function parse(
  declaration: z.ZodType,
  node: ConfigNode,
  { path, at }: ParametersInput,
  problems: ProblemList,
): z.ZodSafeParseResult<unknown> | undefined {
  try {
    return check(declaration, plainOf(node));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    problems.error(
      'invalid-parameters',
      { path, at },
      `${pathText(path)}: the check of them failed: ${reason}`,
    );
    return undefined;
  }
}

function emptyMap(at: Position): MapNode {
  return { kind: 'map', entries: [], line: at.line, column: at.column };
}

/** Drops, with one warning, what a plugin that ignores its parameters does not know. */
function ignoreUnknown(
  node: MapNode,
  { definition, path }: ParametersInput,
  schema: JsonSchema,
  problems: ProblemList,
): MapNode {
  if (definition.ignoresParameters !== true) return node;
  const known = new Set(keysAt(schema, []).map((key) => key.toLowerCase()));
  const ignored = node.entries.filter((entry) => !known.has(entry.key.toLowerCase()));
  const [first] = ignored;
  if (first === undefined) return node;
  const names = ignored.map((entry) => entry.key).join(', ');
  problems.warn(
    'ignored-parameters',
    { path: [...path, first.key], at: first.at },
    `${pathText(path)}: ${definition.type} takes no such parameters; ignored: ${names}`,
  );
  return withEntries(
    node,
    node.entries.filter((entry) => !ignored.includes(entry)),
  );
}

/** Renames keys that differ from a documented one in case only, at every depth. */
function canonicalCase(
  node: ConfigNode,
  schema: JsonSchema,
  path: Path,
  problems: ProblemList,
  below: Path = [],
): ConfigNode {
  if (node.kind === 'list') {
    const items = node.items.map((item, i) => canonicalCase(item, schema, path, problems, [...below, i]));
    return { ...node, items };
  }
  if (node.kind !== 'map') return node;
  const entries = inKnownCase(node, keysAt(schema, below), [...path, ...below], problems).map(
    ({ key, at, value }): MapEntry => ({
      key,
      at,
      value: canonicalCase(value, schema, path, problems, [...below, key]),
    }),
  );
  return withEntries(node, entries);
}

/** Entries of a node at `path`; those whose key differs from a known one in case only have that key, with a warning. */
export function inKnownCase(
  { entries }: MapNode,
  known: readonly string[],
  path: Path,
  problems: ProblemList,
): readonly MapEntry[] {
  const taken = new Set(entries.map((entry) => entry.key));
  return entries.map((entry): MapEntry => {
    const key = known.includes(entry.key) ? entry.key : sameInOtherCase(entry.key, known, taken);
    if (key === entry.key) return entry;
    problems.warn(
      'key-case',
      { path: [...path, entry.key], at: entry.at },
      `${pathText(path)}: '${entry.key}' is read as '${key}'`,
    );
    taken.add(key);
    return { ...entry, key };
  });
}

function sameInOtherCase(key: string, known: readonly string[], taken: ReadonlySet<string>): string {
  const lower = key.toLowerCase();
  return known.find((one) => one.toLowerCase() === lower && !taken.has(one)) ?? key;
}

/** Parameters given as data, for plugins that are added. */
export function parametersFrom(plain: object, at: Position): MapNode {
  const node = nodeFrom(plain, at);
  return node.kind === 'map' ? node : emptyMap(at);
}
