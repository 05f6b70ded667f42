/** A load that both the picker and the echo server are put under. */
export interface LoadRow {
  readonly name: string;
  readonly title: string;
  /** Options of `bench/load/client.ts`. */
  readonly client: readonly string[];
  /** Least time before measuring: streams that began before must have ended. */
  readonly warmUpS: number;
}

/** CPU of the picker over CPU of the echo server that a row may not exceed with grpc-js as the transport. */
export const MAX_RATIO = 1.5;

export const LOAD_ROWS: readonly LoadRow[] = [
  {
    name: 'small',
    title: '1 kB prompt, 1 chunk out, 32 in flight',
    client: ['--prompt-bytes=1000', '--chunks=1', '--in-flight=32'],
    warmUpS: 2,
  },
  {
    name: 'chunks',
    title: '1 kB prompt, 100 chunks out, 32 in flight',
    client: ['--prompt-bytes=1000', '--chunks=100', '--in-flight=32'],
    warmUpS: 2,
  },
  {
    name: 'paced',
    title: '1 kB prompt, 100 chunks out 20 ms apart, 150 requests/s',
    client: ['--prompt-bytes=1000', '--chunks=100', '--chunk-gap-ms=20', '--rate=150'],
    warmUpS: 4,
  },
  {
    name: 'large',
    title: '450 kB prompt (100k tokens), 1 chunk out, 4 in flight',
    client: ['--prompt-bytes=450000', '--chunks=1', '--in-flight=4'],
    warmUpS: 2,
  },
  {
    name: 'large-chunks',
    title: '450 kB prompt (100k tokens), 1,000 chunks out, 4 in flight',
    client: ['--prompt-bytes=450000', '--chunks=1000', '--in-flight=4'],
    warmUpS: 2,
  },
];

/** The row that looks at a pool of 100 endpoints: idle, scraped and deciding. */
export const POOL_ROW = 'pool';

/** Budgets of the pool row (docs/performance.md). */
export const POOL_BUDGETS = {
  endpoints: 100,
  ratePerSecond: 50,
  idleCores: 0.05,
  pageCpuMs: 0.13,
  decisionP50Ms: 2,
} as const;
