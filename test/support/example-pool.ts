import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { type Simulator, startSimulator } from '../../src/sim/simulator.ts';
import { type HttpAnswer, type HttpRequest, send } from './http-client.ts';
import { type Stack, startStack } from './stack.ts';

/** One pod of a pool. */
export interface ExampleServer {
  /** Labels of the pod. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Adapters that it serves. */
  readonly loraModules?: readonly string[];
  /** Share of its GPU's time that is used; an exporter says so on port 9400. */
  readonly gpuUtilization?: number;
  /** Ranks on consecutive ports from 8000 on; each is an endpoint. */
  readonly ranks?: number;
}

/** Only what is read or written here. */
interface Document {
  plugins?: object[];
  dataLayer?: { discovery?: { pluginRef: string } };
}

/** Pools take addresses of their own, so that servers of several tests can listen on the same ports. */
let pools = 0;

/**
 * A shipped example in use: simulated model servers, each on an address of its own, the picker with the example as its
 * configuration, and Envoy. Where the example says nothing of endpoints, file discovery is added; the rest is as published.
 */
export class ExamplePool implements AsyncDisposable {
  readonly #stack: Stack;
  readonly #simulators: readonly Simulator[];
  readonly #disposal: AsyncDisposableStack;

  private constructor(stack: Stack, simulators: readonly Simulator[], disposal: AsyncDisposableStack) {
    this.#stack = stack;
    this.#simulators = simulators;
    this.#disposal = disposal;
  }

  /** `hasSeveralTargets`: destinations are lists, which Envoy takes where it knows all servers. */
  static async start(
    example: string,
    servers: readonly ExampleServer[],
    hasSeveralTargets = false,
  ): Promise<ExamplePool> {
    await using started = new AsyncDisposableStack();
    pools += 1;
    const simulators: Simulator[] = [];
    const endpoints: object[] = [];
    for (const [i, server] of servers.entries()) {
      const host = `127.${100 + (process.pid % 100)}.${pools}.${i + 1}`;
      const simulator = started.use(await startSimulated(host, server));
      simulators.push(simulator);
      if (server.gpuUtilization !== undefined) {
        const exporter = await startExporter(host, `pod-${i}`, server.gpuUtilization);
        started.defer(() => void exporter.close());
      }
      for (const [rank, address] of simulator.addresses.entries()) {
        endpoints.push({
          name: simulator.addresses.length === 1 ? `pod-${i}` : `pod-${i}-rank-${rank}`,
          address: host,
          port: address.slice(address.lastIndexOf(':') + 1),
          labels: server.labels ?? {},
        });
      }
    }
    const folder = await mkdtemp(join(tmpdir(), 'example-'));
    started.defer(() => rm(folder, { recursive: true, force: true }));
    const path = join(folder, 'endpoints.yaml');
    await writeFile(path, stringify({ endpoints }));
    const text = await readFile(`config/examples/${example}.yaml`, 'utf8');
    const config = withDiscovery(text, path);
    const args = ['--allow-experimental-plugins', '--refresh-metrics-interval=50ms'];
    const stack = started.use(
      await startStack({
        endpoints: simulators.flatMap(({ addresses }) => addresses),
        picker: { config, args },
        ...(hasSeveralTargets ? { envoy: { file: 'override-host' } } : {}),
      }),
    );
    return new ExamplePool(stack, simulators, started.move());
  }

  /** One request through Envoy. */
  send(request: HttpRequest): Promise<HttpAnswer> {
    return send(this.#stack.url, request);
  }

  /** Answers that each server has finished, all ranks of a pod together. */
  get served(): number[] {
    return this.#simulators.map(({ servers }) =>
      servers.reduce((sum, { engine: { stats } }) => sum + stats.finishedLength + stats.finishedStop, 0),
    );
  }

  /** Page of the picker's metrics port. */
  page(path: string): Promise<string> {
    return this.#stack.picker.page(path);
  }

  /** Value of a series of the picker; NaN when absent. */
  metric(series: string): Promise<number> {
    return this.#stack.picker.metric(series);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disposal.disposeAsync();
  }
}

function startSimulated(host: string, { loraModules = [], ranks }: ExampleServer): Promise<Simulator> {
  return startSimulator({
    host,
    port: ranks === undefined ? 0 : 8000,
    timeScale: 0.05,
    loraModules,
    sidecar: true,
    ecConnector: 'ec-nixl',
    ...(ranks === undefined ? {} : { dataParallelSize: ranks }),
  });
}

/** An exporter of GPU metrics as it stands beside a model server. */
async function startExporter(host: string, pod: string, utilization: number): Promise<Server> {
  const page = [
    '# HELP DCGM_FI_DEV_GPU_UTIL GPU utilization (in %).',
    '# TYPE DCGM_FI_DEV_GPU_UTIL gauge',
    `DCGM_FI_DEV_GPU_UTIL{gpu="0",namespace="default",pod="${pod}"} ${utilization * 100}`,
    '',
  ].join('\n');
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(page);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(9400, host, resolve);
  });
  return server;
}

/** The example with its endpoints in the file at `path`. */
function withDiscovery(text: string, path: string): string {
  const document = (parse(text) ?? {}) as Document; // checked by the picker
  const discovery = { name: 'endpoints', type: 'file-discovery', parameters: { path } };
  const others = (document.plugins ?? []).filter(
    (plugin) => Reflect.get(plugin, 'type') !== 'file-discovery',
  );
  return stringify({
    ...document,
    plugins: [...others, discovery],
    dataLayer: { ...document.dataLayer, discovery: { pluginRef: 'endpoints' } },
  });
}
