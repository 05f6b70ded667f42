import { expect, test } from 'vitest';
import { CATALOGUE } from '../plugins/catalogue.ts';
import { loadConfiguration } from './load.ts';
import { problemText } from './problems.ts';

const HEAD = 'apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\n';

function load(body: string) {
  return loadConfiguration(HEAD + body, { catalogue: CATALOGUE });
}

test.each([
  { name: 'openai-parser', kind: 'parser', reason: 'no parser is listed' },
  { name: 'utilization-detector', kind: 'saturation-detector', reason: 'no saturation detector is named' },
  { name: 'metrics-data-source', kind: 'source', reason: 'no metrics source is bound' },
  { name: 'core-metrics-extractor', kind: 'extractor', reason: 'no metrics source is bound' },
  { name: 'single-profile-handler', kind: 'profile-handler', reason: 'no profile handler is listed' },
  { name: 'max-score-picker', kind: 'picker', reason: 'no picker is listed' },
])('a plugin of another kind cannot have the name of the default $kind', ({ name, kind, reason }) => {
  const { document, problems } = load(`plugins:\n- {type: queue-scorer, name: ${name}}\n`);
  expect(document).toBeUndefined();
  expect(problems.map(problemText)).toEqual([
    `4:3: error [wrong-kind] plugin '${name}' (type queue-scorer) serves as scorer, but has the name of the default ${kind}, which is needed here: ${reason}; give it another name`,
  ]);
});

test('the name of a default is free when the default is not needed', () => {
  const { document } = load(`plugins:
- {type: queue-scorer, name: openai-parser}
- {type: running-requests-size-scorer, name: max-score-picker}
- {type: weighted-random-picker}
requestHandler: {parsers: [{pluginRef: passthrough-parser}]}
`);
  expect(document?.parsers.map(({ name }) => name)).toEqual(['passthrough-parser']);
});

test('a plugin of the right kind with the name of a default serves in its place', () => {
  const { document } = load('plugins:\n- {type: concurrency-detector, name: utilization-detector}\n');
  expect(document?.saturationDetector.definition.type).toBe('concurrency-detector');
});

test('two profiles without picker report the name once', () => {
  const { problems } = load(`plugins:
- {type: queue-scorer, name: max-score-picker}
- {type: disagg-profile-handler}
schedulingProfiles:
- name: decode
- name: prefill
`);
  expect(problems.filter(({ code }) => code === 'wrong-kind')).toHaveLength(1);
});

test.each([
  { name: 'in the profile that is added', profiles: '' },
  {
    name: 'in a listed profile',
    profiles: 'schedulingProfiles: [{name: p, plugins: [{pluginRef: mine}, {pluginRef: queue-scorer}]}]\n',
  },
])('a detector that serves only as a filter $name is worth a warning', ({ profiles }) => {
  const listed = `plugins: [{type: queue-scorer}, {type: utilization-detector, name: mine}]\n${profiles}`;
  const { document, problems } = load(listed);
  expect(document?.saturationDetector.name).toBe('utilization-detector');
  expect(problems.map(problemText)).toEqual([
    "3:33: warning [second-detector] plugin 'mine' (type utilization-detector) serves as filter alone: 'utilization-detector' decides saturation, as no detector is named; name 'mine' in flowControl.saturationDetector.pluginRef, or 'utilization-detector' if that is meant",
  ]);
  for (const detector of ['mine', 'utilization-detector']) {
    const named = load(`${listed}flowControl: {saturationDetector: {pluginRef: ${detector}}}\n`);
    expect(named.problems).toEqual([]);
    expect(named.document?.saturationDetector.name).toBe(detector);
  }
});

test('a detector that nothing refers to is reported once', () => {
  const { problems } = load(
    'plugins: [{type: queue-scorer}, {type: concurrency-detector}]\nschedulingProfiles: [{name: p, plugins: [{pluginRef: queue-scorer}]}]\n',
  );
  expect(problems.map(({ code }) => code)).toEqual(['unused-plugin']);
});
