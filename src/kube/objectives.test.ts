import fc from 'fast-check';
import { expect, test } from 'vitest';
import { named } from '../../test/support/kube-objects.ts';
import { objectivesOf, readObjective } from './objectives.ts';

const GROUP = 'inference.networking.k8s.io';
const LEGACY = 'inference.networking.x-k8s.io';
const pool = { name: 'pool', group: GROUP };

test.each([
  { name: 'a priority', spec: { poolRef: { name: 'pool' }, priority: 7 }, want: 7 },
  { name: 'a negative priority', spec: { poolRef: { name: 'pool', group: GROUP }, priority: -3 }, want: -3 },
  { name: 'no priority', spec: { poolRef: { name: 'pool', kind: 'InferencePool' } }, want: 0 },
  { name: 'another pool', spec: { poolRef: { name: 'other' }, priority: 7 }, want: undefined },
  { name: 'another group', spec: { poolRef: { name: 'pool', group: LEGACY }, priority: 7 }, want: undefined },
  { name: 'no poolRef', spec: { priority: 7 }, want: undefined },
  { name: 'no spec', spec: undefined, want: undefined },
])('an objective with $name', ({ spec, want }) => {
  expect(readObjective(named({ name: 'o' }, spec), pool)?.priority).toBe(want);
});

test('the group that a pool goes by is the one of --pool-group', () => {
  const spec = { poolRef: { name: 'pool', group: LEGACY }, priority: 7 };
  expect(readObjective(named({ name: 'o' }, spec), { name: 'pool', group: LEGACY })?.priority).toBe(7);
  const unsaid = { poolRef: { name: 'pool' }, priority: 7 };
  expect(readObjective(named({ name: 'o' }, unsaid), { name: 'pool', group: LEGACY })).toBeUndefined();
});

test('an objective on its way out is none', () => {
  const spec = { poolRef: { name: 'pool' }, priority: 7 };
  expect(readObjective(named({ name: 'o', isTerminating: true }, spec), pool)).toBeUndefined();
});

test.each([1.5, 2 ** 31, 'high', null])('priority %j counts as 0 and is a problem', (priority) => {
  const reading = readObjective(named({ name: 'o' }, { poolRef: { name: 'pool' }, priority }), pool);
  expect(reading).toEqual({ name: 'o', priority: 0, problems: [expect.stringMatching(/^spec\.priority: /)] });
});

test('objectives by name', () => {
  const readings = [
    { name: 'a', priority: 1, problems: [] },
    { name: 'b', priority: -1, problems: [] },
  ];
  expect([...objectivesOf(readings)]).toEqual([
    ['a', 1],
    ['b', -1],
  ]);
});

test('any spec is read without a throw', () => {
  const spec = fc.oneof(
    fc.anything(),
    fc.record({ poolRef: fc.constant({ name: 'pool' }), priority: fc.anything() }),
  );
  fc.assert(
    fc.property(spec, (any) => {
      const reading = readObjective(named({ name: 'o' }, any), pool);
      expect(reading === undefined || Number.isInteger(reading.priority)).toBe(true);
    }),
  );
});
