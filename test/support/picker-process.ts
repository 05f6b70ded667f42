import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';

/** How a test starts a picker. */
export interface PickerProcessOptions {
  /** `host:port` of the model servers; none when the configuration names a discovery. */
  readonly endpoints?: readonly string[];
  /** YAML of the configuration; the built-in one when absent. */
  readonly config?: string;
  /** More flags. */
  readonly args?: readonly string[];
  /** Fixed port, so that a restarted picker is found where the old one was. */
  readonly grpcPort?: number;
}

/** A picker that runs as users run it: in a process of its own. */
export class PickerProcess implements AsyncDisposable {
  readonly grpcPort: number;
  readonly healthPort: number;
  readonly metricsPort: number;
  /** Log lines so far. */
  readonly lines: string[] = [];
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, ports: readonly [number, number, number]) {
    this.#child = child;
    [this.grpcPort, this.healthPort, this.metricsPort] = ports;
  }

  /** Resolves when the picker serves; rejects with its log when it ends before. */
  static async start(options: PickerProcessOptions): Promise<PickerProcess> {
    const ports = [options.grpcPort ?? (await freePort()), await freePort(), await freePort()] as const;
    const args = [
      'src/main.ts',
      'serve',
      '--secure-serving=false',
      '--bind-address=127.0.0.1',
      `--grpc-port=${ports[0]}`,
      `--grpc-health-port=${ports[1]}`,
      `--metrics-port=${ports[2]}`,
      ...(options.endpoints === undefined ? [] : [`--endpoints=${options.endpoints.join(',')}`]),
      ...(options.config === undefined ? [] : ['--config-text', options.config]),
      ...(options.args ?? []),
    ];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    const picker = new PickerProcess(child, ports);
    await picker.#ready();
    return picker;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Text of `/metrics` or another page of the metrics port. */
  async page(path = '/metrics'): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.metricsPort}${path}`);
    return response.text();
  }

  /** Value of one series on `/metrics`, by its text up to the value; NaN when absent. */
  async metric(series: string): Promise<number> {
    const line = (await this.page()).split('\n').find((text) => text.startsWith(`${series} `));
    return line === undefined ? Number.NaN : Number(line.slice(series.length + 1));
  }

  /** Sends a signal; resolves with the exit code when the process has ended. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#child.exitCode;
    const ended = once(this.#child, 'exit');
    this.#child.kill(signal);
    await ended;
    return this.#child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL');
  }

  async #ready(): Promise<void> {
    const { stderr } = this.#child;
    if (stderr === null) throw new Error('the picker was started without a pipe');
    let rest = '';
    const ready = new Promise<void>((resolve, reject) => {
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
    await ready;
  }
}

/** A port that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // it listens on TCP
  server.close();
  await once(server, 'close');
  return port;
}
