import { expect, test } from 'vitest';
import { z } from 'zod';
import { TEST_CATALOGUE } from '../../test/support/catalogue.ts';
import { defineEndpointObserver } from '../framework/define.ts';
import { loadConfiguration } from './load.ts';
import { problemText } from './problems.ts';

/** Problems as text, for a document without its two first lines. */
function problems(body: string): string[] {
  const text = `apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\n${body}`;
  return loadConfiguration(text, { catalogue: TEST_CATALOGUE }).problems.map(problemText);
}

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
    body: 'plugins:\n- type: pure-scoer\n- type: planned-policy\n- type: kv-cache\n',
    want: [
      "4:9: error [unknown-type] unknown plugin type 'pure-scoer'; did you mean 'pure-scorer'?",
      "5:9: error [unavailable-type] plugin type 'planned-policy' is known but not available in this version: it needs the policy layer",
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
    body: 'plugins: [{type: pure-scorer}]\nrequestHandler: {parser: {pluginRef: x}, parsers: [{pluginRef: pure-scorer}, {pluginRef: openai-parsr}, {pluginRef: planned-policy}]}\n',
    want: [
      '4:18: error [unknown-key] parsers is a list; write parsers: [{pluginRef: …}]',
      "4:64: error [wrong-kind] plugin 'pure-scorer' (type pure-scorer) serves as scorer, want parser",
      "4:90: error [unknown-reference] no plugin is named 'openai-parsr'; did you mean 'openai-parser'?",
      "4:117: error [unavailable-type] plugin type 'planned-policy' is known but not available in this version: it needs the policy layer",
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

test('an observer of endpoints does its work by being listed', () => {
  const observer = defineEndpointObserver({
    type: 'my-observer',
    stability: 'beta',
    summary: '',
    params: z.strictObject({}),
    create: () => ({ endpointRemoved: () => {} }),
  });
  const text = `apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\nplugins:\n- type: my-observer\n- type: pure-scorer\n`;
  const { problems: found } = loadConfiguration(text, { catalogue: [...TEST_CATALOGUE, observer] });
  expect(found.map(problemText)).toEqual([]);
});
