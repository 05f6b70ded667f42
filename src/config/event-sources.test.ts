import { describe, expect, test } from 'vitest';
import { context } from '../../test/support/builders.ts';
import { CATALOGUE } from '../plugins/catalogue.ts';
import { buildPipeline } from './build.ts';
import { effectiveConfiguration } from './effective.ts';
import { loadConfiguration } from './load.ts';

/** The same pool with `plugins` and `sources` besides. */
function build(plugins: string, sources: string) {
  const text = `apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: queue-scorer
${plugins}
dataLayer:
  sources:
${sources}`;
  const { document, problems } = loadConfiguration(text, { catalogue: CATALOGUE, allowExperimental: true });
  if (document === undefined) return { problems, pipeline: undefined, document };
  const built = buildPipeline(document, (name, type) => ({ ...context(name), type }));
  return { document, pipeline: built.pipeline, problems: [...problems, ...built.problems] };
}

const POD_SOURCE = '- type: k8s-notification-source\n  parameters: {version: v1, kind: Pod}';
const bound = (source: string, extractor: string) =>
  `  - pluginRef: ${source}\n    extractors: [{pluginRef: ${extractor}}]`;

describe('event sources', () => {
  test.each([
    {
      name: 'endpoints',
      plugins: '',
      sources: bound('endpoint-notification-source', 'inflight-load-producer'),
    },
    { name: 'objects', plugins: POD_SOURCE, sources: bound('k8s-notification-source', 'topology-extractor') },
    {
      name: 'endpoints, by one that follows both',
      plugins: '',
      sources: bound('endpoint-notification-source', 'topology-extractor'),
    },
    { name: 'nobody', plugins: POD_SOURCE, sources: '  - pluginRef: k8s-notification-source' },
  ])('$name: they poll nothing, and the default metrics source is there', ({ plugins, sources }) => {
    const { pipeline, problems, document } = build(plugins, sources);
    expect(problems).toEqual([]);
    expect(pipeline?.sources.map(({ source }) => source.name)).toEqual(['metrics-data-source']);
    const again = loadConfiguration(document === undefined ? '' : effectiveConfiguration(document), {
      catalogue: CATALOGUE,
      allowExperimental: true,
    });
    expect(again.problems).toEqual([]);
    expect(again.document?.sources.map(({ source, extractors }) => [source.name, extractors.length])).toEqual(
      document?.sources.map(({ source, extractors }) => [source.name, extractors.length]),
    );
  });

  test.each([
    {
      name: 'an extractor of pages on an endpoint source',
      plugins: '',
      sources: bound('endpoint-notification-source', 'core-metrics-extractor'),
      message: /serves as extractor, want endpoint-observer or object-observer/,
    },
    {
      name: 'an observer on a source of pages',
      plugins: '',
      sources: `${bound('metrics-data-source', 'core-metrics-extractor')}\n${bound('models-data-source', 'topology-extractor')}`,
      message: /want extractor/,
    },
    {
      name: 'an observer of endpoints on a source of objects',
      plugins: POD_SOURCE,
      sources: bound('k8s-notification-source', 'inflight-load-producer'),
      message: /tells of objects of Kubernetes, which 'inflight-load-producer' .* does not observe/,
    },
    {
      name: 'an observer of another kind',
      plugins: '- type: k8s-notification-source\n  parameters: {group: apps, version: v1, kind: Deployment}',
      sources: bound('k8s-notification-source', 'topology-extractor'),
      message: /observes GVK v1\/Pod, which does not match source .* GVK apps\/v1\/Deployment/,
    },
    {
      name: 'two sources of one kind',
      plugins: `${POD_SOURCE}\n- name: again\n  type: k8s-notification-source\n  parameters: {version: v1, kind: Pod}`,
      sources: '  - pluginRef: k8s-notification-source\n  - pluginRef: again',
      message: /duplicate notification source GVK v1\/Pod/,
    },
    {
      name: 'two extractors of one type',
      plugins: '- {name: other, type: topology-extractor}',
      sources: `  - pluginRef: endpoint-notification-source\n    extractors: [{pluginRef: other}, {pluginRef: topology-extractor}]`,
      message: /two extractors of type topology-extractor/,
    },
  ])('$name is refused', ({ plugins, sources, message }) => {
    const { pipeline, problems } = build(plugins, sources);
    expect(pipeline).toBeUndefined();
    expect(problems.filter(({ severity }) => severity === 'error').map((problem) => problem.message)).toEqual(
      [expect.stringMatching(message)],
    );
  });

  test('without a source of pages it is said that nothing is known of the endpoints', () => {
    const text = `apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins: [{type: random-picker}]
dataLayer: {injectDefaults: false, sources: [{pluginRef: endpoint-notification-source}]}`;
    const { document, problems: warnings } = loadConfiguration(text, { catalogue: CATALOGUE });
    expect(document).toBeDefined();
    expect(warnings.map(({ code, severity }) => [code, severity])).toContainEqual(['no-sources', 'warning']);
  });
});

describe('topology', () => {
  const text = (plugins: string) => `apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins: [{type: topology-affinity-scorer}${plugins}]`;
  const load = (plugins: string) =>
    loadConfiguration(text(plugins), { catalogue: CATALOGUE, allowExperimental: true });

  test('is found out where somebody reads it', () => {
    const entry = load('').document?.plugins.find(({ name }) => name === 'topology-extractor');
    expect(entry?.reason).toBe("'topology-affinity-scorer' needs Topology");
  });

  test('is found out by the plugin that is listed', () => {
    const { document } = load(', {type: topology-extractor, parameters: {rack: r}}');
    expect(
      document?.plugins.filter(({ definition }) => definition.type === 'topology-extractor'),
    ).toHaveLength(1);
  });
});
