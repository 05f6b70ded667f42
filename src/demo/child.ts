import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Clock, sleep } from '../util/clock.ts';

/** A program of the demo that did not start or went away. */
export class ChildError extends Error {
  override readonly name = 'ChildError';
}

const KEPT_LINES = 20;
const STOP_LIMIT_MS = 4000;

/** A program that runs beside the demo. Disposing asks it to stop and, when it does not, kills it. */
export class Child implements AsyncDisposable {
  readonly name: string;
  readonly #process: ChildProcess;
  readonly #clock: Clock;
  readonly #lines: string[] = [];
  readonly #exited: Promise<unknown>;
  #partial = '';
  #hasExited = false;
  #onLine: (() => void) | undefined;

  /** `command`: program and arguments. */
  constructor(name: string, command: readonly string[], clock: Clock) {
    const [program = '', ...argv] = command;
    this.name = name;
    this.#clock = clock;
    this.#process = spawn(program, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#exited = once(this.#process, 'close').catch((error: unknown) => {
      this.#lines.push(error instanceof Error ? error.message : String(error));
    });
    void this.#exited.then(() => {
      this.#hasExited = true;
      this.#onLine?.();
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => this.#take(text));
    }
  }

  get hasExited(): boolean {
    return this.#hasExited;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** An error that shows the last lines the program wrote. */
  failure(what: string): ChildError {
    const output = [...this.#lines, this.#partial].filter((line) => line !== '').map((line) => `  ${line}\n`);
    return new ChildError(
      `${this.name} ${what}${output.length > 0 ? `; it wrote:\n${output.join('')}` : ''}`,
    );
  }

  /** Waits for `count` lines that match and returns their first groups. Rejects when it exits or takes too long. */
  async matches(pattern: RegExp, count: number, timeoutMs: number): Promise<string[]> {
    const deadlineMs = this.#clock.nowMs() + timeoutMs;
    for (;;) {
      const found = this.#lines.flatMap((line) => pattern.exec(line)?.[1] ?? []);
      if (found.length >= count) return found;
      if (this.#hasExited) throw this.failure('ended early');
      const leftMs = deadlineMs - this.#clock.nowMs();
      if (leftMs <= 0) throw this.failure(`was not ready after ${timeoutMs / 1000} s`);
      await new Promise<void>((resolve) => {
        const cancel = this.#clock.after(leftMs, resolve);
        this.#onLine = () => {
          cancel();
          resolve();
        };
      });
    }
  }

  /** Repeats `check` until it resolves to a value. Rejects when the program exits or it takes too long. */
  async until<T>(check: () => Promise<T | undefined>, timeoutMs: number, signal: AbortSignal): Promise<T> {
    const deadlineMs = this.#clock.nowMs() + timeoutMs;
    for (;;) {
      const value = await check().catch(() => undefined);
      if (value !== undefined) return value;
      if (this.#hasExited) throw this.failure('ended early');
      if (signal.aborted) throw this.failure('was interrupted while starting');
      if (this.#clock.nowMs() > deadlineMs) throw this.failure(`was not ready after ${timeoutMs / 1000} s`);
      await sleep(this.#clock, 30, signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#hasExited) return;
    this.#process.kill('SIGTERM');
    const cancel = this.#clock.after(STOP_LIMIT_MS, () => this.#process.kill('SIGKILL'));
    await this.#exited;
    cancel();
  }

  #take(text: string): void {
    const lines = (this.#partial + text).split('\n');
    this.#partial = lines.pop() ?? '';
    this.#lines.push(...lines);
    // Readiness lines come first, so they are kept besides the latest ones.
    if (this.#lines.length > 2 * KEPT_LINES)
      this.#lines.splice(KEPT_LINES, this.#lines.length - 2 * KEPT_LINES);
    this.#onLine?.();
  }
}
