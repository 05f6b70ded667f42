import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

/** Unit of the times in `/proc/PID/stat`; 100 a second on every Linux that Node.js runs on. */
const MS_PER_TICK = 10;
const START_TIMEOUT_MS = 20_000;
const ANSWER_TIMEOUT_MS = 30_000;

/** What a process has used. */
export interface Usage {
  /** User and system time of all threads. */
  readonly cpuMs: number;
  readonly residentBytes: number;
  /** Most that was ever resident; where the system does not tell, what is resident. */
  readonly peakBytes: number;
}

/** A Node.js program started by the benchmark; it ends with this object, and with this process. */
export class Program implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #what: string;
  /** Last part of what it wrote to stderr. */
  #complaint = '';
  readonly #exited: Promise<unknown>;

  /** `args`: a script of the repository and its arguments; `nodeArgs`: options of Node.js itself. */
  constructor(args: readonly string[], nodeArgs: readonly string[] = []) {
    this.#what = args[0] ?? '';
    this.#child = spawn(process.execPath, [...nodeArgs, ...args], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.stderr?.on('data', (bytes: Buffer) => {
      this.#complaint = (this.#complaint + bytes.toString()).slice(-2000);
    });
    this.#exited = once(this.#child, 'exit');
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The next message that names `event`. Rejects when the program ends first or `timeoutMs` pass. */
  async event<T>(event: string, timeoutMs: number): Promise<T> {
    const done = new AbortController();
    const deadline = sleep(timeoutMs, undefined, { signal: done.signal }).then(() => {
      throw new Error(`${this.#what}: no event ${event} in ${timeoutMs} ms`);
    });
    const exit = this.#exited.then(() => {
      throw new Error(`${this.#what} ended: ${this.#complaint}`);
    });
    const found = new Promise<T>((resolve) => {
      const listen = (message: unknown) => {
        if (typeof message !== 'object' || message === null || !('event' in message)) return;
        if (message.event !== event) return;
        this.#child.off('message', listen);
        resolve(message as T); // the programs of this folder send what their callers declare
      };
      this.#child.on('message', listen);
    });
    try {
      return await Promise.race([found, exit, deadline]);
    } finally {
      done.abort();
      deadline.catch(() => {});
      exit.catch(() => {});
    }
  }

  /** Asks for something; resolves with the message that names `event`. */
  async ask<T>(question: string, event: string): Promise<T> {
    const answer = this.event<T>(event, ANSWER_TIMEOUT_MS);
    this.tell(question);
    return await answer;
  }

  /** Sends a message that nothing is expected to answer. */
  tell(message: string): void {
    if (this.#child.connected) this.#child.send(message);
  }

  /** Resolves when something listens at `port`. */
  async listens(port: number): Promise<void> {
    const endMs = performance.now() + START_TIMEOUT_MS;
    while (performance.now() < endMs && this.#child.exitCode === null) {
      const socket = connect({ host: '127.0.0.1', port });
      try {
        await once(socket, 'connect');
        return;
      } catch {
        await sleep(50);
      } finally {
        socket.destroy();
      }
    }
    throw new Error(`${this.#what} does not listen on ${port}: ${this.#complaint}`);
  }

  usage(): Usage {
    return process.platform === 'linux' ? linuxUsage(this.pid) : portableUsage(this.pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL'); // nothing it could still do matters to the measurement
    await this.#exited;
  }
}

function linuxUsage(pid: number): Usage {
  // fields behind the command, which stands in parentheses: state is the third, utime and stime 14 and 15
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return {
    cpuMs: (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK,
    residentBytes: Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) * 1024,
    peakBytes: Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) * 1024,
  };
}

/** Where there is no `/proc`: `ps` tells CPU time as `[hours:]minutes:seconds[.hundredths]`. */
function portableUsage(pid: number): Usage {
  const [time = '', kilobytes = ''] = execFileSync('ps', ['-o', 'time=,rss=', '-p', String(pid)], {
    encoding: 'utf8',
  })
    .trim()
    .split(/\s+/);
  const seconds = time.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
  const residentBytes = Number(kilobytes) * 1024;
  return { cpuMs: seconds * 1000, residentBytes, peakBytes: residentBytes };
}

/** Ports nobody listens on. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
