import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { ModelServer } from '../../src/sim/model-server.ts';
import type { SimOptions } from '../../src/sim/options.ts';
import { type Simulator, startSimulator } from '../../src/sim/simulator.ts';
import { type Stack, startStack } from './stack.ts';

/** What a test says of a pool whose servers have roles. */
export interface StagedPoolOptions {
  /** Role of each server, in order; undefined: none. */
  readonly roles: readonly (string | undefined)[];
  /** YAML of a configuration without a discovery; `addresses`: `host:port` of the servers. */
  config(addresses: readonly string[]): string;
  /** Settings of the servers; they have a side car and take no time. */
  readonly sim?: Partial<SimOptions>;
}

/** Simulated servers with roles, listed in a file, behind a picker and Envoy. */
export interface StagedPool extends AsyncDisposable {
  readonly stack: Stack;
  readonly servers: readonly ModelServer[];
  /** Lists the servers of these indices only. */
  list(indices: readonly number[]): Promise<void>;
}

/** Starts one server per role, a picker that reads them from a file, and Envoy. */
export async function startStagedPool({ roles, config, sim }: StagedPoolOptions): Promise<StagedPool> {
  await using started = new AsyncDisposableStack();
  const simulator: Simulator = started.use(
    await startSimulator({ port: 0, count: roles.length, timeScale: 0, sidecar: true, ...sim }),
  );
  const folder = await mkdtemp(join(tmpdir(), 'staged-pool-'));
  started.defer(() => rm(folder, { recursive: true }));
  const file = join(folder, 'endpoints.yaml');
  const ranks = simulator.servers.length / roles.length;
  const list = async (indices: readonly number[]) => {
    const endpoints = indices.map((index) => {
      const [address, port] = (simulator.addresses[index] ?? '').split(':');
      const role = roles[Math.floor(index / ranks)];
      return {
        name: `server-${index}`,
        address,
        port,
        labels: role === undefined ? {} : { 'llm-d.ai/role': role },
      };
    });
    await writeFile(file, stringify({ endpoints }));
  };
  await list(simulator.servers.map((_server, index) => index));
  const stack = started.use(
    await startStack({ endpoints: [], picker: { config: discovering(config(simulator.addresses), file) } }),
  );
  const kept = started.move();
  return {
    stack,
    servers: simulator.servers,
    list,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** A configuration that finds its endpoints in a file. */
function discovering(config: string, path: string): string {
  const document = parse(config) as { plugins: object[] };
  const plugins = [
    ...document.plugins,
    { name: 'endpoints', type: 'file-discovery', parameters: { path, watchFile: true } },
  ];
  return stringify({ ...document, plugins, dataLayer: { discovery: { pluginRef: 'endpoints' } } });
}
