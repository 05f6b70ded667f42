import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts, Program } from './processes.ts';

/** Endpoints behind the picker where their number is not the question. */
export const FEW_ENDPOINTS = 4;
const START_TIMEOUT_MS = 30_000;
/** In this time every endpoint has been scraped. */
const FIRST_SCRAPES_MS = 500;
/** Answers questions about event loop and memory. */
const PROBED = ['--expose-gc', '--import', './bench/load/probe.ts'];

/** Which of the two servers. */
export type Side = 'picker' | 'echo';

/** How servers are started. */
export interface Setup {
  /** The picker's `--transport`; the echo server is always on grpc-js. */
  readonly transport: string;
  readonly isTls: boolean;
  /** More arguments of `epp serve`. */
  readonly pickerArgs: readonly string[];
}

/** A server ready for load; ends with everything it needs. */
export interface Server extends AsyncDisposable {
  readonly program: Program;
  readonly port: number;
}

/** A picker and its endpoints. */
export interface Picker extends Server {
  readonly adminPort: number;
  /** Serves the metrics pages of the endpoints. */
  readonly farm: Program;
  readonly pageBytes: number;
}

/** The picker with a few endpoints, or the echo server. */
export function startSide(side: Side, setup: Setup): Promise<Server> {
  return side === 'echo' ? startEcho(setup) : startPicker(setup, FEW_ENDPOINTS);
}

async function startEcho(setup: Setup): Promise<Server> {
  await using starting = new AsyncDisposableStack();
  const program = starting.use(new Program(['bench/load/echo-server.ts', `--tls=${setup.isTls}`], PROBED));
  const { port } = await program.event<{ port: number }>('listening', START_TIMEOUT_MS);
  const started = starting.move();
  return { program, port, [Symbol.asyncDispose]: () => started.disposeAsync() };
}

/** A picker in front of so many endpoints, all scraped once at least. */
export async function startPicker(setup: Setup, endpoints: number): Promise<Picker> {
  await using starting = new AsyncDisposableStack();
  const farm = starting.use(new Program(['bench/load/metrics-farm.ts', `--endpoints=${endpoints}`]));
  const { ports, pageBytes } = await farm.event<{ ports: readonly number[]; pageBytes: number }>(
    'listening',
    START_TIMEOUT_MS,
  );
  const [port = 0, adminPort = 0, healthPort = 0] = await freePorts(3);
  const program = starting.use(
    new Program(
      [
        'src/main.ts',
        'serve',
        `--secure-serving=${setup.isTls}`,
        '--bind-address=127.0.0.1',
        `--grpc-port=${port}`,
        `--metrics-port=${adminPort}`,
        `--grpc-health-port=${healthPort}`,
        `--transport=${setup.transport}`,
        `--endpoints=${ports.map((endpoint) => `127.0.0.1:${endpoint}`).join(',')}`,
        ...setup.pickerArgs,
      ],
      PROBED,
    ),
  );
  await program.listens(port);
  await sleep(FIRST_SCRAPES_MS);
  const started = starting.move();
  return { program, port, adminPort, farm, pageBytes, [Symbol.asyncDispose]: () => started.disposeAsync() };
}
