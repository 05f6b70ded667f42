import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TEST_CATALOGUE } from '../../test/support/catalogue.ts';
import { ConfigurationError } from '../framework/errors.ts';
import { effectiveConfiguration } from './effective.ts';
import { loadConfiguration } from './load.ts';
import { pathText } from './node.ts';
import { problemText } from './problems.ts';

const HEAD = 'apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\n';

function load(text: string, allowExperimental = false) {
  return loadConfiguration(text, { catalogue: TEST_CATALOGUE, allowExperimental });
}

/** Problems as text, for a document without its two first lines. */
function problems(body: string): string[] {
  return load(HEAD + body).problems.map(problemText);
}

/** The effective configuration of a document that must load. */
function loaded(body: string) {
  const result = load(HEAD + body);
  expect(result.problems.filter((problem) => problem.severity === 'error')).toEqual([]);
  if (result.document === undefined) throw new Error('the document did not load');
  return result.document;
}

test('no text is the default configuration with everything it needs', () => {
  const { document, problems: found } = load('');
  expect(found).toEqual([]);
  expect(document?.plugins.map((entry) => entry.name)).toEqual([
    'queue-scorer',
    'kv-cache-utilization-scorer',
    'prefix-cache-scorer',
    'metrics-data-source',
    'core-metrics-extractor',
    'single-profile-handler',
    'max-score-picker',
    'openai-parser',
    'anthropic-parser',
    'vllmhttp-parser',
    'passthrough-parser',
    'utilization-detector',
    'approx-prefix-cache-producer',
    'token-producer',
  ]);
  expect(document?.plugins.slice(5).every((entry) => entry.reason !== '')).toBe(true);
  expect(
    document?.profiles.map(({ members }) => members.map(({ plugin, weight }) => [plugin.name, weight])),
  ).toEqual([
    [
      ['queue-scorer', 2],
      ['kv-cache-utilization-scorer', 2],
      ['prefix-cache-scorer', 3],
      ['max-score-picker', 1],
    ],
  ]);
  expect(document?.producers.map((entry) => entry.name)).toEqual([
    'token-producer',
    'approx-prefix-cache-producer',
  ]);
  expect(document?.sources.map((one) => one.source.name)).toEqual(['metrics-data-source']);
});

test.each([
  { name: 'an envelope alone', text: HEAD },
  { name: 'an empty object', text: '{}' },
  { name: 'comments', text: '# nothing\n' },
])('$name is an empty configuration: no scorer, with a warning', ({ text }) => {
  const { document, problems: found } = load(text);
  expect(document?.profiles[0]?.members.map((member) => member.plugin.name)).toEqual(['max-score-picker']);
  expect(found.map((problem) => problem.code)).toContain('no-scorer');
  expect(found.every((problem) => problem.severity === 'warning')).toBe(true);
});

test.each([
  { name: 'no envelope', text: 'plugins: [{type: pure-scorer}]', codes: ['api-version-missing'] },
  {
    name: 'the old apiVersion',
    text: 'apiVersion: inference.networking.x-k8s.io/v1alpha1\nkind: EndpointPickerConfig\nplugins: [{type: pure-scorer}]',
    codes: ['api-version-deprecated'],
  },
  {
    name: 'another apiVersion and kind',
    text: 'apiVersion: llm-d.ai/v1\nkind: EndpointPicker\nplugins: [{type: pure-scorer}]',
    codes: ['api-version', 'api-version'],
  },
])('envelope: $name', ({ text, codes }) => {
  expect(load(text).problems.map((problem) => problem.code)).toEqual(codes);
});

test('problems come in the order of the text', () => {
  const { problems: found } = load(
    `${HEAD}plugins:\n- type: nope\n- type: pure-scorer\n  parameters: {x: 1}\nextra: 1\n`,
  );
  expect(found.map((problem) => problem.line)).toEqual([4, 6, 7]);
});

test('experimental types need the flag, except those older releases shipped without it', () => {
  const text = `${HEAD}plugins:\n- type: alpha-scorer\n- type: agent-identity\n- type: pure-scorer\n`;
  expect(load(text).problems.map((problem) => [problem.severity, problem.code, problem.line])).toEqual([
    ['error', 'experimental-type', 4],
    ['warning', 'experimental-type', 5],
  ]);
  expect(load(text, true).problems).toEqual([]);
});

test('without profiles one takes every listed filter, scorer and picker in order', () => {
  const { profiles } = loaded(
    'plugins: [{type: utilization-detector}, {type: filter-and-scorer}, {type: random-picker}, {type: token-producer}]',
  );
  expect(profiles[0]?.members.map((member) => member.plugin.name)).toEqual([
    'utilization-detector',
    'filter-and-scorer',
    'random-picker',
  ]);
});

test('a profile without picker takes max-score-picker before others', () => {
  const { profiles } = loaded(
    'plugins: [{type: pure-scorer}, {type: random-picker}, {type: max-score-picker, name: top}]\nschedulingProfiles: [{name: a, plugins: [{pluginRef: pure-scorer}]}]',
  );
  expect(profiles[0]?.members.at(-1)?.plugin.name).toBe('top');
});

