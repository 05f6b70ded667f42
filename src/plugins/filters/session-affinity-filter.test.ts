import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { Headers } from '../../framework/headers.ts';
import { InferenceResponse } from '../../framework/response.ts';
import { sessionAffinityFilter } from './session-affinity-filter.ts';

const pool = ['pod-a', 'pod-b', 'pod-c'].map((name, slot) => endpoint({ name, slot }));
const [a, b] = pool as [Endpoint, Endpoint, Endpoint];

function create(raw: object = {}) {
  return sessionAffinityFilter.create(sessionAffinityFilter.params.parse(raw), context());
}

const withToken = (id: string) =>
  request({ headers: { 'x-session-token': Buffer.from(id).toString('base64') } });

function routed(target: Endpoint) {
  const profile = { targets: [target], candidates: [target], totals: new Float64Array(1) };
  return { profiles: new Map([['p', profile]]), primary: 'p' };
}

test.each([
  { name: 'its endpoint alone', id: 'default/pod-b', want: ['pod-b'] },
  { name: 'everyone when it left', id: 'default/pod-x', want: ['pod-a', 'pod-b', 'pod-c'] },
  { name: 'everyone without a session', id: '', want: ['pod-a', 'pod-b', 'pod-c'] },
  { name: 'everyone for another namespace', id: 'other/pod-b', want: ['pod-a', 'pod-b', 'pod-c'] },
])('session-affinity-filter keeps $name', ({ id, want }) => {
  const kept = create().filter(withToken(id), pool);
  expect(kept.map((one) => one.name)).toEqual(want);
});

test('session-affinity-filter: the response names the target', () => {
  const one = request();
  one.result = routed(b);
  const response = new InferenceResponse();
  response.headers = new Headers();
  create().responseHeaders(one, response);
  expect(response.headers.get('x-session-token')).toBe(Buffer.from('default/pod-b').toString('base64'));
});

test('session-affinity-filter: a bound session is pinned, and moves when its endpoint leaves', () => {
  const filter = create({ strategy: 'session_id' });
  const inSession = () => request({ headers: { 'x-session-id': 's' } });
  filter.preRequest(inSession(), routed(a));
  expect(filter.filter(inSession(), pool)).toEqual([a]);
  const moved = inSession();
  expect(filter.filter(moved, [b])).toEqual([b]);
  filter.preRequest(moved, routed(b));
  expect(filter.filter(inSession(), pool)).toEqual([b]);
});

test('session-affinity-filter never empties the set', () => {
  fc.assert(
    fc.property(fc.subarray(pool, { minLength: 1 }), fc.string(), (candidates, id) => {
      expect(create().filter(withToken(id), candidates).length).toBeGreaterThan(0);
    }),
  );
});
