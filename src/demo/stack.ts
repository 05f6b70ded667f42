import type { CommandIo } from '../util/command-io.ts';
import { randomSeed, SeededRng } from '../util/rng.ts';
import { Child } from './child.ts';
import { startEnvoy } from './envoy.ts';
import { demoEnvoyConfig } from './envoy-config.ts';
import { freePorts } from './free-ports.ts';

/** The programs of the demo, all of them serving. Disposing stops them. */
export interface Stack extends AsyncDisposable {
  /** `host:port` of each model server. */
  readonly servers: readonly string[];
  /** `host:port` of the way round the servers, and of the way through the picker. */
  readonly roundRobin: string;
  readonly picker: string;
  /** `host:port` of the picker's metrics. */
  readonly pickerMetrics: string;
}

/** What to start. */
export interface StackOptions {
  readonly io: CommandIo;
  readonly servers: number;
  readonly seed: number;
  /** The Envoy program; undefined: the dev gateway. */
  readonly envoy: string | undefined;
}

/** Name of the simulated model. */
export const DEMO_MODEL = 'demo-model';

/**
 * A mid-sized model on a GPU with little room beside the weights: KV cache for 51,200 tokens a server. The system
 * prompts of the workload are 112,000 tokens: too much for one server, half of what four can hold.
 */
const SERVER_FLAGS = [
  '--prefill-tokens-per-second=16000',
  '--decode-step-ms=8',
  '--decode-ms-per-sequence=0.15',
  '--block-size=16',
  '--num-gpu-blocks=3200',
  '--max-model-len=16384',
  '--max-num-batched-tokens=4096',
];

const START_LIMIT_MS = 20_000;

/** Starts model servers, picker and gateway, each in a process of its own. Rejects, with nothing left, when one fails. */
export async function startStack({ io, servers, seed, envoy }: StackOptions): Promise<Stack> {
  const { clock, self, signal } = io;
  await using started = new AsyncDisposableStack();
  const start = (name: string, argv: readonly string[]) =>
    started.use(new Child(name, [...self, ...argv], clock));

  const sim = start('model servers', [
    'sim',
    `--ports=${Array.from({ length: servers }, () => '0').join(',')}`,
    `--model=${DEMO_MODEL}`,
    `--seed=${seed}`,
    ...SERVER_FLAGS,
  ]);
  const [addresses, [grpcPort = 0, healthPort = 0, metricsPort = 0]] = await Promise.all([
    sim.matches(/^model server on http:\/\/(\S+)$/, servers, START_LIMIT_MS),
    freePorts(3, new SeededRng(randomSeed())),
  ]);
  const picker = start('picker', [
    'serve',
    '--secure-serving=false',
    `--endpoints=${addresses.join(',')}`,
    `--grpc-port=${grpcPort}`,
    `--grpc-health-port=${healthPort}`,
    `--metrics-port=${metricsPort}`,
    '--metrics-endpoint-auth=false',
    '--drain-timeout=1s',
  ]);
  const routes = { endpoints: addresses, picker: `127.0.0.1:${grpcPort}` };
  const gateways = await startGateways(routes, {
    io,
    envoy,
    start: (name, argv) => start(name, argv),
    started,
  });
  await picker.until(() => answers(gateways.picker), START_LIMIT_MS, signal);
  const kept = started.move();
  return {
    servers: addresses,
    ...gateways,
    pickerMetrics: `127.0.0.1:${metricsPort}`,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function startGateways(
  routes: { readonly endpoints: readonly string[]; readonly picker: string },
  context: {
    readonly io: CommandIo;
    readonly envoy: string | undefined;
    readonly started: AsyncDisposableStack;
    start(name: string, argv: readonly string[]): Child;
  },
): Promise<{ roundRobin: string; picker: string }> {
  const { io, envoy, started, start } = context;
  if (envoy !== undefined) {
    const { listeners } = started.use(
      await startEnvoy({
        program: envoy,
        config: demoEnvoyConfig(routes),
        clock: io.clock,
        signal: io.signal,
      }),
    );
    return { roundRobin: listeners.get('round-robin') ?? '', picker: listeners.get('picker') ?? '' };
  }
  const argv = ['gateway', '--listen=127.0.0.1:0'];
  const children = [
    start('gateway', [...argv, `--endpoints=${routes.endpoints.join(',')}`]),
    start('gateway', [...argv, `--epp=${routes.picker}`]),
  ];
  const found = await Promise.all(
    children.map((child) => child.matches(/^gateway on http:\/\/(\S+)$/, 1, START_LIMIT_MS)),
  );
  return { roundRobin: found[0]?.[0] ?? '', picker: found[1]?.[0] ?? '' };
}

/** Undefined until a request gets through. */
async function answers(gateway: string): Promise<true | undefined> {
  const response = await fetch(`http://${gateway}/v1/models`, { signal: AbortSignal.timeout(2000) });
  await response.text();
  return response.status === 200 ? true : undefined;
}
