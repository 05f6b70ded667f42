import { z } from 'zod';
import type { AttributeKey } from '../../framework/attribute.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { Scorer } from '../../framework/scorer.ts';
import { DEFAULT_TOPOLOGY_PRODUCER, type Topology, topologyKey } from '../attributes/topology.ts';
import { levelBetween, peerTopology } from '../filters/topology-affinity/level.ts';

/** By level: host, rack, zone, region, nothing shared. */
const SCORES: readonly number[] = [1, 0.2, 0.05, 0.02, 0];

/**
 * Prefers endpoints near the endpoint of the request's earlier stage.
 *
 * score = 1 on the same host, 0.2 in the same rack, 0.05 in the same zone, 0.02 in the same region, else 0; 0 for all
 * without an earlier stage or its topology.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/scorer/topologyaffinity
 */
class TopologyAffinityScorer implements Scorer {
  readonly category = 'affinity';
  readonly #key: AttributeKey<Topology>;

  constructor(key: AttributeKey<Topology>) {
    this.#key = key;
  }

  score(request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void {
    const peer = peerTopology(request, this.#key);
    if (peer === undefined) return;
    let i = 0;
    for (const candidate of candidates) {
      const topology = candidate.attributes.get(this.#key);
      out[i] = topology === undefined ? 0 : (SCORES[levelBetween(peer, topology)] ?? 0);
      i += 1;
    }
  }
}

/** `topology-affinity-scorer`. */
export const topologyAffinityScorer = definePlugin({
  type: 'topology-affinity-scorer',
  kinds: ['scorer'],
  stability: 'alpha',
  summary: 'Prefers endpoints near the one that serves the other stage of a disaggregated request.',
  params: z.strictObject({
    topologyProducerName: z
      .string()
      .default(DEFAULT_TOPOLOGY_PRODUCER)
      .describe('Name of the extractor whose topology is read.'),
  }),
  dependencies: (config) => ({ optional: [topologyKey(config.topologyProducerName)] }),
  create: (config) => new TopologyAffinityScorer(topologyKey(config.topologyProducerName)),
});
