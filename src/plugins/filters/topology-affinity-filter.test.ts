import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { PEER_ENDPOINT, type Topology, topologyKey } from '../attributes/topology.ts';
import { topologyAffinityFilter } from './topology-affinity-filter.ts';

function at(place: Partial<Topology> | undefined, producer = ''): Endpoint {
  const one = endpoint();
  if (place !== undefined) {
    one.attributes.set(topologyKey(producer), { hostname: '', rack: '', zone: '', region: '', ...place });
  }
  return one;
}

const PEER = { hostname: 'h1', rack: 'r1', zone: 'z1', region: 'reg1' };

function keep(raw: object, candidates: readonly Endpoint[], peer: Endpoint | undefined): number[] {
  const filter = topologyAffinityFilter.create(topologyAffinityFilter.params.parse(raw), context());
  const one = request();
  one.attributes.set(PEER_ENDPOINT, peer);
  const kept = filter.filter(one, candidates);
  if (kept.length === candidates.length) expect(kept).toBe(candidates);
  return kept.map((stays) => candidates.indexOf(stays));
}

const sameHost = at({ ...PEER });
const sameRack = at({ ...PEER, hostname: 'h2' });
const sameZone = at({ hostname: 'h3', rack: 'r3', zone: 'z1', region: 'reg1' });
const sameRegion = at({ hostname: 'h4', rack: 'r4', zone: 'z4', region: 'reg1' });
const elsewhere = at({ hostname: 'h9', rack: 'r9', zone: 'z9', region: 'reg9' });
const unknown = at(undefined);
const all = [sameHost, sameRack, sameZone, sameRegion, elsewhere];

test.each([
  { id: 'F39 host', raw: {}, pool: [sameHost, sameRack, elsewhere], want: [0] },
  { id: 'F39 rack', raw: { minAffinity: 'rack' }, pool: [sameHost, sameRack, elsewhere], want: [0, 1] },
  { id: 'F40 only the rack matches', raw: {}, pool: [sameRack, elsewhere], want: [0, 1] },
  { id: 'F40 nothing matches', raw: { minAffinity: 'region' }, pool: [elsewhere, unknown], want: [0, 1] },
  { id: 'F41', raw: {}, pool: [sameHost, unknown], want: [0] },
  { id: 'zone', raw: { minAffinity: 'zone' }, pool: all, want: [0, 1, 2] },
  { id: 'region', raw: { minAffinity: 'region' }, pool: all, want: [0, 1, 2, 3] },
  { id: 'only a rack known', raw: { minAffinity: 'rack' }, pool: [at({ rack: 'r1' }), elsewhere], want: [0] },
  { id: 'other extractor', raw: { topologyProducerName: 'mine' }, pool: [sameHost, elsewhere], want: [0, 1] },
])('topology-affinity-filter: $id', ({ raw, pool, want }) => {
  expect(keep(raw, pool, at(PEER))).toEqual(want);
});

test('topology-affinity-filter: F40 without a peer, or with one nobody knows, all stay', () => {
  expect(keep({}, all, undefined)).toEqual([0, 1, 2, 3, 4]);
  expect(keep({}, all, at(undefined))).toEqual([0, 1, 2, 3, 4]);
});

test('topology-affinity-filter: what is not known is not shared', () => {
  const blank = at({});
  expect(keep({ minAffinity: 'region' }, [blank, sameHost], at({ ...PEER, rack: '' }))).toEqual([1]);
  expect(keep({ minAffinity: 'region' }, [blank, elsewhere], at({}))).toEqual([0, 1]);
});

test('topology-affinity-filter: F42', () => {
  expect(topologyAffinityFilter.params.safeParse({ minAffinity: 'datacenter' }).success).toBe(false);
  expect(topologyAffinityFilter.params.parse({}).minAffinity).toBe('host');
});

test('topology-affinity-filter: it never leaves nobody, and a wider circle never holds fewer', () => {
  const name = fc.constantFrom('', 'a', 'b');
  const place = fc.option(fc.record({ hostname: name, rack: name, zone: name, region: name }), {
    nil: undefined,
  });
  fc.assert(
    fc.property(place, fc.array(place, { minLength: 1, maxLength: 8 }), (peer, places) => {
      const candidates = places.map((one) => at(one));
      const near = (minAffinity: string) => keep({ minAffinity }, candidates, at(peer));
      const circles = ['host', 'rack', 'zone', 'region'].map(near);
      for (const circle of circles) expect(circle.length).toBeGreaterThan(0);
      circles.reduce((inner, outer) => {
        // A circle that holds nobody lets all through, so only real circles compare.
        if (inner.length < candidates.length) expect(outer).toEqual(expect.arrayContaining(inner));
        return outer;
      });
    }),
  );
});
