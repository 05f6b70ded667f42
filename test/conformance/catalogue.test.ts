import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { inputSchema, keysAt, schemasAt } from '../../src/config/json-schema.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import type { AnyPluginDefinition } from '../../src/framework/plugin.ts';
import { CATALOGUE } from '../../src/plugins/catalogue.ts';

/** Stands for a parameter that must be given. */
const REQUIRED = 'required';

const rowSchema = z.strictObject({
  type: z.string(),
  stability: z.enum(['alpha', 'beta']),
  isDeprecated: z.boolean().default(false),
  ignoresParameters: z.boolean().default(false),
  /** What this version lacks for it. */
  needs: z.string().optional(),
  /** The type that an alias configures. */
  servedBy: z.string().optional(),
  /** Path to default; null: none, or not told apart from absence. */
  parameters: z.record(z.string(), z.json()),
});

type Row = z.infer<typeof rowSchema>;

const { types } = z
  .object({ types: z.array(rowSchema) })
  .parse(JSON.parse(readFileSync(new URL('./vectors/catalogue.json', import.meta.url), 'utf8')));

/** Parameters of ours beside those of the reference, by type. */
const ADDED: ReadonlyMap<string, readonly string[]> = new Map([
  ['anthropic-parser', ['promptIncludesCache']],
  ['approx-prefix-cache-producer', ['indexMemory', 'referenceBehavior']],
  ['core-metrics-extractor', ['aggregation']],
  ['disagg-profile-handler', ['onPrefillFailure', 'prefixMatchInfoProducerName']],
  ['endpoint-attribute-filter', ['attributeKey']],
  ['endpoint-attribute-scorer', ['attribute']],
  ['file-discovery', ['strict']],
  [
    'header-profile-handler',
    ['conditionalDecode.prefixMatchInfoProducerName', 'conditionalDecode.minMatchRatio'],
  ],
  ['latency-scorer', ['referenceBehavior']],
  ['metrics-data-source', ['bearerTokenPath']],
  ['multicluster-approx-prefix-cache-producer', ['indexMemory', 'referenceBehavior']],
  ['multicluster-file-discovery', ['strict']],
  ['multicluster-metrics-data-source', ['bearerTokenPath']],
  ['models-data-source', ['bearerTokenPath']],
  ['no-hit-lru-scorer', ['referenceBehavior']],
  [
    'precise-prefix-cache-scorer',
    ['blockSizeTokens', 'blockSize', 'hashSeed', 'hashAlgorithm'].map(
      (key) => `indexerConfig.tokenProcessorConfig.${key}`,
    ),
  ],
  [
    'predicted-latency-producer',
    [
      'errorMarginQuantile',
      'predictionTimeout',
      'trainingServerURL',
      'predictionServerURL',
      'maxSampleSize',
      'flushInterval',
      'httpTimeout',
      'metricsInterval',
      'maxBulkSize',
      'coalesceWindow',
      'maxCoalescedRows',
      'maxConcurrentDispatches',
    ],
  ],
  ['prefix-based-pd-decider', ['prefixMatchInfoProducerName', 'referenceBehavior']],
  ['prefix-cache-affinity-filter', ['referenceBehavior']],
  ['slo-headroom-tier-filter', ['referenceBehavior']],
  ['topology-extractor', ['hostnameFallback']],
]);

/** Types that the reference does not have. */
const OWN = ['lmetric-scorer', 'prefix-hash-scorer', 'softmax-picker'];

function definitionOf({ type, servedBy = type }: Row): AnyPluginDefinition {
  const found = CATALOGUE.find((definition) => definition.type === servedBy);
  if (found === undefined) throw new Error(`the catalogue lacks ${servedBy}`);
  if (servedBy !== type) expect(found.aliases).toContain(type);
  return found;
}

/** Steps of `engineConfigs[].name`: names, and 0 for any element. */
function steps(path: string): (string | number)[] {
  return path.split('.').flatMap((part) => (part.endsWith('[]') ? [part.slice(0, -2), 0] : [part]));
}

