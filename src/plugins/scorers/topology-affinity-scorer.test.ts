import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { PEER_ENDPOINT, type Topology, topologyKey } from '../attributes/topology.ts';
import { topologyAffinityScorer } from './topology-affinity-scorer.ts';

function at(place: Partial<Topology> | undefined): Endpoint {
  const one = endpoint();
  if (place !== undefined) {
    one.attributes.set(topologyKey(''), { hostname: '', rack: '', zone: '', region: '', ...place });
  }
  return one;
}

function scores(candidates: readonly Endpoint[], peer: Endpoint | undefined, raw: object = {}): number[] {
  const one = request();
  one.attributes.set(PEER_ENDPOINT, peer);
  const out = new Float64Array(candidates.length);
  topologyAffinityScorer
    .create(topologyAffinityScorer.params.parse(raw), context())
    .score(one, candidates, out);
  return [...out];
}

const PEER = { hostname: 'h1', rack: 'r1', zone: 'z1', region: 'reg1' };
const OTHER = { hostname: 'h2', rack: 'r2', zone: 'z2', region: 'reg2' };
const pool = [
  at(PEER),
  at({ ...PEER, hostname: 'h2' }),
  at({ ...PEER, hostname: 'h3', rack: 'r3' }),
  at({ ...OTHER, region: 'reg1' }),
  at(OTHER),
];

test.each([
  { id: 'A20, W27', candidates: pool, peer: at(PEER), want: [1, 0.2, 0.05, 0.02, 0] },
  { id: 'A21 only a rack known', candidates: [at({ rack: 'r1' })], peer: at(PEER), want: [0.2] },
  { id: 'A22 no peer', candidates: pool, peer: undefined, want: [0, 0, 0, 0, 0] },
  { id: 'A22 candidate unknown', candidates: [at(undefined), at(PEER)], peer: at(PEER), want: [0, 1] },
  { id: 'peer unknown', candidates: pool, peer: at(undefined), want: [0, 0, 0, 0, 0] },
  { id: 'nothing known is nothing shared', candidates: [at({})], peer: at({}), want: [0] },
])('topology-affinity-scorer: $id', ({ candidates, peer, want }) => {
  expect(scores(candidates, peer)).toEqual(want);
});

test('topology-affinity-scorer: it reads the extractor that it names', () => {
  const [near, peer] = [endpoint(), endpoint()];
  for (const one of [near, peer]) one.attributes.set(topologyKey('mine'), PEER);
  expect(scores([near], peer)).toEqual([0]);
  expect(scores([near], peer, { topologyProducerName: 'mine' })).toEqual([1]);
});
