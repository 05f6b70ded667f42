import fc from 'fast-check';
import { expect, test } from 'vitest';
import { pod } from '../../test/support/kube-objects.ts';
import type { KubeObject } from './objects.ts';
import { endpointsOf, isSamePod, projectPod } from './pods.ts';

const NEW_KEY = 'llm-d.ai/active-ports';
const OLD_KEY = 'inference.networking.k8s.io/active-ports';
const INDEX = 'leaderworkerset.sigs.k8s.io/worker-index';

/** `name:port` of each endpoint. */
function endpoints(object: KubeObject, ports: readonly number[] = [8000, 8001, 8002]): string[] {
  const projected = projectPod(object);
  return projected === undefined ? [] : endpointsOf(projected, ports).map((one) => `${one.id}:${one.port}`);
}

test('one endpoint for each target port', () => {
  const projected = projectPod(
    pod({
      name: 'vllm-0',
      namespace: 'ns',
      labels: { app: 'vllm' },
      podIP: '10.0.0.7',
      hostIP: '192.168.0.1',
    }),
  );
  if (projected === undefined) throw new Error('this is a pod');
  expect(endpointsOf(projected, [8000, 8001])).toEqual([
    {
      id: 'ns/vllm-0-rank-0',
      namespace: 'ns',
      name: 'vllm-0',
      address: '10.0.0.7',
      port: 8000,
      nodeAddress: '192.168.0.1',
      metricsHost: '10.0.0.7:8000',
      labels: new Map([['app', 'vllm']]),
      rankIndex: 0,
    },
    expect.objectContaining({
      id: 'ns/vllm-0-rank-1',
      port: 8001,
      metricsHost: '10.0.0.7:8001',
      rankIndex: 1,
    }),
  ]);
});

test('an IPv6 address is bracketed where a port follows', () => {
  const projected = projectPod(pod({ podIP: 'fd00::7' }));
  if (projected === undefined) throw new Error('this is a pod');
  expect(endpointsOf(projected, [8000])[0]).toMatchObject({
    address: 'fd00::7',
    metricsHost: '[fd00::7]:8000',
  });
});

test.each<{ name: string; object: KubeObject; want: boolean }>([
  { name: 'ready', object: pod({}), want: true },
  { name: 'not ready', object: pod({ ready: 'False' }), want: false },
  { name: 'of unknown readiness', object: pod({ ready: 'Unknown' }), want: false },
  { name: 'being deleted', object: pod({ isTerminating: true }), want: false },
  { name: 'without address', object: pod({ podIP: '' }), want: false },
  { name: 'without status', object: { metadata: { name: 'p', namespace: 'ns' } }, want: false },
  {
    name: 'without conditions',
    object: { metadata: { name: 'p', namespace: 'ns' }, status: { podIP: '10.0.0.1' } },
    want: false,
  },
  {
    name: 'ready by the first of two conditions',
    object: {
      metadata: { name: 'p', namespace: 'ns' },
      status: {
        podIP: '10.0.0.1',
        conditions: [
          { type: 'Initialized', status: 'False' },
          { type: 'Ready', status: 'True' },
          { type: 'Ready', status: 'False' },
        ],
      },
    },
    want: true,
  },
  { name: 'without name', object: { metadata: { namespace: 'ns' } }, want: false },
])('a pod that is $name', ({ object, want }) => {
  expect(endpoints(object).length > 0).toBe(want);
});

test.each<{ name: string; labels: Record<string, string>; spec: object; want: boolean }>([
  { name: 'the leader', labels: { [INDEX]: '0' }, spec: {}, want: true },
  {
    name: 'a worker of an engine across nodes',
    labels: { [INDEX]: '1' },
    spec: { containers: [{}] },
    want: false,
  },
  {
    name: 'a worker that serves',
    labels: { [INDEX]: '1' },
    spec: { containers: [{}, { readinessProbe: { httpGet: {} } }] },
    want: true,
  },
  {
    name: 'a worker whose side car serves',
    labels: { [INDEX]: '2' },
    spec: { containers: [{}], initContainers: [{ restartPolicy: 'Always', readinessProbe: {} }] },
    want: true,
  },
])('of a LeaderWorkerSet: $name', ({ labels, spec, want }) => {
  expect(endpoints({ ...pod({ labels }), spec }).length > 0).toBe(want);
});

