import { globSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { mismatches } from '../../test/support/json-schema.ts';
import { CATALOGUE } from '../plugins/catalogue.ts';
import { loadConfiguration } from './load.ts';
import { publishedSchema } from './published-schema.ts';

const SCHEMA = publishedSchema(CATALOGUE);

/** As editors read it: YAML 1.2. */
function document(text: string): unknown {
  return parse(text, { schema: 'core' }) as unknown;
}

function plugin(entry: string): unknown {
  return document(`plugins: [${entry}]`);
}

const examples = globSync('config/{examples,disaggregation}/*.yaml').filter((file) =>
  readFileSync(file, 'utf8').includes('kind: EndpointPickerConfig'),
);

test.each(examples)('%s fits, and says where the schema is', (file) => {
  const text = readFileSync(file, 'utf8');
  expect(mismatches(document(text), SCHEMA)).toEqual([]);
  expect(text).toMatch(
    /^# yaml-language-server: \$schema=\.\.\/\.\.\/schema\/endpoint-picker-config\.json\n/,
  );
});

test('there are examples, and the example of every plugin page fits', () => {
  expect(examples.length).toBeGreaterThan(8);
  const wrong: string[] = [];
  let blocks = 0;
  for (const file of globSync('src/plugins/*/*.md')) {
    for (const [, yaml = ''] of readFileSync(file, 'utf8').matchAll(/```yaml\n([\s\S]*?)```/g)) {
      if (!/^plugins:/m.test(yaml)) continue;
      blocks += 1;
      for (const { path, keyword } of mismatches(document(yaml), SCHEMA))
        wrong.push(`${file}: ${path} ${keyword}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(blocks).toBeGreaterThan(20);
});

test.each(['parameters', 'values', 'types', 'envelope', 'profiles'])(
  'broken-%s.yaml does not fit',
  (name) => {
    const text = readFileSync(`test/fixtures/configs/broken-${name}.yaml`, 'utf8');
    expect(mismatches(document(text), SCHEMA)).not.toEqual([]);
  },
);

describe('entries of plugins', () => {
  test.each([
    '{type: queue-scorer}',
    '{type: tokenizer}',
    '{name: a, type: max-score-picker, parameters: {maxNumOfEndpoints: 2}}',
    '{type: my-scorer, module: ./my-scorer.ts, parameters: {anything: [1, {b: 2}]}}',
    '{type: single-profile-handler, parameters: {scorer: x}}',
    '{type: prefix-cache-scorer, parameters: {hashBlockSize: 64}}',
    '{type: session-affinity-scorer, parameters: {headerName: x-session}}',
  ])('%s fits', (entry) => {
    expect(mismatches(plugin(entry), SCHEMA)).toEqual([]);
  });

  test.each([
    { entry: '{name: a}', want: { path: 'plugins[0]', keyword: 'required' } },
    { entry: '{type: my-scorer}', want: { path: 'plugins[0].type', keyword: 'enum' } },
    {
      entry: '{type: queue-scorer, modul: ./a.ts}',
      want: { path: 'plugins[0].modul', keyword: 'additionalProperties' },
    },
    { entry: '{type: my-scorer, module: 7}', want: { path: 'plugins[0].module', keyword: 'type' } },
    {
      entry: '{type: max-score-picker, parameters: {maxNumOfEndpoint: 2}}',
      want: { path: 'plugins[0].parameters.maxNumOfEndpoint', keyword: 'additionalProperties' },
    },
    {
      entry: '{type: max-score-picker, parameters: {maxNumOfEndpoints: "2"}}',
      want: { path: 'plugins[0].parameters.maxNumOfEndpoints', keyword: 'type' },
    },
    {
      entry: '{type: utilization-detector, parameters: {kvCacheUtilThreshold: 1.5}}',
      want: { path: 'plugins[0].parameters.kvCacheUtilThreshold', keyword: 'maximum' },
    },
    { entry: '{type: by-label}', want: { path: 'plugins[0]', keyword: 'required' } },
  ])('$entry does not: $want.keyword', ({ entry, want }) => {
    expect(mismatches(plugin(entry), SCHEMA)).toEqual([want]);
  });
});

test('each type has its page in the completion, older ones are marked', () => {
  const text = JSON.stringify(SCHEMA);
  for (const { type, needs } of CATALOGUE) {
    if (needs === undefined) expect(text).toContain(`{"const":"${type}","description":"`);
  }
  expect(text).toContain(
    '{"const":"tokenizer","description":"Older name of `token-producer`.","deprecated":true}',
  );
  expect(text).not.toContain('9007199254740991');
});

test('what the schema takes of types and parameters, loading takes', () => {
  const rejected: string[] = [];
  for (const definition of CATALOGUE) {
    const entry = `{type: ${definition.type}}`;
    if (definition.needs !== undefined || mismatches(plugin(entry), SCHEMA).length > 0) continue;
    const { problems } = loadConfiguration(`plugins: [${entry}]`, {
      catalogue: CATALOGUE,
      allowExperimental: true,
    });
    const own = problems.filter(
      ({ severity, code, path }) =>
        severity === 'error' &&
        path.startsWith('plugins[0].') &&
        (code === 'invalid-value' || code === 'unknown-key'),
    );
    for (const { message } of own) rejected.push(`${definition.type}: ${message}`);
  }
  expect(rejected).toEqual([]);
});
