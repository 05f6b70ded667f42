import { setTimeout as sleep } from 'node:timers/promises';
import { type Effort, type Latency, type LoadResult, underLoad } from './measure.ts';
import { POOL } from './rows.ts';
import { type Setup, startPicker } from './servers.ts';

/** The picker scrapes slowly when no request came for five seconds. */
const IDLE_SETTLE_MS = 7000;
const WARM_UP_S = 3;

/** A picker in front of many endpoints, under a little load. */
export interface PoolResult {
  readonly endpoints: number;
  readonly pagesPerSecond: number;
  readonly pageBytes: number;
  readonly cpuMsPerPage: number;
  readonly latencyMs: Latency;
  readonly peakBytes: number;
}

/** A picker in front of many endpoints, without a request. */
export interface IdleResult {
  readonly endpoints: number;
  /** Share of one core. */
  readonly cores: number;
  readonly pagesPerSecond: number;
  readonly residentBytes: number;
}

/**
 * The picker with many endpoints. CPU per page is the difference between many endpoints and one, both at the same
 * request rate, over the difference in pages.
 */
export async function measurePool(setup: Setup, effort: Effort): Promise<PoolResult> {
  const one = await scraping(1, setup, effort);
  const many = await scraping(POOL.endpoints, setup, effort);
  return {
    endpoints: POOL.endpoints,
    pagesPerSecond: many.pages / many.load.seconds,
    pageBytes: many.pageBytes,
    cpuMsPerPage: (many.load.serverCpuMs - one.load.serverCpuMs) / (many.pages - one.pages),
    latencyMs: many.load.latencyMs,
    peakBytes: many.load.peakBytes,
  };
}

/** What a picker costs that has nothing to do. */
export async function measureIdle(endpoints: number, setup: Setup, effort: Effort): Promise<IdleResult> {
  await using picker = await startPicker(setup, endpoints);
  await sleep(IDLE_SETTLE_MS);
  const pagesNow = async () => (await picker.farm.ask<{ pages: number }>('pages', 'pages')).pages;
  const pages = await pagesNow();
  const startMs = performance.now();
  const start = picker.program.usage();
  await sleep(effort.durationS * 1000);
  const end = picker.program.usage();
  const ms = performance.now() - startMs;
  return {
    endpoints,
    cores: (end.cpuMs - start.cpuMs) / ms,
    pagesPerSecond: ((await pagesNow()) - pages) / (ms / 1000),
    residentBytes: end.residentBytes,
  };
}

interface Scraping {
  readonly load: LoadResult;
  readonly pages: number;
  readonly pageBytes: number;
}

async function scraping(endpoints: number, setup: Setup, effort: Effort): Promise<Scraping> {
  await using picker = await startPicker(setup, endpoints);
  const pagesNow = async () => (await picker.farm.ask<{ pages: number }>('pages', 'pages')).pages;
  let pages = 0;
  const load = await underLoad(picker, setup, {
    client: ['--prompt-bytes=1000', '--chunks=10', '--chunk-gap-ms=20', `--rate=${POOL.ratePerSecond}`],
    warmUpS: WARM_UP_S * effort.warmUp,
    durationS: effort.durationS,
    began: async () => {
      pages = await pagesNow();
    },
    ended: async () => {
      pages = (await pagesNow()) - pages;
    },
  });
  return { load, pages, pageBytes: picker.pageBytes };
}
