import { setTimeout as sleep } from 'node:timers/promises';
import { type Effort, reaches, underLoad } from './measure.ts';
import { Program } from './processes.ts';
import { MEMORY, STREAMS } from './rows.ts';
import { FEW_ENDPOINTS, type Server, type Setup, type Side, startPicker, startSide } from './servers.ts';

const OPEN_TIMEOUT_MS = 120_000;
/**
 * Load before the first look: what code and buffers of a process that serves take is not due to open streams, nor are the
 * pages of the prefix index, whose memory is set and which the first prompts of a process are the first to touch.
 */
const SERVED = { client: ['--prompt-bytes=1000', '--chunks=1', '--in-flight=32'], warmUpS: 0, durationS: 5 };

/** What an open stream occupies, beyond the process without any. */
export interface StreamsResult {
  readonly streams: number;
  readonly residentBytesPerStream: number;
  /** Objects and buffers that are in use, without what the allocator keeps. */
  readonly liveBytesPerStream: number;
  readonly idleResidentBytes: number;
}

/** Memory under long prompts. */
export interface MemoryResult {
  readonly peakBytes: number;
  readonly requestsPerSecond: number;
  /** (block, endpoint) pairs in the picker's index at the end; 0 for the echo server. */
  readonly indexEntries: number;
}

/** Opens streams up to the first chunk of their responses, and compares memory after garbage collection. */
export async function measureStreams(side: Side, setup: Setup): Promise<StreamsResult> {
  await using server = await startSide(side, setup);
  await underLoad(server, setup, SERVED);
  const idle = await memoryOf(server);
  await using client = new Program([
    'bench/load/client.ts',
    ...reaches(server, setup),
    '--prompt-bytes=1000',
    '--chunks=100',
    `--connections=${STREAMS.connections}`,
    `--in-flight=${STREAMS.openingAtOnce}`,
    `--hold=${STREAMS.count}`,
  ]);
  await client.event('held', OPEN_TIMEOUT_MS);
  const open = await memoryOf(server);
  const { count } = await client.ask<{ count: number }>('count', 'still-open');
  if (count !== STREAMS.count) throw new Error(`${count} of ${STREAMS.count} streams were still open`);
  return {
    streams: count,
    residentBytesPerStream: (open.residentBytes - idle.residentBytes) / count,
    liveBytesPerStream: (open.liveBytes - idle.liveBytes) / count,
    idleResidentBytes: idle.residentBytes,
  };
}

async function memoryOf(server: Server): Promise<{ residentBytes: number; liveBytes: number }> {
  await sleep(500); // what just happened comes to rest
  const { liveBytes } = await server.program.ask<{ liveBytes: number }>('memory', 'memory');
  return { residentBytes: server.program.usage().residentBytes, liveBytes };
}

/** The largest memory under many long prompts at a time; the picker's index is full at the end. */
export async function measureMemory(side: Side, setup: Setup, effort: Effort): Promise<MemoryResult> {
  const load = { client: MEMORY.client, warmUpS: 3 * effort.warmUp, durationS: effort.durationS };
  if (side === 'echo') {
    await using echo = await startSide(side, setup);
    const { peakBytes, requestsPerSecond } = await underLoad(echo, setup, load);
    return { peakBytes, requestsPerSecond, indexEntries: 0 };
  }
  const configured = { ...setup, pickerArgs: [...setup.pickerArgs, `--config-file=${MEMORY.config}`] };
  await using picker = await startPicker(configured, FEW_ENDPOINTS);
  let indexEntries = 0;
  const { peakBytes, requestsPerSecond } = await underLoad(picker, setup, {
    ...load,
    ended: async () => {
      indexEntries = await indexSize(picker.adminPort);
    },
  });
  return { peakBytes, requestsPerSecond, indexEntries };
}

async function indexSize(adminPort: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${adminPort}/metrics`, {
    signal: AbortSignal.timeout(5000),
  });
  const found = /^llm_d_epp_prefix_indexer_size\{[^}]*\} (\S+)$/m.exec(await response.text());
  return Number(found?.[1] ?? Number.NaN);
}
