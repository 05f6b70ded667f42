import { expect, test } from 'vitest';
import { context } from '../../test/support/builders.ts';
import { TEST_CATALOGUE } from '../../test/support/catalogue.ts';
import { buildPipeline } from './build.ts';
import { loadConfiguration } from './load.ts';
import { problemText } from './problems.ts';

function build(text: string) {
  const { document, problems } = loadConfiguration(text, { catalogue: TEST_CATALOGUE });
  expect(problems.filter((problem) => problem.severity === 'error')).toEqual([]);
  if (document === undefined) throw new Error('the document did not load');
  const asked: string[] = [];
  const result = buildPipeline(document, (name, type) => {
    asked.push(`${name}/${type}`);
    return context(name);
  });
  return { ...result, asked };
}

test('the default configuration: every part is in its place, constructed once, in order', () => {
  const { pipeline, problems, asked } = build('');
  expect(problems).toEqual([]);
  expect(asked.slice(0, 2)).toEqual([
    'queue-scorer/queue-scorer',
    'kv-cache-utilization-scorer/kv-cache-utilization-scorer',
  ]);
  expect(new Set(asked).size).toBe(asked.length);
  expect(pipeline?.plugins.map((one) => `${one.name}/${one.type}`)).toEqual(asked);
  expect(
    pipeline?.profiles.map((profile) => ({
      name: profile.name,
      filters: profile.filters.map((one) => one.name),
      scorers: profile.scorers.map((one) => [one.name, one.weight]),
      picker: profile.picker.name,
    })),
  ).toEqual([
    {
      name: 'default',
      filters: [],
      scorers: [
        ['queue-scorer', 2],
        ['kv-cache-utilization-scorer', 2],
        ['prefix-cache-scorer', 3],
      ],
      picker: 'max-score-picker',
    },
  ]);
  expect(pipeline?.handler.name).toBe('single-profile-handler');
  expect(pipeline?.producers.map((one) => one.name)).toEqual([
    'token-producer',
    'approx-prefix-cache-producer',
  ]);
  expect(pipeline?.preRequestHooks.map((one) => one.name)).toEqual(['approx-prefix-cache-producer']);
  expect(pipeline?.parsers.map((one) => one.name)).toEqual([
    'openai-parser',
    'anthropic-parser',
    'vllmhttp-parser',
    'passthrough-parser',
  ]);
  expect(pipeline?.saturationDetector.name).toBe('utilization-detector');
  expect(
    pipeline?.sources.map((one) => [one.source.name, one.extractors.map((extractor) => extractor.name)]),
  ).toEqual([['metrics-data-source', ['core-metrics-extractor']]]);
  expect(pipeline?.discovery).toBeUndefined();
});

test('one instance serves in every slot of its kinds', () => {
  const { pipeline } = build(
    'plugins: [{type: filter-and-scorer}, {type: file-discovery}]\ndataLayer: {discovery: {pluginRef: file-discovery}}',
  );
  const [profile] = pipeline?.profiles ?? [];
  expect(profile?.filters[0]?.plugin).toBe(profile?.scorers[0]?.plugin);
  expect(pipeline?.discovery?.name).toBe('file-discovery');
});

test('parsers behind the fallback are left out, with a warning', () => {
  const { pipeline, problems } = build(
    'plugins: [{type: pure-scorer}]\nrequestHandler: {parsers: [{pluginRef: passthrough-parser}, {pluginRef: openai-parser}]}',
  );
  expect(pipeline?.parsers.map((one) => one.name)).toEqual(['passthrough-parser']);
  expect(problems.map(problemText)).toEqual([
    "2:73: warning [ineffective-reference] parser 'openai-parser' stands behind 'passthrough-parser', which takes every path, and is left out",
  ]);
});

test('every plugin that cannot be constructed is reported, at its place', () => {
  const { pipeline, problems } = build(
    'plugins:\n- {type: shape-filter, parameters: {url: fail}}\n- type: pure-scorer\n- type: broken-scorer\n',
  );
  expect(pipeline).toBeUndefined();
  expect(problems.map(problemText)).toEqual([
    "2:3: error [invalid-parameters] plugin 'shape-filter' (type shape-filter) cannot start: url cannot be reached",
    "4:3: error [invalid-parameters] plugin 'broken-scorer' (type broken-scorer) cannot start: it is listed as scorer but has no method score",
  ]);
});

test('an extractor must read what its source delivers', () => {
  const { pipeline, problems } = build(
    'plugins: [{type: pure-scorer}]\ndataLayer: {sources: [{pluginRef: models-data-source, extractors: [{pluginRef: core-metrics-extractor}]}]}',
  );
  expect(pipeline).toBeUndefined();
  expect(problems.map((problem) => problem.message)).toEqual([
    "extractor 'core-metrics-extractor' reads prometheus, but source 'models-data-source' delivers json-models",
  ]);
});
