import type { EndpointPickerConfig } from '../config/load.ts';
import type { PoolDeclaration } from '../config/pools.ts';
import { parseHostPort } from '../framework/endpoint.ts';
import type { EndpointAddress } from './flags/values.ts';
import { type ServeOptions, splitPoolName } from './flags.ts';

/** What one pool is to be made of. */
export interface PoolPlan {
  /** '' for the one pool that nobody named. */
  readonly name: string;
  readonly namespace: string;
  /** In metrics, logs and pages; unique: the name, with its namespace where another pool has the same name. */
  readonly label: string;
  /** Model servers that are listed; empty when they are to be found. */
  readonly endpoints: readonly EndpointAddress[];
  /** Undefined when it is faulty, which has been reported. */
  readonly config: EndpointPickerConfig | undefined;
  /** Where `config` is from, for reports. */
  readonly configSource: string;
}

/** Reads the configuration in a file; undefined when it is faulty, which is reported. */
export type ReadConfiguration = (file: string) => EndpointPickerConfig | undefined;

/** Name of the one pool that nobody named, in metrics and logs. */
const NAMELESS = 'epp';

/** The pools that flags and configuration ask for, one at least; of those with the same name and namespace the first. */
export function planPools(
  options: ServeOptions,
  config: EndpointPickerConfig,
  read: ReadConfiguration,
): readonly PoolPlan[] {
  const declared = [...options.poolNames.map(splitPoolName), ...config.pools];
  const byPlace = new Map<string, PoolDeclaration & { readonly namespace: string }>();
  for (const one of declared) {
    const namespace = one.namespace ?? options.poolNamespace;
    const place = `${namespace}/${one.name}`;
    if (!byPlace.has(place)) byPlace.set(place, { ...one, namespace });
  }
  const configSource = sourceOf(options);
  if (byPlace.size === 0) {
    const { poolNamespace: namespace, endpoints } = options;
    return [{ name: '', namespace, label: NAMELESS, endpoints, config, configSource }];
  }
  const pools = [...byPlace.values()];
  return pools.map(({ name, namespace, endpoints = [], configFile }) => ({
    name,
    namespace,
    label: pools.filter((other) => other.name === name).length > 1 ? `${namespace}/${name}` : name,
    endpoints: pools.length === 1 && endpoints.length === 0 ? options.endpoints : addresses(endpoints),
    config: configFile === undefined ? config : read(configFile),
    configSource: configFile ?? configSource,
  }));
}

/** Whether the pool is one of Kubernetes: nothing else says where its endpoints are. */
export function isInKubernetes({ endpoints, config }: PoolPlan): boolean {
  return endpoints.length === 0 && config !== undefined && config.discovery === undefined;
}

/** How reports name the configuration that flags give. */
export function sourceOf({ configFile }: ServeOptions): string {
  return configFile === '' ? '--config-text' : configFile;
}

/** The check of the configuration has seen to it that each is one. */
function addresses(texts: readonly string[]): readonly EndpointAddress[] {
  return texts.flatMap((text) => parseHostPort(text) ?? []);
}
