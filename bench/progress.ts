import process from 'node:process';

/** What is being measured, on one line of a terminal that is rewritten; nothing elsewhere. */
export class Progress {
  readonly #total: number;
  readonly #startMs = performance.now();
  #done = 0;

  /** `total`: steps to come. */
  constructor(total: number) {
    this.#total = total;
  }

  /** Begins a step. */
  step(text: string): void {
    this.#done += 1;
    const seconds = Math.round((performance.now() - this.#startMs) / 1000);
    const elapsed = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
    this.#show(`[${this.#done}/${this.#total}] ${elapsed} ${text}`);
  }

  /** A line that stays, on a terminal or not. */
  say(text: string): void {
    this.#show('');
    process.stderr.write(`${text}\n`);
  }

  /** Removes the line. */
  finish(): void {
    this.#show('');
  }

  #show(text: string): void {
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
  }
}
