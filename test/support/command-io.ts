import { systemClock } from '../../src/util/clock.ts';
import type { CommandIo } from '../../src/util/command-io.ts';
import { PROGRAM } from './program-under-test.ts';

/** A command's surroundings in a test. */
export interface TestIo extends CommandIo {
  /** Both outputs, in order. */
  readonly written: string;
  /** What Ctrl-C does. */
  stop(): void;
}

/** Keeps what is written; real time; starts this repository's program again. */
export function commandIo(options: { readonly isTerminal?: boolean } = {}): TestIo {
  const abort = new AbortController();
  let written = '';
  const write = (text: string) => {
    written += text;
  };
  return {
    out: write,
    err: write,
    isTerminal: options.isTerminal ?? false,
    env: {},
    self: [process.execPath, PROGRAM],
    signal: abort.signal,
    clock: systemClock,
    get written() {
      return written;
    },
    stop: () => abort.abort(),
  };
}
