import { globSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CATALOGUE } from '../../src/plugins/catalogue.ts';
import { load } from '../support/configuration-picture.ts';

/** LINE:COLUMN, code and suggestion of every problem in each document. */
const BROKEN: Record<string, readonly (readonly [string, string, string?])[]> = {
  'broken-data': [
    ['7:34', 'missing-data', 'approx-prefix-cache-producer'],
    ['13:16', 'unknown-reference', 'metrics-data-source'],
    ['15:18', 'unknown-reference', 'core-metrics-extractor'],
    ['17:16', 'unknown-reference', 'file-discovery'],
    ['18:32', 'unavailable-feature'],
  ],
  'broken-duplicates': [
    ['5:9', 'duplicate-name'],
    ['9:5', 'duplicate-key'],
    ['11:9', 'profile-handler'],
    ['15:9', 'duplicate-name'],
    ['16:1', 'duplicate-key'],
  ],
  'broken-envelope': [
    ['1:13', 'api-version'],
    ['2:7', 'api-version'],
    ['3:1', 'unknown-key'],
    ['7:1', 'unknown-key', 'schedulingProfiles'],
  ],
  'broken-gates': [
    ['4:3', 'unknown-gate', 'flowControl'],
    ['5:3', 'unknown-gate'],
    ['6:3', 'unavailable-feature'],
    ['7:3', 'removed-gate'],
  ],
  'broken-parameters': [
    ['6:5', 'unknown-key', 'queueDepthThreshold'],
    ['7:27', 'invalid-value'],
    ['8:32', 'invalid-value'],
    ['11:16', 'invalid-value'],
    ['13:15', 'invalid-value'],
    ['16:11', 'invalid-value'],
    ['17:5', 'unknown-key', 'scheme'],
  ],
  'broken-profiles': [
    ['4:3', 'profile-handler'],
    ['12:5', 'unknown-key', 'weight'],
    ['14:16', 'second-picker'],
    ['15:3', 'invalid-value'],
  ],
  'broken-references': [
    ['6:3', 'unused-plugin'],
    ['10:16', 'unknown-reference', 'shortest-queue'],
    ['11:16', 'unknown-reference', 'kv-cache-utilization-scorer'],
    ['12:5', 'invalid-value'],
    ['12:5', 'unknown-key', 'pluginRef'],
    ['13:16', 'invalid-value'],
    ['17:16', 'unknown-reference', 'openai-parser'],
    ['18:16', 'wrong-kind'],
  ],
  'broken-types': [
    ['4:9', 'unknown-type', 'queue-scorer'],
    ['5:9', 'unknown-type', 'kv-cache-utilization-scorer'],
    ['6:9', 'unknown-type', 'max-score-picker'],
    ['7:9', 'unavailable-type'],
    ['8:3', 'invalid-value'],
    ['9:9', 'unknown-type', 'queue-scorer'],
  ],
  'broken-values': [
    ['5:9', 'yaml-boolean'],
    ['5:9', 'invalid-value'],
    ['10:13', 'invalid-value'],
    ['11:1', 'ineffective-section'],
    ['12:13', 'invalid-value'],
    ['13:22', 'invalid-value'],
    ['14:19', 'invalid-value'],
    ['16:19', 'invalid-value'],
  ],
  'broken-yaml': [['6:1', 'yaml-syntax']],
};

test.each(Object.keys(BROKEN))('%s: every mistake, with its place and what was meant', (name) => {
  const { document, problems } = load(readFileSync(`test/fixtures/configs/${name}.yaml`, 'utf8'));
  expect(document).toBeUndefined();
  const found = problems.map(({ line, column, code, suggestion }) =>
    suggestion === undefined ? [`${line}:${column}`, code] : [`${line}:${column}`, code, suggestion],
  );
  expect(found).toEqual(BROKEN[name]);
  for (const { message, suggestion } of problems) {
    if (suggestion !== undefined) expect(message).toContain(`did you mean '${suggestion}'?`);
  }
});

test('every broken document is listed', () => {
  const files = globSync('test/fixtures/configs/broken-*.yaml').map((file) => basename(file, '.yaml'));
  expect(files.toSorted()).toEqual(Object.keys(BROKEN).toSorted());
});

/** Parameters of any plugin, right or wrong. */
const anyPlugin = fc.record({
  type: fc.constantFrom(...CATALOGUE.map((definition) => definition.type)),
  parameters: fc.dictionary(
    fc.constantFrom(
      'threshold',
      'maxNumOfEndpoints',
      'interval',
      'path',
      'strategy',
      'blockSize',
      'label',
      '__proto__',
    ),
    fc.jsonValue({ maxDepth: 2 }),
  ),
});

test('any parameters of any plugin give problems or a configuration', () => {
  fc.assert(
    fc.property(fc.uniqueArray(anyPlugin, { maxLength: 5, selector: ({ type }) => type }), (plugins) => {
      const { document, problems } = load(JSON.stringify({ plugins }));
      expect(document === undefined).toBe(problems.some((problem) => problem.severity === 'error'));
    }),
  );
});
