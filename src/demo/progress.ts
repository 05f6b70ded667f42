import type { CommandIo } from '../util/command-io.ts';
import type { LoadResult } from './load.ts';
import { percentile } from './report.ts';

const BAR_WIDTH = 24;
/** Share of the requests between two lines where lines cannot be rewritten. */
const STEP = 0.25;

/** Shows how far a run is: one line that is rewritten on a terminal, a few plain lines elsewhere. */
export class Progress {
  readonly #io: CommandIo;
  readonly #name: string;
  readonly #total: number;
  #nextShare = STEP;

  constructor(io: CommandIo, name: string, total: number) {
    this.#io = io;
    this.#name = name;
    this.#total = total;
  }

  update(soFar: LoadResult): void {
    const share = soFar.completed / this.#total;
    if (this.#io.isTerminal) this.#io.out(`\r\u001b[K${this.#line(soFar)}`);
    else if (share >= this.#nextShare && share < 1) {
      this.#nextShare = (Math.floor(share / STEP) + 1) * STEP;
      this.#io.out(`${this.#line(soFar)}\n`);
    }
  }

  /** The last line. */
  finish(result: LoadResult): void {
    this.#io.out(`${this.#io.isTerminal ? '\r\u001b[K' : ''}${this.#line(result)}\n`);
  }

  #line({ completed, ttftMs, errors }: LoadResult): string {
    const filled = Math.round((completed / this.#total) * BAR_WIDTH);
    const median = percentile(ttftMs, 0.5);
    const failed = [...errors.values()].reduce((sum, count) => sum + count, 0);
    return (
      `${this.#name.padEnd(12)} ${'━'.repeat(filled)}${'─'.repeat(Math.max(0, BAR_WIDTH - filled))} ` +
      `${completed}/${this.#total} answers, first token after ${Number.isNaN(median) ? '–' : Math.round(median)} ms (median)` +
      `${failed > 0 ? `, ${failed} errors` : ''}`
    );
  }
}
