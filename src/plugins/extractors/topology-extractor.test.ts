import { expect, test } from 'vitest';
import { context, endpoint } from '../../../test/support/builders.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { topologyKey } from '../attributes/topology.ts';
import { topologyExtractor } from './topology-extractor.ts';

const NOWHERE = { hostname: '', rack: '', zone: '', region: '' };

const LABELS = {
  'kubernetes.io/hostname': 'h',
  'topology.kubernetes.io/rack': 'r',
  'topology.kubernetes.io/zone': 'z',
  'topology.kubernetes.io/region': 'g',
};

function pod(spec: object, status = 'True') {
  const object = { spec, status: { conditions: [{ type: 'Ready', status }] } };
  return { namespace: 'default', name: 'vllm', labels: new Map<string, string>(), object };
}

function extractor(parameters: object = {}, name = 'topology-extractor') {
  const subject = topologyExtractor.create(topologyExtractor.params.parse(parameters), context(name));
  return {
    subject,
    at: (one: Endpoint) => one.attributes.get(topologyKey(name)),
    /** An endpoint of the pod, told to the extractor. */
    add: (labels: Record<string, string> = {}, rankIndex = 0) => {
      const one = endpoint({ name: 'vllm', labels, rankIndex });
      subject.endpointAdded?.(one);
      return one;
    },
  };
}

test.each([
  { name: 'all labels', labels: LABELS, want: { hostname: 'h', rack: 'r', zone: 'z', region: 'g' } },
  { name: 'one label', labels: { 'topology.kubernetes.io/zone': 'z' }, want: { ...NOWHERE, zone: 'z' } },
  { name: 'no label', labels: {}, want: undefined },
  { name: 'empty labels', labels: { 'kubernetes.io/hostname': '' }, want: undefined },
])('topology-extractor: $name', ({ labels, want }) => {
  const one = extractor();
  expect(one.at(one.add(labels))).toEqual(want);
});

test('topology-extractor: other labels, another name', () => {
  const one = extractor({ rack: 'my-rack' }, 'places');
  expect(one.at(one.add({ 'my-rack': 'r7', ...LABELS }))).toEqual({
    hostname: 'h',
    rack: 'r7',
    zone: 'z',
    region: 'g',
  });
});

test.each([
  { fallback: 'node', spec: { nodeName: 'n', hostname: 'p' }, want: 'n' },
  { fallback: 'node', spec: { hostname: 'p' }, want: 'p' },
  { fallback: 'pod', spec: { nodeName: 'n', hostname: 'p' }, want: 'p' },
  { fallback: 'pod', spec: { nodeName: 'n' }, want: 'n' },
])('topology-extractor: host of $spec with $fallback is $want', ({ fallback, spec, want }) => {
  const one = extractor({ hostnameFallback: fallback });
  const early = one.add({ 'topology.kubernetes.io/zone': 'z' });
  one.subject.objectChanged(pod(spec));
  const late = one.add({}, 1);
  expect(one.at(early)).toEqual({ ...NOWHERE, hostname: want, zone: 'z' });
  expect(one.at(late)).toEqual({ ...NOWHERE, hostname: want });
});

test('topology-extractor: a label goes before the pod, and labels may change', () => {
  const one = extractor();
  one.subject.objectChanged(pod({ nodeName: 'n' }));
  const target = one.add(LABELS);
  expect(one.at(target)?.hostname).toBe('h');
  target.labels = new Map([['topology.kubernetes.io/zone', 'z2']]);
  one.subject.endpointChanged?.(target);
  expect(one.at(target)).toEqual({ ...NOWHERE, hostname: 'n', zone: 'z2' });
});

test.each([
  { name: 'is not ready any more', end: 'unready' },
  { name: 'is gone', end: 'removed' },
])('topology-extractor: the host of a pod is forgotten when it $name', ({ end }) => {
  const one = extractor();
  const target = one.add({ 'topology.kubernetes.io/zone': 'z' });
  one.subject.objectChanged(pod({ nodeName: 'n' }));
  expect(one.at(target)?.hostname).toBe('n');
  if (end === 'removed') one.subject.objectRemoved('default', 'vllm');
  else one.subject.objectChanged(pod({ nodeName: 'n' }, 'False'));
  expect(one.at(target)).toEqual({ ...NOWHERE, zone: 'z' });
  expect(one.at(one.add({}, 1))).toBeUndefined();
});

test('topology-extractor: pods of other endpoints, and endpoints that left, change nothing', () => {
  const one = extractor();
  const target = one.add();
  one.subject.objectChanged({ ...pod({ nodeName: 'n' }), namespace: 'other' });
  one.subject.objectChanged({ ...pod({ nodeName: 'n' }), name: 'other' });
  expect(one.at(target)).toBeUndefined();
  one.subject.endpointRemoved(target);
  one.subject.objectChanged(pod({ nodeName: 'n' }));
  expect(one.at(target)).toBeUndefined();
});