test.each<{ name: string; annotations: Record<string, string>; want: readonly number[] }>([
  { name: 'absent', annotations: { other: '1' }, want: [8000, 8001, 8002] },
  { name: 'one port', annotations: { [NEW_KEY]: '8001' }, want: [8001] },
  { name: 'some, spaced, in any order', annotations: { [NEW_KEY]: ' 8002 , 8000' }, want: [8000, 8002] },
  { name: 'empty', annotations: { [NEW_KEY]: '' }, want: [] },
  { name: 'no target port', annotations: { [NEW_KEY]: '9000' }, want: [] },
  {
    name: 'garbage beside a port',
    annotations: { [NEW_KEY]: 'x,8000,,-8001,99999999999999999999' },
    want: [8000],
  },
  { name: 'leading digits', annotations: { [NEW_KEY]: '8000x' }, want: [8000] },
  { name: 'the old key', annotations: { [OLD_KEY]: '8002' }, want: [8002] },
  { name: 'both keys', annotations: { [OLD_KEY]: '8002', [NEW_KEY]: '8000' }, want: [8000] },
  { name: 'both keys, the new one empty', annotations: { [OLD_KEY]: '8002', [NEW_KEY]: '' }, want: [] },
])('active ports: $name', ({ annotations, want }) => {
  const ids = endpoints(pod({ name: 'p', namespace: 'ns', annotations }));
  expect(ids).toEqual(want.map((port) => `ns/p-rank-${port - 8000}:${port}`));
});

const anyPod = fc
  .record({
    name: fc.constantFrom('a', 'b'),
    labels: fc.dictionary(fc.constantFrom('x', 'y', INDEX), fc.constantFrom('0', '1')),
    annotations: fc.dictionary(
      fc.constantFrom(NEW_KEY, OLD_KEY),
      fc.oneof(fc.constantFrom('', '8000', '8001,8000'), fc.string()),
    ),
    podIP: fc.constantFrom('', '10.0.0.1', '::1'),
    ready: fc.constantFrom('True', 'False'),
    isTerminating: fc.boolean(),
  })
  .map(pod);

test('ports in use are a choice of the target ports, at their ranks', () => {
  const ports = fc.uniqueArray(fc.integer({ min: 8000, max: 8003 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(anyPod, ports, (object, targetPorts) => {
      const projected = projectPod(object);
      if (projected === undefined) throw new Error('this is a pod');
      for (const one of endpointsOf(projected, targetPorts)) {
        expect(targetPorts[one.rankIndex]).toBe(one.port);
        expect(one.id).toBe(`default/${one.name}-rank-${one.rankIndex}`);
      }
    }),
  );
});

test('pods that are the same make the same endpoints', () => {
  fc.assert(
    fc.property(anyPod, anyPod, (one, other) => {
      const [a, b] = [projectPod(one), projectPod(other)];
      if (a === undefined || b === undefined) throw new Error('these are pods');
      const again = projectPod(structuredClone(one));
      expect(again !== undefined && isSamePod(a, again)).toBe(true);
      if (isSamePod(a, b)) expect(endpointsOf(a, [8000, 8001])).toEqual(endpointsOf(b, [8000, 8001]));
    }),
  );
});

test('an object of any shape is projected without a throw', () => {
  fc.assert(
    fc.property(fc.anything(), fc.anything(), (spec, status) => {
      const projected = projectPod({ metadata: { name: 'p', namespace: 'ns' }, spec, status });
      if (projected?.isEligible) expect(projected.address).not.toBe('');
    }),
  );
});
