import { expect, test } from 'vitest';
import { CATALOGUE } from '../plugins/catalogue.ts';
import { loadConfiguration } from './load.ts';

/** Messages about missing data. */
function missing(plugins: readonly object[]): string[] {
  const text = JSON.stringify({ apiVersion: 'llm-d.ai/v1alpha1', kind: 'EndpointPickerConfig', plugins });
  return loadConfiguration(text, { catalogue: CATALOGUE, allowExperimental: true })
    .problems.filter(({ code }) => code === 'missing-data')
    .map(({ severity, path, message }) => `${severity} ${path}: ${message}`);
}

function attributeFilter(reference: object): object {
  const algorithm = { type: 'threshold', threshold: { operator: 'LessThan', value: 1 } };
  return { type: 'endpoint-attribute-filter', name: 'f', parameters: { ...reference, algorithm } };
}

function sessionScorer(source: object): object {
  const parameters = { strategy: 'session_id', sessionIdConfig: { sources: [{ header: 'x' }, source] } };
  return { type: 'session-affinity-scorer', name: 's', parameters };
}

const GPU = { attribute: 'GPUUtilization', producer: 'dcgm-extractor' };
const SESSION = { attribute: 'SessionIDDataKey', producer: 'session-id-producer' };
const AGENT = { attribute: 'agent-identity' };

test.each<{ name: string; plugins: readonly object[]; want: string }>([
  {
    name: 'a type that is not listed',
    plugins: [attributeFilter(GPU)],
    want: "plugins[0].parameters.producer: plugin 'f' reads GPUUtilization/dcgm-extractor, which no plugin produces; list a plugin of type 'dcgm-extractor'",
  },
  {
    name: 'a name misspelt',
    plugins: [attributeFilter({ ...GPU, producer: 'dcgm-extracter' }), { type: 'dcgm-extractor' }],
    want: "plugins[0].parameters.producer: plugin 'f' reads GPUUtilization/dcgm-extracter, which no plugin produces; did you mean 'dcgm-extractor'?",
  },
  {
    name: 'a metric that the default producer is not told of',
    plugins: [attributeFilter({ attribute: 'mine' })],
    want: "plugins[0].parameters.attribute: plugin 'f' reads mine/core-metrics-extractor, but plugin 'core-metrics-extractor' (type core-metrics-extractor) does not produce mine",
  },
  {
    name: 'a topology misspelt',
    plugins: [{ type: 'topology-affinity-scorer', parameters: { topologyProducerName: 'topology' } }],
    want: "plugins[0].parameters.topologyProducerName: plugin 'topology-affinity-scorer' reads Topology/topology, which no plugin produces; did you mean 'topology-extractor'?",
  },
  {
    name: 'a source of session ids that is not listed',
    plugins: [sessionScorer(SESSION)],
    want: "plugins[0].parameters.sessionIdConfig.sources[1].producer: plugin 's' reads SessionIDDataKey/session-id-producer, which no plugin produces; list a plugin of type 'session-id-producer'",
  },
  {
    name: 'a source of session ids without producer',
    plugins: [sessionScorer(AGENT)],
    want: "plugins[0].parameters.sessionIdConfig.sources[1].attribute: plugin 's' reads agent-identity/, which no plugin produces; list a plugin of type 'agent-identity'",
  },
])('optional data that parameters name, and nobody produces, is a warning: $name', ({ plugins, want }) => {
  expect(missing(plugins)).toEqual([`warning ${want}`]);
});

test.each<{ name: string; plugins: readonly object[] }>([
  { name: 'of a listed producer', plugins: [attributeFilter(GPU), { type: 'dcgm-extractor' }] },
  { name: 'of a producer that is added', plugins: [{ type: 'topology-affinity-scorer' }] },
  {
    name: 'of a listed writer without producer',
    plugins: [sessionScorer(AGENT), { type: 'agent-identity' }],
  },
  {
    name: 'that nothing names',
    plugins: [{ type: 'queue-scorer' }, { type: 'inflight-load-producer' }],
  },
  {
    name: 'of a producer whose parameters are wrong',
    plugins: [sessionScorer(SESSION), { type: 'session-id-producer' }],
  },
  {
    name: 'of a producer whose type is unknown',
    plugins: [sessionScorer(SESSION), { type: 'session-id-producr', name: 'session-id-producer' }],
  },
])('nothing is said of optional data $name', ({ plugins }) => {
  expect(missing(plugins)).toEqual([]);
});
