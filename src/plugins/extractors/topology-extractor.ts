import { z } from 'zod';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { EndpointObserver, ObjectObserver, ObservedObject } from '../../framework/hooks.ts';
import { definePlugin, type PluginContext } from '../../framework/plugin.ts';
import { isReadyPod, podSpecText } from '../../framework/pod-object.ts';
import { type Topology, topologyKey } from '../attributes/topology.ts';

const params = z.strictObject({
  hostname: z
    .string()
    .default('kubernetes.io/hostname')
    .describe('Label of an endpoint that names its host.'),
  rack: z.string().default('topology.kubernetes.io/rack').describe('Label that names its rack.'),
  zone: z.string().default('topology.kubernetes.io/zone').describe('Label that names its zone.'),
  region: z.string().default('topology.kubernetes.io/region').describe('Label that names its region.'),
  hostnameFallback: z
    .enum(['node', 'pod'])
    .default('node')
    .describe(
      'Host of a pod without that label: the node it runs on, or the host name in its spec; the other one where that is not set.',
    ),
});

type Params = z.infer<typeof params>;

const POD = { group: '', version: 'v1', kind: 'Pod' } as const;

/**
 * Writes where each endpoint stands, from its labels. Kubernetes puts the host on nodes, not on pods, so the host of a
 * pod without the label comes from the pod itself, while it is ready.
 */
class TopologyExtractor implements EndpointObserver, ObjectObserver {
  readonly observedKind = POD;
  readonly #config: Params;
  readonly #key: ReturnType<typeof topologyKey>;
  /** Endpoints, one for each rank, by `namespace/pod`. */
  readonly #endpoints = new Map<string, Set<Endpoint>>();
  /** Host by `namespace/pod`. */
  readonly #hosts = new Map<string, string>();

  constructor(config: Params, { name }: PluginContext) {
    this.#config = config;
    this.#key = topologyKey(name);
  }

  endpointAdded(endpoint: Endpoint): void {
    const pod = podOf(endpoint);
    const ranks = this.#endpoints.get(pod);
    if (ranks === undefined) this.#endpoints.set(pod, new Set([endpoint]));
    else ranks.add(endpoint);
    this.#write(endpoint);
  }

  endpointChanged(endpoint: Endpoint): void {
    this.#write(endpoint);
  }

  endpointRemoved(endpoint: Endpoint): void {
    const pod = podOf(endpoint);
    const ranks = this.#endpoints.get(pod);
    ranks?.delete(endpoint);
    if (ranks?.size === 0) this.#endpoints.delete(pod);
  }

  objectChanged({ namespace, name, object }: ObservedObject): void {
    const pod = `${namespace}/${name}`;
    const host = isReadyPod(object) ? this.#hostOf(object) : '';
    if (host === (this.#hosts.get(pod) ?? '')) return;
    if (host === '') this.#hosts.delete(pod);
    else this.#hosts.set(pod, host);
    this.#writeAll(pod);
  }

  objectRemoved(namespace: string, name: string): void {
    const pod = `${namespace}/${name}`;
    if (this.#hosts.delete(pod)) this.#writeAll(pod);
  }

  #hostOf(object: ObservedObject['object']): string {
    const node = podSpecText(object, 'nodeName');
    const own = podSpecText(object, 'hostname');
    return this.#config.hostnameFallback === 'node' ? node || own : own || node;
  }

  #writeAll(pod: string): void {
    for (const endpoint of this.#endpoints.get(pod) ?? []) this.#write(endpoint);
  }

  #write(endpoint: Endpoint): void {
    const { labels } = endpoint;
    const { hostname, rack, zone, region } = this.#config;
    const topology: Topology = {
      hostname: labels.get(hostname) || this.#hosts.get(podOf(endpoint)) || '',
      rack: labels.get(rack) ?? '',
      zone: labels.get(zone) ?? '',
      region: labels.get(region) ?? '',
    };
    const isKnown = Object.values(topology).some((place) => place !== '');
    endpoint.attributes.set(this.#key, isKnown ? topology : undefined);
  }
}

function podOf({ namespace, name }: Endpoint): string {
  return `${namespace}/${name}`;
}

/** `topology-extractor` (llm-d-router: pkg/epp/framework/plugins/datalayer/extractor/topology). */
export const topologyExtractor = definePlugin<Params, EndpointObserver & ObjectObserver>({
  type: 'topology-extractor',
  kinds: ['endpoint-observer', 'object-observer'],
  stability: 'alpha',
  summary: 'Finds out on which host, in which rack, zone and region each endpoint stands.',
  params,
  isAddedOnDemand: true,
  dependencies: (_config, name) => ({ produces: [topologyKey(name)] }),
  create: (config, context) => new TopologyExtractor(config, context),
});
