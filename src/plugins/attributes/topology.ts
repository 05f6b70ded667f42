import { type AttributeKey, attributeKey } from '../../framework/attribute.ts';
import type { Endpoint } from '../../framework/endpoint.ts';

/** Where an endpoint stands; '' for what is not known. */
export interface Topology {
  readonly hostname: string;
  readonly rack: string;
  readonly zone: string;
  readonly region: string;
}

/** Producer that consumers read when they name none. */
export const DEFAULT_TOPOLOGY_PRODUCER = 'topology-extractor';

/** On the endpoint. `producer`: instance name; '' means the default one. */
export function topologyKey(producer: string): AttributeKey<Topology> {
  return attributeKey('Topology', producer === '' ? DEFAULT_TOPOLOGY_PRODUCER : producer);
}

/** On the request: the endpoint that an earlier stage of the same request chose, near which the next one is best served. */
export const PEER_ENDPOINT: AttributeKey<Endpoint> = attributeKey('peer-endpoint', 'disagg-profile-handler');
