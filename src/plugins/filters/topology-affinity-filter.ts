import { z } from 'zod';
import type { AttributeKey } from '../../framework/attribute.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { type Filter, keepWhere } from '../../framework/filter.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { DEFAULT_TOPOLOGY_PRODUCER, type Topology, topologyKey } from '../attributes/topology.ts';
import { LEVELS, levelBetween, peerTopology } from './topology-affinity/level.ts';

/**
 * Keeps endpoints that are near the endpoint of the request's earlier stage; all when there is no such endpoint, its
 * place is not known, or nobody is near.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/filter/topologyaffinity
 */
class TopologyAffinityFilter implements Filter {
  readonly #key: AttributeKey<Topology>;
  /** Greatest level that stays. */
  readonly #maxLevel: number;

  constructor(key: AttributeKey<Topology>, maxLevel: number) {
    this.#key = key;
    this.#maxLevel = maxLevel;
  }

  filter(request: InferenceRequest, candidates: readonly Endpoint[]): readonly Endpoint[] {
    const peer = peerTopology(request, this.#key);
    if (peer === undefined) return candidates;
    const kept = keepWhere(candidates, (candidate) => this.#isNear(peer, candidate));
    return kept.length === 0 ? candidates : kept;
  }

  #isNear(peer: Topology, candidate: Endpoint): boolean {
    const topology = candidate.attributes.get(this.#key);
    return topology !== undefined && levelBetween(peer, topology) <= this.#maxLevel;
  }
}

/** `topology-affinity-filter`. */
export const topologyAffinityFilter = definePlugin({
  type: 'topology-affinity-filter',
  kinds: ['filter'],
  stability: 'alpha',
  summary: 'Keeps endpoints near the one that serves the other stage of a disaggregated request.',
  params: z.strictObject({
    minAffinity: z
      .enum(LEVELS)
      .default('host')
      .describe('What an endpoint must share with the other one, or something tighter.'),
    topologyProducerName: z
      .string()
      .default(DEFAULT_TOPOLOGY_PRODUCER)
      .describe('Name of the extractor whose topology is read.'),
  }),
  dependencies: (config) => ({ optional: [topologyKey(config.topologyProducerName)] }),
  create: (config) =>
    new TopologyAffinityFilter(topologyKey(config.topologyProducerName), LEVELS.indexOf(config.minAffinity)),
});
