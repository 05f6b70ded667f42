import { readFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import process from 'node:process';
import { VERSION } from '../src/cli/version.ts';
import type { LoadResult, Round, SteadyResult } from './measure.ts';
import type { MemoryResult, StreamsResult } from './memory.ts';
import type { IdleResult, PoolResult } from './pools.ts';
import { CHUNK_COST } from './rows.ts';
import { type Spread, spreadOf } from './spread.ts';

/** Changes whenever older files can no longer be rendered. */
const FORMAT = 2;

/** Both sides of something measured. */
export interface Pair<T> {
  readonly picker: T;
  readonly echo: T;
}

/** One load, measured in rounds. */
export interface LoadOutcome {
  /** Of a row in `LOAD_ROWS`. */
  readonly name: string;
  /** Of all rounds the one with the least CPU: other work on the machine only ever adds to it. */
  readonly saturated: Pair<LoadResult>;
  readonly steady: Pair<SteadyResult> | undefined;
  /** CPU of the picker over CPU of the echo server, round by round. */
  readonly ratios: readonly number[];
  /** CPU per request in milliseconds, round by round. */
  readonly cpuMs: Pair<readonly number[]>;
}

/** One run of the benchmark. */
export interface Results {
  readonly format: typeof FORMAT;
  readonly machine: string;
  readonly versions: string;
  /** The picker's; the echo server is on grpc-js. */
  readonly transport: string;
  readonly isTls: boolean;
  readonly isQuick: boolean;
  readonly load: readonly LoadOutcome[];
  readonly pool: PoolResult | undefined;
  readonly idle: readonly IdleResult[];
  readonly streams: Pair<StreamsResult> | undefined;
  readonly memory: Pair<MemoryResult> | undefined;
  readonly failures: readonly Failure[];
}

/** A row that could not be measured. */
export interface Failure {
  readonly row: string;
  readonly message: string;
}

/** Results with nothing measured yet. */
export function emptyResults(run: Pick<Results, 'transport' | 'isTls' | 'isQuick'>): Results {
  return {
    format: FORMAT,
    machine: machine(),
    versions: versions(),
    ...run,
    load: [],
    pool: undefined,
    idle: [],
    streams: undefined,
    memory: undefined,
    failures: [],
  };
}

/** What a file of `--json` holds; throws when it is of another kind. */
export function readResults(file: string): Results {
  const read: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (typeof read === 'object' && read !== null && 'format' in read && read.format === FORMAT) {
    return read as Results; // the format number stands for the type
  }
  throw new Error(`${file}: not results of this benchmark (format ${FORMAT})`);
}

/** The outcome of a row from its rounds; undefined without a round. */
export function outcomeOf(name: string, rounds: readonly Pair<Round>[]): LoadOutcome | undefined {
  const echo = leastDisturbed(rounds.map((round) => round.echo.saturated));
  const picker = leastDisturbed(rounds.map((round) => round.picker.saturated));
  if (echo === undefined || picker === undefined) return undefined;
  const cpuMs = {
    picker: rounds.map((round) => round.picker.saturated.cpuMsPerRequest),
    echo: rounds.map((round) => round.echo.saturated.cpuMsPerRequest),
  };
  const last = rounds.at(-1);
  const steady =
    last?.picker.steady === undefined || last.echo.steady === undefined
      ? undefined
      : { picker: last.picker.steady, echo: last.echo.steady };
  return {
    name,
    saturated: { picker, echo },
    steady,
    ratios: cpuMs.picker.map((cpu, i) => cpu / (cpuMs.echo[i] ?? Number.NaN)),
    cpuMs,
  };
}

function leastDisturbed(results: readonly LoadResult[]): LoadResult | undefined {
  return results.toSorted((a, b) => a.cpuMsPerRequest - b.cpuMsPerRequest)[0];
}

/** What a streamed chunk costs in a saturated server. */
export interface ChunkCost {
  /** Least of all rounds, milliseconds. */
  readonly cpuMs: Pair<number>;
  /** Picker over echo, round by round. */
  readonly ratios: readonly number[];
}

/** Undefined unless both rows it is made of were measured in the same rounds. */
export function chunkCost(load: readonly LoadOutcome[]): ChunkCost | undefined {
  const one = load.find(({ name }) => name === CHUNK_COST.one);
  const many = load.find(({ name }) => name === CHUNK_COST.many);
  if (one === undefined || many === undefined || one.ratios.length !== many.ratios.length) return undefined;
  const costs = (side: keyof Pair<unknown>) =>
    many.cpuMs[side].map((cpuMs, i) => (cpuMs - (one.cpuMs[side][i] ?? Number.NaN)) / CHUNK_COST.chunks);
  const least = (side: keyof Pair<unknown>) =>
    (Math.min(...many.cpuMs[side]) - Math.min(...one.cpuMs[side])) / CHUNK_COST.chunks;
  const echo = costs('echo');
  return {
    cpuMs: { picker: least('picker'), echo: least('echo') },
    ratios: costs('picker').map((cost, i) => cost / (echo[i] ?? Number.NaN)),
  };
}

/** Every ratio of a run by name, as the baseline keeps them. */
export function ratioSpreads(load: readonly LoadOutcome[]): ReadonlyMap<string, Spread> {
  const spreads = new Map(load.map(({ name, ratios }) => [name, spreadOf(ratios)]));
  const chunk = chunkCost(load);
  if (chunk !== undefined) spreads.set(CHUNK_COST.name, spreadOf(chunk.ratios));
  return spreads;
}

/** How a run differs from others on the same machine. */
export function runTitle({ transport, isTls }: Pick<Results, 'transport' | 'isTls'>): string {
  return isTls ? `${transport} over TLS` : transport;
}

/** Where it ran. */
function machine(): string {
  const processors = cpus();
  const model = processors[0]?.model.trim() ?? 'unknown processor';
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${processors.length} × ${model}, ${memory} GiB, ${type()} ${release()}`;
}

/** What ran. */
function versions(): string {
  const { node, v8, openssl } = process.versions;
  return `endpoint-picker ${VERSION}, grpc-js ${grpcVersion()}, Node.js ${node}, V8 ${v8}, OpenSSL ${openssl}`;
}

function grpcVersion(): string {
  const file = new URL('../node_modules/@grpc/grpc-js/package.json', import.meta.url);
  const manifest: unknown = JSON.parse(readFileSync(file, 'utf8'));
  const hasVersion = typeof manifest === 'object' && manifest !== null && 'version' in manifest;
  return hasVersion ? String(manifest.version) : 'unknown';
}
