import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isReadyPod, podSpecText } from './pod-object.ts';

const READY = { type: 'Ready', status: 'True' };

test.each([
  {
    name: 'ready',
    pod: { status: { conditions: [{ type: 'Initialized', status: 'False' }, READY] } },
    want: true,
  },
  { name: 'not ready', pod: { status: { conditions: [{ type: 'Ready', status: 'False' }] } }, want: false },
  {
    name: 'the first condition counts',
    pod: { status: { conditions: [{ type: 'Ready', status: 'Unknown' }, READY] } },
    want: false,
  },
  {
    name: 'on its way out',
    pod: { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' }, status: { conditions: [READY] } },
    want: false,
  },
  { name: 'without conditions', pod: { status: {} }, want: false },
  { name: 'without anything', pod: {}, want: false },
])('a pod is ready or not: $name', ({ pod, want }) => {
  expect(isReadyPod(pod)).toBe(want);
});

test.each([
  { pod: { spec: { nodeName: 'n1' } }, want: 'n1' },
  { pod: { spec: { nodeName: 3 } }, want: '' },
  { pod: { spec: {} }, want: '' },
  { pod: {}, want: '' },
])('a text of the spec: $pod', ({ pod, want }) => {
  expect(podSpecText(pod, 'nodeName')).toBe(want);
});

test('any object is read without failing', () => {
  fc.assert(
    fc.property(fc.object(), (pod) => {
      expect(typeof isReadyPod(pod)).toBe('boolean');
      expect(typeof podSpecText(pod, 'hostname')).toBe('string');
    }),
  );
});
