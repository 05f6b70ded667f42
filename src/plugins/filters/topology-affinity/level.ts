import type { AttributeKey } from '../../../framework/attribute.ts';
import type { InferenceRequest } from '../../../framework/request.ts';
import { PEER_ENDPOINT, type Topology } from '../../attributes/topology.ts';

/** How near two endpoints are, tightest first; the index is the level. */
export const LEVELS = ['host', 'rack', 'zone', 'region'] as const;

/** Level of endpoints that share nothing. */
export const FAR: number = LEVELS.length;

/**
 * Index in `LEVELS` of the tightest place that both are known to share, `FAR` when there is none. Each place is
 * compared on its own, so endpoints may share a rack without sharing a known zone.
 */
export function levelBetween(a: Topology, b: Topology): number {
  if (isShared(a.hostname, b.hostname)) return 0;
  if (isShared(a.rack, b.rack)) return 1;
  if (isShared(a.zone, b.zone)) return 2;
  if (isShared(a.region, b.region)) return 3;
  return FAR;
}

/** Where the request's earlier stage was placed; undefined when there was none or its place is not known. */
export function peerTopology(request: InferenceRequest, key: AttributeKey<Topology>): Topology | undefined {
  return request.attributes.get(PEER_ENDPOINT)?.attributes.get(key);
}

function isShared(a: string, b: string): boolean {
  return a !== '' && a === b;
}
