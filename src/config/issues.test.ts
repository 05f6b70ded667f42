import { expect, test } from 'vitest';
import { CATALOGUE } from '../plugins/catalogue.ts';
import { loadConfiguration } from './load.ts';

/** Messages of the errors, without the path of the parameters. */
function errors(plugin: object): string[] {
  const text = JSON.stringify({
    apiVersion: 'llm-d.ai/v1alpha1',
    kind: 'EndpointPickerConfig',
    plugins: [plugin],
  });
  return loadConfiguration(text, { catalogue: CATALOGUE, allowExperimental: true })
    .problems.filter(({ severity }) => severity === 'error')
    .map(({ message }) => message.replace('plugins[0].parameters', '…'));
}

const DURATION = 'a duration such as "300ms" or "1m30s"';
const SCOPE = { labelSelector: 'a' };
const SELECTOR = { headerName: 'x', labelKey: 'k', mode: 'strict' };

test.each<{ type: string; parameters: object; want: string }>([
  {
    type: 'label-selector-filter',
    parameters: { matchLabels: { a: true } },
    want: '….matchLabels.a: got true, want text',
  },
  {
    type: 'label-selector-filter',
    parameters: { matchLabels: { a: 'b c' } },
    want: '….matchLabels.a: got "b c", want a Kubernetes label value',
  },
  {
    type: 'label-selector-filter',
    parameters: { matchLabels: { 'a b': 'c' } },
    want: '….matchLabels: got the key "a b", want a Kubernetes label key',
  },
  {
    type: 'label-selector-filter',
    parameters: { matchExpressions: [{ key: 'a', operator: 'In' }] },
    want: '….matchExpressions[0].values: operator In takes at least one value',
  },
  { type: 'by-label', parameters: {}, want: "….label: 'label' must be specified" },
  { type: 'by-label', parameters: { label: '' }, want: `….label: 'label' must be specified (got "")` },
  { type: 'by-label', parameters: { label: 5 }, want: '….label: got 5, want text' },
  {
    type: 'disaggregatedset-rollout-screener',
    parameters: {
      scope: SCOPE,
      headerSelectors: [
        { name: 'a', ...SELECTOR },
        { name: 'b', ...SELECTOR },
      ],
      revisionGating: { mode: 'disabled' },
    },
    want: '….headerSelectors: two selectors have the same headerName',
  },
  {
    type: 'disaggregatedset-rollout-screener',
    parameters: { scope: SCOPE, revisionGating: { mode: 'sum', requireRoles: { values: ['a', 'a'] } } },
    want: '….revisionGating.requireRoles.values: a role is listed twice',
  },
  {
    type: 'disaggregatedset-rollout-screener',
    parameters: { scope: SCOPE, revisionGating: { mode: 'sum' } },
    want: '….revisionGating.requireRoles: must be set, except in mode disabled',
  },
  {
    type: 'metrics-data-source',
    parameters: { interval: '10x' },
    want: `….interval: got "10x", want ${DURATION}`,
  },
  { type: 'metrics-data-source', parameters: { interval: 5 }, want: `….interval: got 5, want ${DURATION}` },
  {
    type: 'metrics-data-source',
    parameters: { interval: '-1s' },
    want: '….interval: must not be negative (got "-1s")',
  },
  {
    type: 'predicted-latency-producer',
    parameters: { contextTTL: '5 minutes' },
    want: `….contextTTL: got "5 minutes", want ${DURATION}`,
  },
  {
    type: 'predicted-latency-producer',
    parameters: { contextTTL: true },
    want: `….contextTTL: got true, want a number or ${DURATION}`,
  },
  {
    type: 'predicted-latency-producer',
    parameters: { contextTTL: 0 },
    want: '….contextTTL: got 0, want more than 0',
  },
  {
    type: 'request-attribute-reporter',
    parameters: { attributes: [{ key: { name: 'a' }, expression: "'x'" }] },
    want: `….attributes[0].expression: is no valid CEL expression: it gives string, want int (got "'x'")`,
  },
  {
    type: 'session-affinity-scorer',
    parameters: { strategy: 'session_id', sessionIdConfig: { sources: [{}] } },
    want: '….sessionIdConfig.sources[0]: exactly one of header or attribute must be set',
  },
  {
    type: 'core-metrics-extractor',
    parameters: { engineConfigs: [{ name: 'default' }] },
    want: '….engineConfigs[0].name: the engine name "default" is reserved',
  },
  {
    type: 'approx-prefix-cache-producer',
    parameters: { indexMemory: true },
    want: '….indexMemory: got true, want a quantity such as "500M" or "1Gi"',
  },
  {
    type: 'token-producer',
    parameters: { vllm: {} },
    want: "….vllm: selects the vllm renderer backend, which is not available in this version; remove 'modelName' and 'vllm' to use the built-in 'estimate' backend, which serves approx-prefix-cache-producer",
  },
  {
    type: 'endpoint-attribute-scorer',
    parameters: { algorithm: { type: 'linear_lower_is_better' } },
    want: '…: attributeKey is missing, want the name of an attribute',
  },
])('$type: $want', ({ type, parameters, want }) => {
  expect(errors({ type, parameters })).toContain(want);
});
