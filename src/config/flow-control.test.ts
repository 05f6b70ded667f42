import { expect, test } from 'vitest';
import { CATALOGUE } from '../plugins/catalogue.ts';
import { loadConfiguration } from './load.ts';
import { problemText } from './problems.ts';

function load(flowControl: string) {
  const text = `apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\nplugins: [{type: queue-scorer}]\nflowControl: ${flowControl}\n`;
  const { document, problems } = loadConfiguration(text, { catalogue: CATALOGUE });
  const others = problems.filter(({ code }) => code !== 'ineffective-section');
  return { document, warnings: others.map(problemText), all: problems };
}

test.each([
  {
    flowControl: '{maxBytes: -1}',
    want: '4:25: warning [invalid-value] flowControl.maxBytes: got -1, want at least 0',
  },
  {
    flowControl: '{maxRequests: "-1k"}',
    want: '4:28: warning [invalid-value] flowControl.maxRequests: got -1k, want at least 0',
  },
  {
    flowControl: '{noEndpointRequestTTL: -5s}',
    want: '4:37: warning [invalid-value] flowControl.noEndpointRequestTTL: got -5s, want at least 0',
  },
  {
    flowControl: '{defaultPriorityBand: {maxBytes: -2Gi}}',
    want: '4:47: warning [invalid-value] flowControl.defaultPriorityBand.maxBytes: got -2Gi, want at least 0',
  },
  {
    flowControl: '{priorityBands: [{priority: 1}, {priority: 0}, {maxBytes: 1}]}',
    want: '4:61: warning [invalid-value] flowControl.priorityBands[2].priority: priority 0 is listed twice, want each once',
  },
  {
    flowControl: '{usageLimitPolicyPluginRef: cap}',
    want: "4:42: warning [unknown-reference] flowControl.usageLimitPolicyPluginRef: no plugin is named 'cap'",
  },
  {
    flowControl: '{priorityBands: [{orderingPolicyRef: queue-scorer}]}',
    want: "4:51: warning [wrong-kind] flowControl.priorityBands[0].orderingPolicyRef: plugin 'queue-scorer' (type queue-scorer) serves as scorer, want a policy of flow control",
  },
])('the ignored section is checked: $flowControl', ({ flowControl, want }) => {
  const { document, warnings } = load(flowControl);
  expect(document).toBeDefined();
  expect(warnings).toEqual([want]);
});

test('what the reference takes gives no warning but that it has no effect', () => {
  const section =
    '{maxBytes: 0, defaultRequestTTL: 0s, usageLimitPolicyPluginRef: static-usage-limit-policy, priorityBands: [{priority: -1}, {}]}';
  const { document, warnings, all } = load(section);
  expect(document).toBeDefined();
  expect(warnings).toEqual([]);
  expect(all).toHaveLength(1);
});

test('null is absence', () => {
  expect(load('{maxBytes: null, usageLimitPolicyPluginRef: ~}').all).toEqual([]);
});
