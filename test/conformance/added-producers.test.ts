import { describe, expect, test } from 'vitest';
import { loadConfiguration } from '../../src/config/load.ts';
import { CATALOGUE } from '../../src/plugins/catalogue.ts';

function load(plugins: readonly object[], schedulingProfiles?: readonly object[]) {
  const head = { apiVersion: 'llm-d.ai/v1alpha1', kind: 'EndpointPickerConfig' };
  const document = { ...head, plugins, schedulingProfiles };
  return loadConfiguration(JSON.stringify(document), { catalogue: CATALOGUE, allowExperimental: true });
}

/** Types that were added because of the plugins listed, besides what every configuration gets. */
function added(plugins: readonly object[]): string[] {
  const { document, problems } = load(plugins);
  expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
  const usual = new Set(load([{ type: 'queue-scorer' }]).document?.plugins.map(({ name }) => name));
  const listed = new Set(plugins.map((plugin) => ('type' in plugin ? plugin.type : '')));
  const names = document?.plugins.map(({ name }) => name) ?? [];
  return names.filter((name) => !usual.has(name) && !listed.has(name)).toSorted();
}

describe('what is read is produced', () => {
  test.each([
    { plugins: [{ type: 'token-load-scorer' }], want: ['inflight-load-producer', 'token-producer'] },
    {
      plugins: [
        {
          type: 'utilization-filter',
          parameters: { conditions: [{ metric: 'active-requests', maxValue: 3 }] },
        },
      ],
      want: ['inflight-load-producer', 'token-producer'],
    },
    {
      plugins: [
        {
          type: 'utilization-filter',
          parameters: { conditions: [{ metric: 'waiting-queue', maxValue: 3 }] },
        },
      ],
      want: [],
    },
    { plugins: [{ type: 'context-length-aware' }], want: ['token-producer'] },
    {
      plugins: [
        {
          type: 'multicluster-prefix-cache-scorer',
          parameters: { prefixMatchInfoProducerName: 'multicluster-approx-prefix-cache-producer' },
        },
      ],
      want: ['multicluster-approx-prefix-cache-producer', 'token-producer'],
    },
  ])('$plugins.0.type: $want', ({ plugins, want }) => {
    expect(added(plugins)).toEqual(want);
  });

  test.each(['multicluster-queue-scorer', 'multicluster-kv-cache-utilization-scorer'])(
    '%s does not start without what writes its data',
    (type) => {
      const { problems } = load([{ type }]);
      const missing = problems.find(({ code }) => code === 'missing-data');
      expect(missing?.message).toContain("list a plugin of type 'multicluster-metrics-extractor'");
    },
  );
});

test.each([
  {
    type: 'by-label-selector',
    parameters: { matchLabels: { tier: 'a' } },
    servedBy: 'label-selector-filter',
  },
  { type: 'by-label', parameters: { label: 'tier', validValues: ['a'] }, servedBy: 'by-label' },
])('$type is taken with a warning, also by reference', ({ type, parameters, servedBy }) => {
  const profile = { name: 'default', plugins: [{ pluginRef: type }, { pluginRef: 'queue-scorer' }] };
  const { document, problems } = load([{ type, parameters }, { type: 'queue-scorer' }], [profile]);
  expect(problems.map(({ code, severity }) => [code, severity])).toEqual([['deprecated-type', 'warning']]);
  const [first] = document?.profiles[0]?.members ?? [];
  expect(first?.plugin.definition.type).toBe(servedBy);
});
