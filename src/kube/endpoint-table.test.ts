import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type PodOptions, pod } from '../../test/support/kube-objects.ts';
import type { EndpointMetadata } from '../framework/endpoint.ts';
import { EndpointTable } from './endpoint-table.ts';
import { endpointsOf, type Pod, projectPod } from './pods.ts';

function projected(options: PodOptions): Pod {
  const result = projectPod(pod(options));
  if (result === undefined) throw new Error('this is a pod');
  return result;
}

test('says nothing when nothing changed', () => {
  const table = new EndpointTable();
  const ids = (pods: readonly Pod[], ports: readonly number[]) =>
    table.update(pods, ports)?.map((one) => one.id);
  const a = projected({ name: 'a' });
  expect(ids([], [8000])).toEqual([]);
  expect(ids([], [8000])).toBeUndefined();
  expect(ids([a], [8000])).toEqual(['default/a-rank-0']);
  expect(ids([projected({ name: 'a', annotations: { other: 'x' } })], [8000])).toBeUndefined();
  expect(ids([a], [8000, 8001])).toEqual(['default/a-rank-0', 'default/a-rank-1']);
  expect(ids([projected({ name: 'a', ready: 'False' })], [8000, 8001])).toEqual([]);
  expect(ids([projected({ name: 'b' })], [8000, 8001])).toEqual(['default/b-rank-0', 'default/b-rank-1']);
  expect(ids([], [8000, 8001])).toEqual([]);
  table.clear();
  expect(ids([], [8000, 8001])).toEqual([]);
});

test('an endpoint of a pod that did not change stays the same object', () => {
  const table = new EndpointTable();
  const [before] = table.update([projected({ name: 'a' })], [8000]) ?? [];
  const after = table.update([projected({ name: 'a' }), projected({ name: 'b' })], [8000]) ?? [];
  expect(after[0]).toBe(before);
  expect(after).toHaveLength(2);
});

function byId(endpoints: readonly EndpointMetadata[]): EndpointMetadata[] {
  return endpoints.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

test('the last endpoints told are always those of the pods', () => {
  const anyPod = fc.record({
    name: fc.constantFrom('a', 'b', 'c'),
    ready: fc.constantFrom('True', 'False'),
    labels: fc.constantFrom<Record<string, string>[]>({}, { x: '1' }),
    annotations: fc.constantFrom<Record<string, string>[]>({}, { 'llm-d.ai/active-ports': '8001' }),
  });
  const steps = fc.array(
    fc.tuple(
      fc.uniqueArray(anyPod, { selector: (one) => one.name }),
      fc.constantFrom([8000], [8000, 8001], [8001, 8000]),
    ),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(steps, (all) => {
      const table = new EndpointTable();
      let told: readonly EndpointMetadata[] | undefined;
      for (const [options, ports] of all) {
        const pods = options.map(projected);
        told = table.update(pods, ports) ?? told;
        const want = pods.flatMap((one) => endpointsOf(one, ports));
        expect(byId(told ?? [])).toEqual(byId(want));
      }
    }),
  );
});