/** Default by the declaration, else what the least parameters give there. */
function defaultAt(definition: AnyPluginDefinition, path: string): unknown {
  const declared = schemasAt(inputSchema(definition.params), steps(path)).find(
    (schema) => schema.default !== undefined,
  );
  if (declared !== undefined) return declared.default;
  const parsed = definition.params.safeParse({});
  let value: unknown = parsed.data;
  for (const step of steps(path)) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Reflect.get(value, step);
  }
  return value;
}

/** Paths of all parameters that are no objects themselves. */
function pathsOf(definition: AnyPluginDefinition): string[] {
  const schema = inputSchema(definition.params);
  const below = (at: readonly (string | number)[], text: string): string[] => {
    const keys = keysAt(schema, at);
    if (keys.length === 0) {
      const isList = schemasAt(schema, at).some((one) => one.items?.properties !== undefined);
      return isList ? below([...at, 0], `${text}[]`) : [text];
    }
    return keys.flatMap((key) => below([...at, key], text === '' ? key : `${text}.${key}`));
  };
  return below([], '').filter((path) => path !== '');
}

test('the reference has 97 types', () => {
  expect(new Set(types.map(({ type }) => type)).size).toBe(97);
});

describe.each(types)('$type', (row) => {
  test('is in the catalogue with the same stability', () => {
    const definition = definitionOf(row);
    expect(definition.stability).toBe(row.stability);
    const isDeprecated = definition.replacedBy !== undefined || definition.type !== row.type;
    expect(isDeprecated).toBe(row.isDeprecated);
    expect(definition.ignoresParameters === true).toBe(row.ignoresParameters);
    expect(definition.needs).toBe(row.needs);
  });

  test('takes the same parameters with the same defaults', () => {
    const definition = definitionOf(row);
    const schema = inputSchema(definition.params);
    const wrong: string[] = [];
    for (const [path, value] of Object.entries(row.parameters)) {
      const at = steps(path);
      const key = at.at(-1);
      const above = at.slice(0, -1);
      if (!keysAt(schema, above).includes(String(key))) {
        wrong.push(`${path} is missing`);
      } else if (value === REQUIRED) {
        const isRequired = schemasAt(schema, above).some((one) => one.required?.includes(String(key)));
        if (!isRequired) wrong.push(`${path} is optional`);
      } else if (value !== null && defaultAt(definition, path) !== value) {
        wrong.push(
          `${path} is ${JSON.stringify(defaultAt(definition, path))}, want ${JSON.stringify(value)}`,
        );
      }
    }
    expect(wrong).toEqual([]);
  });

  test('takes no others but those that are listed as additions', () => {
    const definition = definitionOf(row);
    const known = Object.keys(row.parameters);
    const added = ADDED.get(definition.type) ?? [];
    const others = pathsOf(definition).filter(
      (path) =>
        !known.some(
          (one) =>
            one === path ||
            one.startsWith(`${path}[`) ||
            one.startsWith(`${path}.`) ||
            path.startsWith(`${one}.`),
        ) && !added.includes(path),
    );
    expect(others).toEqual([]);
  });

  test('a document that lists it names what is missing, if anything is', () => {
    const text = `plugins:\n- type: ${row.type}\n- type: queue-scorer\n`;
    const { problems } = loadConfiguration(text, { catalogue: CATALOGUE, allowExperimental: true });
    const unavailable = problems.filter(({ code }) => code === 'unavailable-type' || code === 'unknown-type');
    expect(unavailable.map(({ message }) => message)).toEqual(
      row.needs === undefined
        ? []
        : [`plugin type '${row.type}' is known but not available in this version: it needs ${row.needs}`],
    );
  });
});

test('every type of the catalogue is of the reference, or one of our own', () => {
  const reference = new Set(types.map(({ type }) => type));
  const own = CATALOGUE.filter(({ type }) => !reference.has(type)).map(({ type }) => type);
  expect(own.toSorted()).toEqual(OWN);
});

test('every addition is there', () => {
  const gone: string[] = [];
  for (const [type, paths] of ADDED) {
    const definition = CATALOGUE.find((one) => one.type === type);
    const present = definition === undefined ? [] : pathsOf(definition);
    for (const path of paths) if (!present.includes(path)) gone.push(`${type}: ${path}`);
  }
  expect(gone).toEqual([]);
});