test('two listed pickers and no profile is an error', () => {
  expect(
    problems('plugins: [{type: pure-scorer}, {type: random-picker}, {type: max-score-picker}]').join(),
  ).toContain('second-picker');
});

test('references resolve by name, then by type', () => {
  const { profiles, plugins } = loaded(
    'plugins: [{name: random-picker, type: max-score-picker}]\nschedulingProfiles: [{name: a, plugins: [{pluginRef: pure-scorer}, {pluginRef: random-picker}]}]',
  );
  expect(profiles[0]?.members.map((member) => member.plugin.definition.type)).toEqual([
    'pure-scorer',
    'max-score-picker',
  ]);
  expect(plugins.find((entry) => entry.name === 'pure-scorer')?.reason).toBe('referenced by its type');
});

test('an alias counts as the current type, keeps its references, and warns once', () => {
  const result = load(
    `${HEAD}plugins: [{type: tokenizer}, {type: old-filter}, {type: former-filter}, {type: prefix-cache-scorer}]\nschedulingProfiles: [{name: a, plugins: [{pluginRef: old-filter}, {pluginRef: former-filter}, {pluginRef: prefix-cache-scorer}]}]`,
  );
  expect(result.problems.map((problem) => problem.code)).toEqual([
    'deprecated-type',
    'deprecated-type',
    'deprecated-type',
  ]);
  expect(result.document?.plugins.filter((entry) => entry.definition.type === 'token-producer')).toHaveLength(
    1,
  );
  expect(result.document?.plugins.map((entry) => entry.name).slice(0, 2)).toEqual([
    'token-producer',
    'plain-filter',
  ]);
});

test('a renamed metrics source is not doubled', () => {
  const { sources } = loaded(
    [
      'plugins: [{type: queue-scorer}, {name: fast, type: metrics-data-source}, {name: core, type: core-metrics-extractor}]',
      'dataLayer: {sources: [{pluginRef: fast, extractors: [{pluginRef: core}]}]}',
    ].join('\n'),
  );
  expect(sources.map((one) => one.source.name)).toEqual(['fast']);
});

test('a listed metrics source that nothing binds serves as the default', () => {
  const { sources } = loaded('plugins: [{type: queue-scorer}, {name: fast, type: metrics-data-source}]');
  expect(sources.map((one) => [one.source.name, one.extractors.map((entry) => entry.name)])).toEqual([
    ['fast', ['core-metrics-extractor']],
  ]);
});

test('without defaults the data layer may be empty, but not what scorers need', () => {
  expect(problems('plugins: [{type: pure-scorer}]\ndataLayer: {injectDefaults: false}')).toEqual([
    '1:1: warning [no-sources] no data source is configured: endpoint metrics stay unknown',
  ]);
  expect(
    problems('plugins: [{type: queue-scorer}]\ndataLayer: {injectDefaults: false}').join('\n'),
  ).toContain(
    "plugin 'queue-scorer' needs WaitingQueueSize/core-metrics-extractor, which no plugin produces",
  );
});

test.each([
  {
    name: 'a name nobody has',
    body: 'plugins:\n- type: pure-scorer\n- {name: prefixes, type: approx-prefix-cache-producer}\n- type: prefix-cache-scorer\n  parameters: {prefixMatchInfoProducerName: prefixs}\n',
    want: "7:45: error [missing-data] plugin 'prefix-cache-scorer' needs PrefixCacheMatchInfoDataKey/prefixs, which no plugin produces; did you mean 'prefixes'?",
  },
  {
    name: 'the name of another kind of plugin',
    body: 'plugins:\n- type: pure-scorer\n- type: prefix-cache-scorer\n  parameters: {prefixMatchInfoProducerName: pure-scorer}\n',
    want: "6:45: error [missing-data] plugin 'prefix-cache-scorer' needs PrefixCacheMatchInfoDataKey/pure-scorer, but plugin 'pure-scorer' (type pure-scorer) does not produce PrefixCacheMatchInfoDataKey",
  },
  {
    name: 'a default producer beside a renamed one',
    body: 'plugins:\n- {name: prefixes, type: approx-prefix-cache-producer}\n- type: prefix-cache-scorer\n',
    want: "5:3: warning [second-producer] plugin 'prefix-cache-scorer' reads PrefixCacheMatchInfoDataKey of 'approx-prefix-cache-producer', which was added beside the listed 'prefixes'; name 'prefixes' in the plugin's …ProducerName parameter, or give it its default name",
  },
  {
    name: 'producers in a circle',
    body: 'plugins: [{type: pure-scorer}, {type: circle-a}, {type: circle-b}]',
    want: "3:32: error [dependency-cycle] producers need each other in a circle: 'circle-a', 'circle-b'",
  },
])('producers: $name', ({ body, want }) => {
  expect(problems(body)).toEqual([want]);
});

test('producers run in the order of their data, optional data included, else as declared', () => {
  const { producers } = loaded(
    'plugins: [{type: early-producer}, {type: prefix-cache-scorer}, {type: approx-prefix-cache-producer}, {name: tokens, type: token-producer}]',
  );
  expect(producers.map((entry) => entry.name)).toEqual([
    'tokens',
    'approx-prefix-cache-producer',
    'early-producer',
  ]);
});

