import type { Clock } from './clock.ts';

/** What a command may use of the process it runs in. */
export interface CommandIo {
  /** Writes to standard output, as it is. */
  out(text: string): void;
  /** Writes to standard error, as it is. */
  err(text: string): void;
  /** Standard output is a terminal: lines may be rewritten and coloured. */
  readonly isTerminal: boolean;
  /** Environment variables. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Program and first arguments that start this program again, for example `[node, dist/main.js]`. */
  readonly self: readonly string[];
  /** Aborts when the user or the system asks the process to stop. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
}
