import { type Problem, problemText } from '../../config/problems.ts';
import type { PollSource } from '../../framework/data-source.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { type AnyPluginDefinition, definePlugin } from '../../framework/plugin.ts';
import { CATALOGUE } from '../../plugins/catalogue.ts';
import { metricsDataSource } from '../../plugins/sources/metrics-data-source.ts';
import type { Clock } from '../../util/clock.ts';
import { UsageError } from '../../util/command-options.ts';
import { type ConfigSource, loadConfig } from '../load-config.ts';
import { PickerPolicy } from './picker-policy.ts';
import type { SimulatedServer } from './simulated-pool.ts';

/** Where one request goes. */
export interface Route {
  /** Index of the server. */
  readonly server: number;
  /** Told of every token of the answer. */
  onToken(count: number, isLast: boolean): void;
}

/** Chooses a server for every request of a run. */
export interface RoutingPolicy extends AsyncDisposable {
  route(body: Buffer): Promise<Route>;
}

/** What a policy starts with: servers that are empty, at the time 0. */
export interface PolicyInputs {
  readonly servers: readonly SimulatedServer[];
  readonly clock: Clock;
  readonly seed: number;
  onLog(line: string): void;
}

/** A policy of the comparison. */
export interface Policy {
  readonly name: string;
  readonly summary: string;
  start(inputs: PolicyInputs): Promise<RoutingPolicy>;
}

/** The same as config/examples/lmetric.yaml without its comments. */
export const LMETRIC_TEXT = `apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: approx-prefix-cache-producer
- type: inflight-load-producer
- type: lmetric-scorer
schedulingProfiles:
- name: default
  plugins:
  - pluginRef: lmetric-scorer
`;

/** Round robin, the built-in configuration and LMETRIC. */
export const POLICIES: readonly Policy[] = [
  {
    name: 'round robin',
    summary: 'each server in turn',
    start: async ({ servers }) => roundRobin(servers.length),
  },
  configured('2/2/3', 'the default configuration: queue 2, KV cache 2, prefix 3', { text: '', file: '' }),
  configured('LMETRIC', 'config/examples/lmetric.yaml', { text: LMETRIC_TEXT, file: '' }),
];

/** The policy of a configuration document. Its start rejects with a `UsageError` naming every mistake in it. */
export function configured(name: string, summary: string, source: ConfigSource): Policy {
  return {
    name,
    summary,
    start: async (inputs) => {
      const { document, problems } = await loadConfig(source, {
        catalogue: catalogueWith(inputs.servers),
        allowExperimental: true,
      });
      if (document === undefined) throw new UsageError(mistakes(name, problems));
      return PickerPolicy.start({ ...inputs, config: document });
    },
  };
}

function mistakes(name: string, problems: readonly Problem[]): string {
  const errors = problems.filter(({ severity }) => severity === 'error').map(problemText);
  return [`${name} is no configuration:`, ...errors].join('\n  ');
}

/** The built-in plugins, but pages of metrics come from the servers themselves. */
function catalogueWith(servers: readonly SimulatedServer[]): readonly AnyPluginDefinition[] {
  const byHostPort = new Map(servers.map((server) => [server.hostPort, server]));
  const source: PollSource = {
    payload: 'prometheus',
    intervalMs: 0,
    poll: async (endpoint: Endpoint) => byHostPort.get(endpoint.hostPort)?.metrics() ?? Buffer.alloc(0),
    release: () => {},
  };
  const { type, kinds, stability, summary, params } = metricsDataSource;
  const inProcess = definePlugin({ type, kinds, stability, summary, params, create: () => source });
  return CATALOGUE.map((definition) => (definition === metricsDataSource ? inProcess : definition));
}

function roundRobin(servers: number): RoutingPolicy {
  let next = -1;
  return {
    route: async () => {
      next = (next + 1) % servers;
      return { server: next, onToken: () => {} };
    },
    [Symbol.asyncDispose]: async () => {},
  };
}
