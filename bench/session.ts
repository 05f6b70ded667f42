import { type Effort, measureRound, type Round } from './measure.ts';
import { type MemoryResult, measureMemory, measureStreams, type StreamsResult } from './memory.ts';
import { type IdleResult, measureIdle, measurePool } from './pools.ts';
import { Progress } from './progress.ts';
import {
  emptyResults,
  type Failure,
  type LoadOutcome,
  outcomeOf,
  type Pair,
  type Results,
} from './results.ts';
import { IDLE, LOAD_ROWS, type LoadRow, OTHER_ROWS } from './rows.ts';
import type { Setup, Side } from './servers.ts';

/** Echo server and picker. */
const SIDES = 2;

/** Everything that can be measured, in order. */
export const ROW_NAMES: readonly string[] = [...LOAD_ROWS.map((row) => row.name), ...OTHER_ROWS];

/** What to measure, and how. */
export interface SessionOptions {
  readonly setup: Setup;
  readonly effort: Effort;
  readonly isQuick: boolean;
  /** Of `ROW_NAMES`. */
  readonly rows: readonly string[];
}

/** Measures rows one after the other; one that fails says so, and the others go on. */
export class Session {
  readonly #options: SessionOptions;
  readonly #progress: Progress;
  readonly #failures: Failure[] = [];

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#progress = new Progress(stepsOf(options));
  }

  async run(): Promise<Results> {
    const { setup, effort, isQuick } = this.#options;
    const load: LoadOutcome[] = [];
    for (const row of LOAD_ROWS) {
      const outcome = await this.#attempt(row.name, () => this.#load(row));
      if (outcome !== undefined) load.push(outcome);
    }
    const pool = await this.#attempt('pool', () => {
      this.#progress.step('pool: scraping');
      return measurePool(setup, effort);
    });
    const idle = await this.#attempt('idle', () => this.#idle());
    const streams = await this.#attempt('streams', () =>
      this.#both<StreamsResult>('streams', (side) => measureStreams(side, setup)),
    );
    const memory = await this.#attempt('memory', () =>
      this.#both<MemoryResult>('memory', (side) => measureMemory(side, setup, effort)),
    );
    this.#progress.finish();
    return {
      ...emptyResults({ transport: setup.transport, isTls: setup.isTls, isQuick }),
      load,
      pool,
      idle: idle ?? [],
      streams,
      memory,
      failures: this.#failures,
    };
  }

  /** Undefined when the row was not asked for, or failed. */
  async #attempt<T>(row: string, measure: () => Promise<T>): Promise<T | undefined> {
    if (!this.#options.rows.includes(row)) return undefined;
    try {
      return await measure();
    } catch (error) {
      const message = (error instanceof Error ? error.message : String(error)).trim();
      this.#failures.push({ row, message });
      this.#progress.say(`${row}: ${message}`);
      return undefined;
    }
  }

  async #load(row: LoadRow): Promise<LoadOutcome | undefined> {
    const { setup, effort } = this.#options;
    const rounds: Pair<Round>[] = [];
    for (let round = 1; round <= effort.rounds; round += 1) {
      const hasSteady = effort.steadyS > 0 && round === effort.rounds;
      rounds.push(
        await this.#both(`${row.name}, round ${round} of ${effort.rounds}`, (side) =>
          measureRound(side, row, { setup, effort, hasSteady }),
        ),
      );
    }
    return outcomeOf(row.name, rounds);
  }

  async #idle(): Promise<readonly IdleResult[]> {
    const { setup, effort } = this.#options;
    const results: IdleResult[] = [];
    for (const { endpoints } of IDLE) {
      this.#progress.step(`idle: ${endpoints} endpoints`);
      results.push(await measureIdle(endpoints, setup, effort));
    }
    return results;
  }

  async #both<T>(what: string, measure: (side: Side) => Promise<T>): Promise<Pair<T>> {
    const one = async (side: Side) => {
      this.#progress.step(`${what}: ${side}`);
      try {
        return await measure(side);
      } catch (error) {
        throw new Error(`${side}: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        });
      }
    };
    const echo = await one('echo');
    return { echo, picker: await one('picker') };
  }
}

function stepsOf({ rows, effort }: SessionOptions): number {
  let steps = 0;
  for (const name of rows) {
    if (LOAD_ROWS.some((row) => row.name === name)) steps += SIDES * effort.rounds;
    else if (name === 'pool') steps += 1;
    else steps += name === 'idle' ? IDLE.length : SIDES;
  }
  return steps;
}
