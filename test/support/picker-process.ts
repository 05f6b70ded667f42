import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { freePorts } from './free-port.ts';
import { PROGRAM } from './program-under-test.ts';
import { TRANSPORT_UNDER_TEST } from './transport-under-test.ts';

/** Where a picker listens. */
export interface PickerPorts {
  readonly grpcPort: number;
  readonly healthPort: number;
  readonly metricsPort: number;
}

/** How a test starts a picker. */
export interface PickerProcessOptions {
  /** `host:port` of the model servers; none when the configuration names a discovery. */
  readonly endpoints?: readonly string[];
  /** YAML of the configuration; the built-in one when absent. */
  readonly config?: string;
  /** More flags; they win over those set here. */
  readonly args?: readonly string[];
  /** Environment besides the test's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** The program; `PROGRAM` when absent. */
  readonly program?: string;
  /** Flags of node itself. */
  readonly nodeArgs?: readonly string[];
  /** Where it listens, so that a restarted picker is found where the old one was; free ports when absent. */
  readonly ports?: PickerPorts;
}

/** One row of `/debug/endpoints`. */
export interface EndpointRow {
  readonly pool: string;
  readonly id: string;
  readonly address: string;
  readonly isFresh: boolean;
  readonly isReachable: boolean;
  readonly inFlightRequests: number;
  readonly waitingQueueSize: number;
  readonly runningRequestsSize: number;
}

/** A picker that runs as users run it: in a process of its own. */
export class PickerProcess implements AsyncDisposable {
  readonly ports: PickerPorts;
  /** Log lines so far. */
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(child: ChildProcess, ports: PickerPorts) {
    this.#child = child;
    this.ports = ports;
    this.#exited = once(child, 'close');
  }

  /** Resolves when the picker serves; rejects with its log when it ends before. Plaintext unless `args` say otherwise. */
  static async start(options: PickerProcessOptions): Promise<PickerProcess> {
    const ports = options.ports ?? (await pickerPorts());
    const args = [
      ...(options.nodeArgs ?? []),
      options.program ?? PROGRAM,
      'serve',
      '--secure-serving=false',
      '--enable-grpc-stream-metrics',
      '--bind-address=127.0.0.1',
      `--transport=${TRANSPORT_UNDER_TEST}`,
      `--grpc-port=${ports.grpcPort}`,
      `--grpc-health-port=${ports.healthPort}`,
      `--metrics-port=${ports.metricsPort}`,
      ...(options.endpoints === undefined ? [] : [`--endpoints=${options.endpoints.join(',')}`]),
      ...(options.config === undefined ? [] : ['--config-text', options.config]),
      ...(options.args ?? []),
    ];
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...options.env },
    });
    const picker = new PickerProcess(child, ports);
    await picker.#ready();
    return picker;
  }

  /** `host:port` of the ext-proc service. */
  get address(): string {
    return `127.0.0.1:${this.ports.grpcPort}`;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Exit code; null while it runs, or when a signal ended it. */
  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  /** Text of `/metrics` or another page of the metrics port. */
  async page(path = '/metrics'): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.ports.metricsPort}${path}`);
    return response.text();
  }

  /** Value of one series on `/metrics`, by its text up to the value; NaN when absent. */
  async metric(series: string): Promise<number> {
    const line = (await this.page()).split('\n').find((text) => text.startsWith(`${series} `));
    return line === undefined ? Number.NaN : Number(line.slice(series.length + 1));
  }

  /** Sum of all series of a metric on `/metrics`; 0 when there are none. */
  async total(name: string): Promise<number> {
    let sum = 0;
    for (const line of (await this.page()).split('\n')) {
      if (line.startsWith(`${name} `) || line.startsWith(`${name}{`)) {
        sum += Number(line.slice(line.lastIndexOf(' ') + 1));
      }
    }
    return sum;
  }

  /** What the picker knows of its endpoints. */
  async endpoints(): Promise<readonly EndpointRow[]> {
    const page = JSON.parse(await this.page('/debug/endpoints')) as { endpoints: readonly EndpointRow[] };
    return page.endpoints;
  }

  /** What the picker holds of exchanges that are not over; all zero when everything was given back. */
  async held(): Promise<{ openStreams: number; inFlight: number; running: number }> {
    const [openStreams, running, endpoints] = await Promise.all([
      this.metric('llm_d_epp_extproc_streams_inflight'),
      this.total('llm_d_epp_request_running'),
      this.endpoints(),
    ]);
    const inFlight = endpoints.reduce((sum, { inFlightRequests }) => sum + inFlightRequests, 0);
    return { openStreams, inFlight, running };
  }

  /** Sends a signal without waiting for what it does. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves with the exit code when the process has ended; null when a signal ended it. */
  async exited(): Promise<number | null> {
    await this.#exited;
    return this.#child.exitCode;
  }

  /** Sends a signal; resolves with the exit code when the process has ended. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<number | null> {
    this.signal(signal);
    return this.exited();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL');
  }

  async #ready(): Promise<void> {
    const { stderr } = this.#child;
    if (stderr === null) throw new Error('the picker was started without a pipe');
    let rest = '';
    await new Promise<void>((resolve, reject) => {
      stderr.on('data', (chunk: Buffer) => {
        const lines = (rest + chunk.toString()).split('\n');
        rest = lines.pop() ?? '';
        this.lines.push(...lines);
        if (lines.some((line) => line.includes('picker is ready'))) resolve();
      });
      this.#child.once('exit', (code) => {
        reject(
          new Error(`the picker ended with ${code} before it was ready:\n${this.lines.join('\n')}\n${rest}`),
        );
      });
    });
  }
}

/** Ports for one picker. */
export async function pickerPorts(): Promise<PickerPorts> {
  const [grpcPort = 0, healthPort = 0, metricsPort = 0] = await freePorts(3);
  return { grpcPort, healthPort, metricsPort };
}
