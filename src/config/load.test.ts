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

test.each([
  {
    name: 'metadata',
    body: 'metadata: {name: x}\nplugins: [{type: pure-scorer}]\n',
    want: ['3:1: error [unknown-key] EndpointPickerConfig is not a Kubernetes resource; remove metadata'],
  },
  {
    name: 'misspelt key, at any depth',
    body: 'plugins:\n- type: pure-scorer\nschedulingProfiles:\n- name: a\n  plugins:\n  - {pluginRef: pure-scorer, weigth: 2}\n',
    want: [
      "8:30: error [unknown-key] schedulingProfiles[0].plugins[0]: unknown key 'weigth', want one of pluginRef, weight; did you mean 'weight'?",
    ],
  },
  {
    name: 'document keys are case-sensitive',
    body: 'plugins:\n- type: pure-scorer\nschedulingProfiles:\n- name: a\n  plugins:\n  - pluginref: pure-scorer\n',
    want: [
      '8:5: error [invalid-value] schedulingProfiles[0].plugins[0]: pluginRef is missing, want text',
      "8:5: error [unknown-key] schedulingProfiles[0].plugins[0]: unknown key 'pluginref', want one of pluginRef, weight; did you mean 'pluginRef'?",
      '6:9: warning [no-scorer] no profile has a scorer: endpoints are picked at random',
      "4:3: warning [unused-plugin] plugin 'pure-scorer' (type pure-scorer) is listed, but nothing refers to it: it has no effect",
    ],
  },
  {
    name: 'quoted number',
    body: 'plugins:\n- type: pure-scorer\nschedulingProfiles:\n- name: a\n  plugins:\n  - {pluginRef: pure-scorer, weight: "2"}\n',
    want: [
      '8:38: error [invalid-value] schedulingProfiles[0].plugins[0].weight: got "2", want a number (remove the quotes)',
    ],
  },
  {
    name: 'missing type',
    body: 'plugins:\n- name: x\n- type: pure-scorer\n',
    want: ['4:3: error [invalid-value] plugins[0]: type is missing, want text'],
  },
  {
    name: 'unknown, known but unavailable, and old types',
    body: 'plugins:\n- type: pure-scoer\n- type: latency-scorer\n- type: kv-cache\n',
    want: [
      "4:9: error [unknown-type] unknown plugin type 'pure-scoer'; did you mean 'pure-scorer'?",
      "5:9: error [unavailable-type] plugin type 'latency-scorer' is known but not available in this version",
      "6:9: error [unknown-type] unknown plugin type 'kv-cache'; did you mean 'kv-cache-utilization-scorer'?",
    ],
  },
  {
    name: 'duplicate names',
    body: 'plugins:\n- type: pure-scorer\n- type: pure-scorer\n',
    want: [
      "5:9: error [duplicate-name] plugin name 'pure-scorer' stands here and on line 4; give one of them another name",
    ],
  },
  {
    name: 'undefined reference',
    body: 'plugins:\n- {name: speed, type: pure-scorer}\nschedulingProfiles:\n- name: a\n  plugins:\n  - pluginRef: sped\n  - pluginRef: speed\n',
    want: ["8:16: error [unknown-reference] no plugin is named 'sped'; did you mean 'speed'?"],
  },
  {
    name: 'two pickers, a no-op reference, a scorer twice, a weight on a filter',
    body: [
      'plugins:',
      '- type: pure-scorer',
      '- type: plain-filter',
      '- type: token-producer',
      '- type: max-score-picker',
      '- type: random-picker',
      'schedulingProfiles:',
      '- name: a',
      '  plugins:',
      '  - pluginRef: pure-scorer',
      '  - pluginRef: pure-scorer',
      '  - pluginRef: token-producer',
      '  - {pluginRef: plain-filter, weight: 2}',
      '  - pluginRef: max-score-picker',
      '  - pluginRef: random-picker',
    ].join('\n'),
    want: [
      "13:16: warning [repeated-reference] profile 'a' lists 'pure-scorer' twice: its score counts twice",
      "14:16: warning [ineffective-reference] plugin 'token-producer' is no filter, scorer or picker: the reference has no effect, the plugin works by being listed",
      "15:17: warning [ineffective-reference] plugin 'plain-filter' is no scorer: its weight has no effect",
      "17:16: error [second-picker] profile 'a' has the picker 'max-score-picker' already, got 'random-picker', want one",
    ],
  },
  {
    name: 'two profiles of one name without handler',
    body: 'plugins: [{type: pure-scorer}]\nschedulingProfiles:\n- {name: a, plugins: [{pluginRef: pure-scorer}]}\n- {name: a, plugins: []}\n',
    want: [
      '5:10: error [profile-handler] got 2 profiles and no profile handler, want one in plugins',
      "6:10: error [duplicate-name] profile name 'a' is taken by schedulingProfiles[0]",
    ],
  },
  {
    name: 'two handlers; the single one with two profiles',
    body: 'plugins: [{type: pure-scorer}, {type: single-profile-handler}, {type: other-profile-handler}]\nschedulingProfiles:\n- {name: a, plugins: [{pluginRef: pure-scorer}]}\n- {name: b}\n',
    want: [
      '3:32: error [profile-handler] single-profile-handler runs one profile, got 2',
      "3:64: error [profile-handler] got the profile handlers 'single-profile-handler', 'other-profile-handler', want one",
    ],
  },
  {
    name: 'feature gates',
    body: 'featureGates: [dataLayer, flowcontrol, "haPopulateNonLeaderDatastore=maybe", "flowControl = true", haPopulateNonLeaderDatastore=F]\nplugins: [{type: pure-scorer}]\n',
    want: [
      "3:16: warning [removed-gate] feature gate 'dataLayer' no longer exists; remove it",
      "3:27: error [unknown-gate] unknown feature gate 'flowcontrol', want one of flowControl, haPopulateNonLeaderDatastore; did you mean 'flowControl'?",
      "3:40: error [unknown-gate] feature gate 'haPopulateNonLeaderDatastore': got 'maybe', want true or false",
      "3:78: error [unknown-gate] unknown feature gate 'flowControl ', want one of flowControl, haPopulateNonLeaderDatastore; did you mean 'flowControl'?",
    ],
  },
  {
    name: 'the gate of a layer that is not there',
    body: 'featureGates: [flowControl=1]\nplugins: [{type: pure-scorer}]\n',
    want: [
      '3:16: error [unavailable-feature] feature gate flowControl: the flow control layer is not available in this version; remove the gate to reject sheddable requests when the pool is saturated',
    ],
  },
  {
    name: 'flowControl without its gate is checked, then ignored',
    body: 'plugins: [{type: pure-scorer}]\nflowControl: {maxBytes: 1x, defaultRequestTTL: 5, enableEviction: true}\n',
    want: [
      '4:1: warning [ineffective-section] flowControl has no effect without the feature gate flowControl: maxBytes, defaultRequestTTL, enableEviction',
      '4:25: error [invalid-value] flowControl.maxBytes: got "1x", want a quantity such as "500M" or "1Gi"',
      '4:48: error [invalid-value] flowControl.defaultRequestTTL: got 5, want a duration such as "300ms" or "1m30s"',
    ],
  },
  {
    name: 'parameters: unknown key, type, range, choice, union, refinement, case',
    body: [
      'plugins:',
      '- type: pure-scorer',
      '- type: shape-filter',
      '  parameters:',
      '    Mode: strikt',
      '    timeot: 5s',
      '    timeout: soon',
      '    labels: {a: 1}',
      '    sources: [{hedder: x}]',
      '    window: {min: 2, max: 1}',
    ].join('\n'),
    want: [
      "7:5: warning [key-case] plugins[1].parameters: 'Mode' is read as 'mode'",
      '7:11: error [invalid-value] plugins[1].parameters.mode: got "strikt", want one of strict, prefer; did you mean \'strict\'?',
      "8:5: error [unknown-key] plugins[1].parameters: unknown key 'timeot', want one of mode, url, timeout, labels, sources, window; did you mean 'timeout'?",
      '9:14: error [invalid-value] plugins[1].parameters.timeout: got "soon", want a duration such as "300ms" or "1m30s"',
      '10:17: error [invalid-value] plugins[1].parameters.labels.a: got 1, want text',
      '11:15: error [invalid-value] plugins[1].parameters.sources[0]: header is missing, want text',
      "11:16: error [unknown-key] plugins[1].parameters.sources[0]: unknown key 'hedder', want one of header, attribute; did you mean 'header'?",
      '12:13: error [invalid-parameters] plugins[1].parameters.window: min must be below max',
    ],
  },
  {
    name: 'parameters that are no object',
    body: 'plugins:\n- type: shape-filter\n  parameters: [1]\n- type: pure-scorer\n',
    want: ['5:15: error [invalid-value] plugins[0].parameters: got a list, want an object'],
  },
  {
    name: 'ignored parameters',
    body: 'plugins:\n- type: pure-scorer\n  parameters: {scorer: x, picker: z}\n',
    want: [
      '5:16: warning [ignored-parameters] plugins[0].parameters: pure-scorer takes no such parameters; ignored: scorer, picker',
    ],
  },
  {
    name: 'null is absence',
    body: 'plugins:\n- type: shape-filter\n  name: null\n  parameters: {mode: null, timeout: ~}\n- type: pure-scorer\n  parameters:\nschedulingProfiles:\nflowControl: null\n',
    want: [],
  },
  {
    name: 'parser places',
    body: 'plugins: [{type: pure-scorer}]\nrequestHandler: {parser: {pluginRef: x}, parsers: [{pluginRef: pure-scorer}, {pluginRef: openai-parsr}, {pluginRef: sglanghttp-parser}]}\n',
    want: [
      '4:18: error [unknown-key] parsers is a list; write parsers: [{pluginRef: …}]',
      "4:64: error [wrong-kind] plugin 'pure-scorer' (type pure-scorer) serves as scorer, want parser",
      "4:90: error [unknown-reference] no plugin is named 'openai-parsr'; did you mean 'openai-parser'?",
      "4:117: error [unavailable-type] plugin type 'sglanghttp-parser' is known but not available in this version",
    ],
  },
  {
    name: 'data layer places',
    body: [
      'plugins: [{type: pure-scorer}, {name: e2, type: core-metrics-extractor}]',
      'dataLayer:',
      '  sources:',
      '  - pluginRef: metrics-data-source',
      '    extractors: [{pluginRef: core-metrics-extractor}, {pluginRef: e2}, {pluginRef: metrics-data-source}]',
      '  discovery: {pluginRef: file-discovry}',
      '  crossReplicaSyncerPluginRef: redis',
      '  peerDiscovery: {pluginRef: any}',
    ].join('\n'),
    want: [
      "7:67: error [repeated-reference] source 'metrics-data-source' has two extractors of type core-metrics-extractor, want one",
      "7:84: error [wrong-kind] plugin 'metrics-data-source' (type metrics-data-source) serves as source, want extractor",
      "8:26: error [unknown-reference] no plugin is named 'file-discovry'; did you mean 'file-discovery'?",
      "9:32: error [unavailable-feature] dataLayer.crossReplicaSyncerPluginRef: got 'redis', but no plugin shares state between replicas in this version",
      '10:30: warning [ineffective-section] dataLayer.peerDiscovery has no effect',
    ],
  },
])('problems: $name', ({ body, want }) => {
  const found = problems(body);
  expect(found.toSorted()).toEqual(want.toSorted());
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
          type: fc.constantFrom(
            ...TEST_CATALOGUE.map((definition) => definition.type),
            'nope',
            'latency-scorer',
          ),
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
