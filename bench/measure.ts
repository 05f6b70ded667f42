import { setTimeout as sleep } from 'node:timers/promises';
import { Program } from './processes.ts';
import type { LoadRow } from './rows.ts';
import { type Server, type Setup, type Side, startSide } from './servers.ts';

const CLIENT_SLACK_MS = 30_000;
/** Least warm-up before latency is measured: the server is warm, only the streams have to be under way. */
const STEADY_WARM_UP_S = 0.7;
/** After a client is gone, the server clears its streams away. */
const CLEAR_MS = 300;

/** Just enough for a picker to scrape at full pace: what it costs then is taken off a load that leaves it mostly idle. */
const TRICKLE = { client: ['--prompt-bytes=1000', '--chunks=1', '--rate=5'], warmUpS: 1 };

/** How long to measure. */
export interface Effort {
  readonly durationS: number;
  /** Time over which latency is measured at half saturation. */
  readonly steadyS: number;
  /** Factor on warm-up times. */
  readonly warmUp: number;
  /** Times that each load is measured, echo and picker by turns. */
  readonly rounds: number;
}

/** Milliseconds. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** What `bench/load/client.ts` reports. */
interface ClientReport {
  readonly seconds: number;
  readonly completed: number;
  readonly rejected: number;
  readonly failed: number;
  readonly requestsPerSecond: number;
  /** From the last byte of the body sent to the answer of the headers. */
  readonly latencyMs: Latency;
  readonly clientCpuMs: number;
}

/** One server under one load. */
export interface LoadResult extends ClientReport {
  /** User and system time of the server while it was measured. */
  readonly serverCpuMs: number;
  /** The same per completed request. */
  readonly cpuMsPerRequest: number;
  /** Most memory that was ever resident in the server. */
  readonly peakBytes: number;
}

/** How late timers fired in a server, milliseconds. */
export interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** One server under a load that it carries with ease, requests arriving at random times. */
export interface SteadyResult extends LoadResult {
  readonly ratePerSecond: number;
  readonly loopDelayMs: LoopDelay;
}

/** One server in one round of a row. */
export interface Round {
  readonly saturated: LoadResult;
  /** At half the rate of `saturated`, or at the rate of the row; undefined when not asked for. */
  readonly steady: SteadyResult | undefined;
}

/** Measures one side under the load of a row; rejects when any request fails. */
export async function measureRound(
  side: Side,
  row: LoadRow,
  options: { readonly setup: Setup; readonly effort: Effort; readonly hasSteady: boolean },
): Promise<Round> {
  const { setup, effort } = options;
  await using server = await startSide(side, setup);
  let saturated = await underLoad(server, setup, {
    client: row.client,
    warmUpS: row.warmUpS * effort.warmUp,
    durationS: effort.durationS,
  });
  if (row.ratePerSecond !== undefined) {
    await sleep(CLEAR_MS);
    const trickle = await underLoad(server, setup, { ...TRICKLE, durationS: effort.steadyS });
    saturated = without(saturated, trickle.serverCpuMs / trickle.seconds);
  }
  if (!options.hasSteady) return { saturated, steady: undefined };
  await sleep(CLEAR_MS);
  const ratePerSecond = row.ratePerSecond ?? saturated.requestsPerSecond / 2;
  let loopDelayMs: LoopDelay = { p50: Number.NaN, p99: Number.NaN, max: Number.NaN };
  const steady = await underLoad(server, setup, {
    client: [...row.client, `--rate=${ratePerSecond}`],
    warmUpS: row.ratePerSecond === undefined ? STEADY_WARM_UP_S : row.warmUpS * effort.warmUp,
    durationS: effort.steadyS,
    began: () => server.program.tell('watch-loop'),
    ended: async () => {
      const { p50, p99, max } = await server.program.ask<LoopDelay>('loop-delay', 'loop-delay');
      loopDelayMs = { p50, p99, max };
    },
  });
  return { saturated, steady: { ...steady, ratePerSecond, loopDelayMs } };
}

/** `load` less what the server spends anyway, in milliseconds a second. */
function without(load: LoadResult, idleMsPerS: number): LoadResult {
  const serverCpuMs = load.serverCpuMs - idleMsPerS * load.seconds;
  return { ...load, serverCpuMs, cpuMsPerRequest: serverCpuMs / load.completed };
}

/** A client's load, and what to do as the measured time begins and ends. */
export interface Load {
  /** Options of `bench/load/client.ts`. */
  readonly client: readonly string[];
  readonly warmUpS: number;
  readonly durationS: number;
  readonly began?: () => void | Promise<void>;
  readonly ended?: () => void | Promise<void>;
}

/** The options with which a client reaches the server. */
export function reaches(server: Server, setup: Setup): readonly string[] {
  return [`--target=127.0.0.1:${server.port}`, `--tls=${setup.isTls}`];
}

/** Puts a load on a server; rejects when any request fails or none completes: the numbers would say nothing. */
export async function underLoad(server: Server, setup: Setup, load: Load): Promise<LoadResult> {
  const { program } = server;
  await using client = new Program([
    'bench/load/client.ts',
    ...reaches(server, setup),
    ...load.client,
    `--warm-up-s=${load.warmUpS}`,
    `--duration-s=${load.durationS}`,
  ]);
  await client.event('start', load.warmUpS * 1000 + CLIENT_SLACK_MS);
  const before = program.usage();
  await load.began?.();
  const report = await client.event<ClientReport>('end', load.durationS * 1000 + CLIENT_SLACK_MS);
  const after = program.usage();
  await load.ended?.();
  const { completed, failed, rejected } = report;
  if (failed + rejected > 0) {
    throw new Error(`${failed} requests failed, ${rejected} were rejected, ${completed} completed`);
  }
  if (completed === 0) throw new Error('no request completed');
  const serverCpuMs = after.cpuMs - before.cpuMs;
  return { ...report, serverCpuMs, cpuMsPerRequest: serverCpuMs / completed, peakBytes: after.peakBytes };
}
