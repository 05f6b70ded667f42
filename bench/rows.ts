/** A load that both the picker and the echo server are put under. */
export interface LoadRow {
  readonly name: string;
  readonly title: string;
  /** Options of `bench/load/client.ts`. */
  readonly client: readonly string[];
  /** Arrivals a second in a row that does not saturate the server; latency is measured at half saturation otherwise. */
  readonly ratePerSecond?: number;
  /** Least time before measuring, seconds: streams that began before must have ended. */
  readonly warmUpS: number;
  /** CPU of the picker over CPU of the echo server that it may not exceed on `wire`; undefined for none. */
  readonly wireBar?: number;
  /** Event-loop delay p99 at half saturation that it may not exceed, milliseconds. */
  readonly loopDelayBarMs?: number;
}

/** The same on grpc-js, in every row: the transport itself costs as much as the echo server. */
const GRPC_JS_BAR = 1.5;

/** CPU of the picker over CPU of the echo server that a row may not exceed; undefined when it has no bar. */
export function barOf(row: { readonly wireBar?: number }, transport: string): number | undefined {
  return transport === 'wire' ? row.wireBar : GRPC_JS_BAR;
}

/** Loads, in the order of the tables. */
export const LOAD_ROWS: readonly LoadRow[] = [
  {
    name: 'small',
    title: '1 kB prompt, 1 chunk out, 32 in flight',
    client: ['--prompt-bytes=1000', '--chunks=1', '--in-flight=32'],
    warmUpS: 2,
    wireBar: 0.5,
  },
  {
    name: 'chunks',
    title: '1 kB prompt, 100 chunks out, 32 in flight',
    client: ['--prompt-bytes=1000', '--chunks=100', '--in-flight=32'],
    warmUpS: 2,
    wireBar: 0.35,
  },
  {
    name: 'paced',
    title: '1 kB prompt, 100 chunks out 20 ms apart, 150 requests/s, scraping taken off',
    client: ['--prompt-bytes=1000', '--chunks=100', '--chunk-gap-ms=20', '--rate=150'],
    ratePerSecond: 150,
    warmUpS: 5,
    wireBar: 0.3,
  },
  {
    name: 'chat',
    title: '8 kB prompt, 300 chunks out, 100 in flight',
    client: ['--prompt-bytes=8000', '--chunks=300', '--in-flight=100'],
    warmUpS: 2,
    wireBar: 0.3,
  },
  {
    name: 'multi-turn',
    title: '8 turns that grow by 8 kB each, 300 chunks out, 100 in flight',
    client: ['--prompt-bytes=8000', '--turns=8', '--chunks=300', '--in-flight=100'],
    warmUpS: 3,
  },
  {
    name: 'mid',
    title: '220 kB prompt, 1 chunk out, 100 in flight',
    client: ['--prompt-bytes=220000', '--chunks=1', '--in-flight=100'],
    warmUpS: 2,
    wireBar: 0.8,
  },
  {
    name: 'large',
    title: '450 kB prompt (100k tokens), 1 chunk out, 4 in flight',
    client: ['--prompt-bytes=450000', '--chunks=1', '--in-flight=4'],
    warmUpS: 2,
    wireBar: 1.2,
    loopDelayBarMs: 10,
  },
  {
    name: 'large-chunks',
    title: '450 kB prompt (100k tokens), 1,000 chunks out, 4 in flight',
    client: ['--prompt-bytes=450000', '--chunks=1000', '--in-flight=4'],
    warmUpS: 2,
    wireBar: 0.55,
  },
  {
    name: 'huge',
    title: '4 MB prompt, 1 chunk out, 4 in flight',
    client: ['--prompt-bytes=4000000', '--chunks=1', '--in-flight=4'],
    warmUpS: 2,
  },
];

/** What one more chunk of a saturated stream costs: the difference of two rows over the difference in chunks. */
export const CHUNK_COST = {
  name: 'each-chunk',
  title: 'of these, each chunk of the 100',
  one: 'small',
  many: 'chunks',
  chunks: 99,
  wireBar: 0.35,
} as const;

/** Rows that look at something else than CPU under load, in the order of the table. */
export const OTHER_ROWS = ['pool', 'idle', 'streams', 'memory'] as const;
export type OtherRow = (typeof OTHER_ROWS)[number];

/** A pool of many endpoints under a little load: what scraping costs, and what it does to decisions. */
export const POOL = {
  endpoints: 100,
  ratePerSecond: 50,
  pageCpuBarMs: 0.13,
  decisionP50BarMs: 2,
} as const;

/** Pools without a request; a bar is a share of a core. */
export const IDLE: readonly { readonly endpoints: number; readonly bar?: number }[] = [
  { endpoints: 100, bar: 0.05 },
  { endpoints: 1000 },
];

/** Streams held open in the middle of their responses. */
export const STREAMS = {
  count: 10_000,
  connections: 10,
  /** Requests on their way at a time while the streams are being opened. */
  openingAtOnce: 100,
  bytesBar: 8000,
} as const;

/** Long prompts, many at a time, with an index of a million blocks. */
export const MEMORY = {
  title: '450 kB prompts, 50 in flight, index of 10⁶ blocks',
  client: ['--prompt-bytes=450000', '--chunks=1', '--in-flight=50'],
  config: 'bench/memory.yaml',
  peakBytesBar: 400_000_000,
} as const;
