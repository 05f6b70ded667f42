import { expect, test } from 'vitest';
import { TEST_CATALOGUE } from '../../test/support/catalogue.ts';
import { CATALOGUE } from '../plugins/catalogue.ts';
import { loadConfiguration } from './load.ts';
import { problemText } from './problems.ts';

function load(text: string) {
  return loadConfiguration(`apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\n${text}`, {
    catalogue: TEST_CATALOGUE,
  });
}

/** What the producer that the scorer reads was given. */
function producerParams(text: string, name = 'approx-prefix-cache-producer'): unknown {
  return load(text).document?.plugins.find((entry) => entry.name === name)?.params;
}

test.each([
  {
    name: 'blocks of characters',
    parameters: '{blockSize: 256, maxPrefixBlocksToMatch: 100, lruCapacityPerServer: 500}',
    want: {
      blockSizeTokens: 64,
      maxPrefixTokensToMatch: 0,
      maxPrefixBlocksToMatch: 100,
      lruCapacityPerServer: 500,
    },
  },
  {
    name: 'the oldest name',
    parameters: '{hashBlockSize: 64, autoTune: false}',
    want: { blockSizeTokens: 16, autoTune: false },
  },
  { name: 'at least one token', parameters: '{hashBlockSize: 3}', want: { blockSizeTokens: 1 } },
  {
    name: 'tokens win',
    parameters: '{hashBlockSize: 64, blockSizeTokens: 32}',
    want: { blockSizeTokens: 32 },
  },
  {
    name: 'a cap in tokens',
    parameters: '{maxPrefixTokensToMatch: 900, maxPrefixBlocksToMatch: 5}',
    want: { maxPrefixTokensToMatch: 900, maxPrefixBlocksToMatch: 5 },
  },
])('prefix-cache-scorer of old: $name', ({ parameters, want }) => {
  const text = `plugins:\n- type: prefix-cache-scorer\n  parameters: ${parameters}\n`;
  const { problems } = load(text);
  expect(problems.map((problem) => [problem.severity, problem.code, problem.line, problem.column])).toEqual([
    ['warning', 'deprecated-form', 5, 16],
  ]);
  expect(producerParams(text)).toMatchObject(want);
});

test('old scorer parameters go to a listed producer without parameters, and to one of another name', () => {
  expect(
    producerParams(
      'plugins: [{type: approx-prefix-cache-producer}, {type: prefix-cache-scorer, parameters: {blockSize: 64}}]',
    ),
  ).toMatchObject({ blockSizeTokens: 16 });
  expect(
    producerParams(
      'plugins: [{type: prefix-cache-scorer, parameters: {blockSize: 64, prefixMatchInfoProducerName: mine}}]',
      'mine',
    ),
  ).toMatchObject({ blockSizeTokens: 16 });
});

test('a listed producer with parameters wins, and the warning says so', () => {
  const text =
    'plugins: [{type: prefix-cache-scorer, parameters: {blockSize: 64}}, {type: approx-prefix-cache-producer, parameters: {blockSizeTokens: 128}}]';
  expect(producerParams(text)).toMatchObject({ blockSizeTokens: 128 });
  expect(load(text).problems.map((problem) => problem.message)).toEqual([
    "blockSize of prefix-cache-scorer belong to the listed producer 'approx-prefix-cache-producer', whose parameters win; block sizes of the scorer were characters, 4 to a token",
  ]);
});

test.each([
  {
    body: 'plugins: [{type: prefix-cache-scorer, parameters: {BlockSize: 64, PREFIXMATCHINFOPRODUCERNAME: mine}}]',
    name: 'mine',
    params: { blockSizeTokens: 16 },
    keys: ['blockSize', 'prefixMatchInfoProducerName'],
  },
  {
    body: 'plugins: [{type: session-affinity-scorer, parameters: {HeaderName: x-mine}}]',
    name: 'session-affinity-scorer',
    params: { encodedEndpointHeaderConfig: { header: 'x-mine' } },
    keys: ['headerName'],
  },
  {
    body: 'plugins: [{type: pd-profile-handler, parameters: {Threshold: 1000, DeciderPluginName: mine}}, {type: prefix-based-pd-decider, name: mine}]\nschedulingProfiles: [{name: decode}, {name: prefill}]',
    name: 'mine',
    params: { nonCachedTokens: 250 },
    keys: ['threshold', 'deciderPluginName'],
  },
])('old parameters match in any case: $keys', ({ body, name, params, keys }) => {
  const { document, problems } = loadConfiguration(
    `apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\n${body}`,
    { catalogue: CATALOGUE, allowExperimental: true },
  );
  const read = problems.filter(({ code }) => code === 'key-case').map(({ message }) => message.split("'")[3]);
  expect(read).toEqual(keys);
  expect(problems.filter(({ code }) => code === 'deprecated-form')).toHaveLength(1);
  expect(document?.plugins.find((entry) => entry.name === name)?.params).toMatchObject(params);
});