test('flags of earlier releases become parameters of plugins that have none', () => {
  const pluginParameters = new Map([['utilization-detector', { queueDepthThreshold: 9 }]]);
  const options = { catalogue: TEST_CATALOGUE, pluginParameters };
  expect(loadConfiguration('', options).document?.saturationDetector.params).toMatchObject({
    queueDepthThreshold: 9,
  });
  const listed = `${HEAD}plugins: [{type: pure-scorer}, {type: utilization-detector, parameters: {queueDepthThreshold: 3}}]`;
  expect(loadConfiguration(listed, options).document?.saturationDetector.params).toMatchObject({
    queueDepthThreshold: 3,
  });
});

test('a catalogue that lists a type twice is refused', () => {
  const [first] = TEST_CATALOGUE;
  if (first === undefined) throw new Error('the catalogue is empty');
  expect(() => loadConfiguration('', { catalogue: [...TEST_CATALOGUE, first] })).toThrow(ConfigurationError);
});

test('a catalogue without default plugins gives a reason', () => {
  const catalogue = TEST_CATALOGUE.filter((definition) => definition.type === 'pure-scorer');
  const { document, problems: found } = loadConfiguration(`${HEAD}plugins: [{type: pure-scorer}]`, {
    catalogue,
  });
  expect(document).toBeUndefined();
  expect(found.map(problemText).join('\n')).toContain('no profile handler is listed');
});

const words = fc.constantFrom(
  ...'apiVersion kind plugins schedulingProfiles name type parameters pluginRef weight queue-scorer prefix-cache-scorer'.split(
    ' ',
  ),
  ...'featureGates dataLayer sources extractors flowControl saturationDetector parser blockSize yes ~ & * ! | > - : , { } [ ] " #'.split(
    ' ',
  ),
  ...['\n', '\n  ', '\n- ', ': ', ' ', '&a', '*a', '<<: ', '1', '-1.5', 'null', '!!str ', '---\n', '"', "'"],
);

test('any text gives problems or a configuration: it never throws, and twice the same', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(words, { maxLength: 60 }).map((parts) => parts.join('')),
      ),
      (text) => {
        const first = load(text);
        const second = load(text);
        expect(second.problems).toEqual(first.problems);
        expect(first.document === undefined).toBe(
          first.problems.some((problem) => problem.severity === 'error'),
        );
        for (const problem of first.problems) {
          expect(problem.line).toBeGreaterThanOrEqual(1);
          expect(problem.column).toBeGreaterThanOrEqual(1);
        }
      },
    ),
    { numRuns: 500 },
  );
});

/** Documents whose shape is right and whose names may be anything. */
const anyDocument = fc.record(
  {
    plugins: fc.array(
      fc.record(
        {
          type: fc.constantFrom(...TEST_CATALOGUE.map((definition) => definition.type), 'nope'),
          name: fc.constantFrom('a', 'b', 'c'),
          parameters: fc.dictionary(fc.constantFrom('mode', 'blockSize', 'autoTune', 'x'), fc.jsonValue()),
        },
        { requiredKeys: ['type'] },
      ),
      { maxLength: 8 },
    ),
    schedulingProfiles: fc.array(
      fc.record({
        name: fc.constantFrom('p', 'q'),
        plugins: fc.array(
          fc.record({ pluginRef: fc.constantFrom('a', 'b', 'c', 'pure-scorer', 'plain-filter') }),
        ),
      }),
      { maxLength: 2 },
    ),
    dataLayer: fc.record({ injectDefaults: fc.boolean() }),
  },
  { requiredKeys: [] },
);

test('what is in effect loads again to the same, without a problem but for what it cannot say', () => {
  let loadedDocuments = 0;
  fc.assert(
    fc.property(anyDocument, (document) => {
      const first = load(JSON.stringify(document), true).document;
      if (first === undefined) return;
      loadedDocuments += 1;
      const second = load(effectiveConfiguration(first), true);
      expect(second.problems.filter((problem) => problem.severity === 'error')).toEqual([]);
      expect(names(second.document)).toEqual(names(first));
    }),
    { numRuns: 1000 },
  );
  expect(loadedDocuments).toBeGreaterThan(10);
});

function names(document: ReturnType<typeof load>['document']) {
  return {
    plugins: document?.plugins.map((entry) => [entry.name, entry.definition.type, entry.params]),
    profiles: document?.profiles.map((profile) => [
      profile.name,
      profile.members.map((member) => [member.plugin.name, member.weight]),
    ]),
    parsers: document?.parsers.map((entry) => entry.name),
    producers: document?.producers.map((entry) => entry.name),
    sources: document?.sources.map((one) => [one.source.name, one.extractors.map((entry) => entry.name)]),
    detector: document?.saturationDetector.name,
    handler: document?.handler.name,
  };
}

test('paths read as people write them', () => {
  expect(pathText(['plugins', 2, 'parameters', 'a'])).toBe('plugins[2].parameters.a');
  expect(pathText([])).toBe('');
});
