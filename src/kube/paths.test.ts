import { expect, test } from 'vitest';
import type { Resource } from './objects.ts';
import { describeCall, groupPath, objectPath, query, resourceName, selectors } from './paths.ts';

const PODS: Resource = { group: '', version: 'v1', plural: 'pods' };
const LEASES: Resource = { group: 'coordination.k8s.io', version: 'v1', plural: 'leases' };

test.each([
  { resource: PODS, namespace: '', name: '', want: '/api/v1/pods' },
  { resource: PODS, namespace: 'demo', name: '', want: '/api/v1/namespaces/demo/pods' },
  {
    resource: LEASES,
    namespace: 'demo',
    name: 'a',
    want: '/apis/coordination.k8s.io/v1/namespaces/demo/leases/a',
  },
  { resource: LEASES, namespace: '', name: 'a', want: '/apis/coordination.k8s.io/v1/leases/a' },
  { resource: PODS, namespace: 'a/b', name: '..?', want: '/api/v1/namespaces/a%2Fb/pods/..%3F' },
])('path of $resource.plural $namespace/$name is $want', ({ resource, namespace, name, want }) => {
  expect(objectPath(resource, namespace, name)).toBe(want);
  expect(want.startsWith(groupPath(resource))).toBe(true);
});

test('parameters that are empty are left out, others are escaped', () => {
  expect(query({})).toBe('');
  expect(query({ a: '', b: '' })).toBe('');
  expect(query({ ...selectors({ namespace: 'x', labels: 'a in (b, c)' }), limit: '5' })).toBe(
    '?labelSelector=a+in+%28b%2C+c%29&limit=5',
  );
});

test.each([
  { resource: PODS, namespace: '', name: '', want: 'list of pods' },
  { resource: PODS, namespace: 'demo', name: '', want: 'list of pods in demo' },
  { resource: LEASES, namespace: 'demo', name: 'a', want: 'list of leases.coordination.k8s.io demo/a' },
  { resource: LEASES, namespace: '', name: 'a', want: 'list of leases.coordination.k8s.io a' },
])('a call is described as "$want"', ({ resource, namespace, name, want }) => {
  expect(describeCall('list', resource, namespace, name)).toBe(want);
});

test('resources are named as in roles', () => {
  expect([PODS, LEASES].map(resourceName)).toEqual(['pods', 'leases.coordination.k8s.io']);
});