test('engine events on the scorer are refused with a pointer', () => {
  expect(
    load('plugins: [{type: prefix-cache-scorer, parameters: {mode: cache_tracking}}]').problems.map(
      problemText,
    ),
  ).toEqual([
    '3:52: error [unavailable-feature] mode of prefix-cache-scorer configured an index of engine events; list a precise-prefix-cache-producer and name it in prefixMatchInfoProducerName',
  ]);
});

test('deprecated parameters warn once', () => {
  expect(
    load(
      'plugins: [{type: prefix-cache-scorer}, {type: approx-prefix-cache-producer, parameters: {blockSize: 128}}]',
    ).problems.map(problemText),
  ).toEqual([
    '3:90: warning [deprecated-form] blockSize of approx-prefix-cache-producer is deprecated; write blockSizeTokens',
  ]);
});

test('parameters of the multicluster producer are deprecated like those of the other one', () => {
  const { problems } = loadConfiguration(
    'apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\nplugins: [{type: prefix-cache-scorer}, {type: multicluster-approx-prefix-cache-producer, parameters: {blockSize: 128, maxPrefixTokensToMatch: 0, maxPrefixBlocksToMatch: 9}}]',
    { catalogue: CATALOGUE, allowExperimental: true },
  );
  const deprecated = problems.filter(({ code }) => code === 'deprecated-form').map(({ message }) => message);
  expect(deprecated).toEqual([
    'blockSize of multicluster-approx-prefix-cache-producer is deprecated; write blockSizeTokens',
    'maxPrefixBlocksToMatch of multicluster-approx-prefix-cache-producer is deprecated; write maxPrefixTokensToMatch',
  ]);
});

test('saturationDetector and parser at the top level move', () => {
  const { document, problems } = load(
    'plugins: [{type: pure-scorer}, {name: mine, type: utilization-detector}]\nsaturationDetector: {pluginRef: mine}\nparser: {pluginRef: openai-parser}\n',
  );
  expect(document?.saturationDetector.name).toBe('mine');
  expect(document?.parsers.map((entry) => entry.name)).toEqual(['openai-parser']);
  expect(problems.map(problemText)).toEqual([
    '4:1: warning [deprecated-form] saturationDetector has moved to flowControl.saturationDetector',
    '5:1: warning [deprecated-form] parser has moved to requestHandler.parsers',
  ]);
});

test.each([
  { body: 'saturationDetector: {queueDepthThreshold: 0}', path: 'saturationDetector.queueDepthThreshold' },
  {
    body: 'flowControl: {saturationDetector: {kvCacheUtilThreshold: 3}}',
    path: 'flowControl.saturationDetector.kvCacheUtilThreshold',
  },
])('a wrong threshold in its old place is reported once: $body', ({ body, path }) => {
  const { problems } = load(`plugins: [{type: pure-scorer}]\n${body}\n`);
  expect(problems.filter(({ severity }) => severity === 'error').map((problem) => problem.path)).toEqual([
    path,
  ]);
});

test('the current places win over the old ones', () => {
  const { document, problems } = load(
    [
      'plugins: [{type: pure-scorer}, {name: mine, type: utilization-detector}]',
      'saturationDetector: {pluginRef: utilization-detector}',
      'parser: {pluginRef: openai-parser}',
      'flowControl: {saturationDetector: {pluginRef: mine}}',
      'requestHandler: {parsers: [{pluginRef: anthropic-parser}]}',
    ].join('\n'),
  );
  expect(document?.saturationDetector.name).toBe('mine');
  expect(document?.parsers.map((entry) => entry.name)).toEqual(['anthropic-parser']);
  expect(problems.map((problem) => problem.message)).toEqual([
    'saturationDetector has moved to flowControl.saturationDetector, which is set and wins',
    'parser has moved to requestHandler.parsers, which is set and wins',
  ]);
});

test('thresholds in the old place become parameters of the detector, unless one is listed', () => {
  const thresholds = 'saturationDetector: {queueDepthThreshold: 9, metricsStalenessThreshold: 1s}';
  const moved = load(`plugins: [{type: pure-scorer}]\n${thresholds}`);
  expect(moved.document?.saturationDetector.params).toMatchObject({
    queueDepthThreshold: 9,
    metricsStalenessThreshold: 1000,
  });
  expect(moved.problems.map(problemText)).toEqual([
    '4:22: warning [deprecated-form] queueDepthThreshold, metricsStalenessThreshold of saturationDetector are parameters of the plugin utilization-detector and are applied there',
  ]);
  const listed = load(
    `plugins: [{type: pure-scorer}, {type: utilization-detector, parameters: {queueDepthThreshold: 2}}]\n${thresholds}`,
  );
  expect(listed.document?.saturationDetector.params).toMatchObject({ queueDepthThreshold: 2 });
});
