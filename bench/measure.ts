import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts, Program, type Usage } from './processes.ts';
import type { LoadRow } from './rows.ts';
import { POOL_BUDGETS } from './rows.ts';

/** Endpoints behind the picker in load rows. */
const FEW_ENDPOINTS = 4;
/** The picker scrapes slowly when no request came for five seconds. */
const IDLE_SETTLE_MS = 7000;
const CLIENT_SLACK_MS = 30_000;

/** How long to measure. */
export interface Effort {
  readonly durationS: number;
  /** Factor on warm-up times. */
  readonly warmUp: number;
  /** Times that each row is measured, echo and picker by turns. */
  readonly rounds: number;
  /** More arguments of `epp serve`. */
  readonly pickerArgs: readonly string[];
}

/** What `bench/load/client.ts` reports. */
interface ClientReport {
  readonly seconds: number;
  readonly completed: number;
  readonly rejected: number;
  readonly failed: number;
  readonly requestsPerSecond: number;
  readonly latencyMs: {
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly max: number;
  };
  readonly clientCpuMs: number;
}

/** One server under one load. */
export interface LoadResult extends ClientReport {
  /** User and system time of the server per completed request. */
  readonly cpuMsPerRequest: number;
  readonly serverCpuMs: number;
  readonly residentBytes: number;
}

/** A picker in front of many endpoints. */
export interface PoolResult {
  readonly endpoints: number;
  /** Share of one core while no request flows. */
  readonly idleCores: number;
  /** While requests flow. */
  readonly pagesPerSecond: number;
  readonly pageBytes: number;
  readonly cpuMsPerPage: number;
  readonly decisionP50Ms: number;
  readonly decisionP99Ms: number;
  readonly residentBytes: number;
}

/** The echo server under a load. */
export async function measureEcho(row: LoadRow, effort: Effort): Promise<LoadResult> {
  await using echo = new Program(['bench/load/echo-server.ts']);
  const { port } = await echo.event<{ port: number }>('listening', CLIENT_SLACK_MS);
  return await underLoad(echo, port, { row, effort });
}

/** The picker, with a few endpoints, under a load. */
export async function measurePicker(row: LoadRow, effort: Effort): Promise<LoadResult> {
  await using farm = new Program(['bench/load/metrics-farm.ts', `--endpoints=${FEW_ENDPOINTS}`]);
  const { ports } = await farm.event<{ ports: readonly number[] }>('listening', CLIENT_SLACK_MS);
  const { program, port } = await startPicker(ports, effort);
  await using picker = program;
  return await underLoad(picker, port, { row, effort });
}

/**
 * The picker with many endpoints. CPU per page is the difference between many endpoints and one, both at the same
 * request rate, over the difference in pages.
 */
export async function measurePool(effort: Effort): Promise<PoolResult> {
  const one = await scraping(1, effort);
  const many = await scraping(POOL_BUDGETS.endpoints, effort);
  return {
    endpoints: POOL_BUDGETS.endpoints,
    idleCores: many.idleCores,
    pagesPerSecond: many.pages / many.load.seconds,
    pageBytes: many.pageBytes,
    cpuMsPerPage: (many.load.serverCpuMs - one.load.serverCpuMs) / (many.pages - one.pages),
    decisionP50Ms: many.load.latencyMs.p50,
    decisionP99Ms: many.load.latencyMs.p99,
    residentBytes: many.load.residentBytes,
  };
}

async function scraping(endpoints: number, effort: Effort) {
  await using farm = new Program(['bench/load/metrics-farm.ts', `--endpoints=${endpoints}`]);
  const { ports, pageBytes } = await farm.event<{ ports: readonly number[]; pageBytes: number }>(
    'listening',
    CLIENT_SLACK_MS,
  );
  const { program, port } = await startPicker(ports, effort);
  await using picker = program;
  await sleep(IDLE_SETTLE_MS);
  const startMs = performance.now();
  const start = picker.usage();
  await sleep(effort.durationS * 1000);
  const idleCores = (picker.usage().cpuMs - start.cpuMs) / (performance.now() - startMs);
  const pagesNow = async () => {
    const answer = farm.event<{ pages: number }>('pages', CLIENT_SLACK_MS);
    farm.tell('pages');
    return (await answer).pages;
  };
  let pages = 0;
  const row: LoadRow = {
    name: 'pool',
    title: '',
    client: [
      '--prompt-bytes=1000',
      '--chunks=10',
      '--chunk-gap-ms=20',
      `--rate=${POOL_BUDGETS.ratePerSecond}`,
    ],
    warmUpS: 4,
  };
  const load = await underLoad(picker, port, {
    row,
    effort,
    between: async (phase) => {
      pages = phase === 'start' ? await pagesNow() : (await pagesNow()) - pages;
    },
  });
  return { idleCores, pages, pageBytes, load };
}

async function startPicker(
  endpoints: readonly number[],
  effort: Effort,
): Promise<{ program: Program; port: number }> {
  const [port = 0, metricsPort = 0, healthPort = 0] = await freePorts(3);
  const program = new Program([
    'src/main.ts',
    'serve',
    '--secure-serving=false',
    '--bind-address=127.0.0.1',
    `--grpc-port=${port}`,
    `--metrics-port=${metricsPort}`,
    `--grpc-health-port=${healthPort}`,
    `--endpoints=${endpoints.map((endpoint) => `127.0.0.1:${endpoint}`).join(',')}`,
    ...effort.pickerArgs,
  ]);
  try {
    await program.listens(port);
    await sleep(500); // first scrapes
  } catch (error) {
    await program[Symbol.asyncDispose]();
    throw error;
  }
  return { program, port };
}

async function underLoad(
  server: Program,
  port: number,
  load: {
    readonly row: LoadRow;
    readonly effort: Effort;
    /** Called as the measured time begins and ends. */
    readonly between?: (phase: 'start' | 'end') => Promise<void>;
  },
): Promise<LoadResult> {
  const { row, effort } = load;
  const warmUpS = row.warmUpS * effort.warmUp;
  await using client = new Program([
    'bench/load/client.ts',
    `--target=127.0.0.1:${port}`,
    ...row.client,
    `--warm-up-s=${warmUpS}`,
    `--duration-s=${effort.durationS}`,
  ]);
  await client.event('start', warmUpS * 1000 + CLIENT_SLACK_MS);
  const before: Usage = server.usage();
  await load.between?.('start');
  const report = await client.event<ClientReport>('end', effort.durationS * 1000 + CLIENT_SLACK_MS);
  const after = server.usage();
  await load.between?.('end');
  const serverCpuMs = after.cpuMs - before.cpuMs;
  return {
    ...report,
    serverCpuMs,
    cpuMsPerRequest: serverCpuMs / report.completed,
    residentBytes: after.residentBytes,
  };
}
