import type { Latency } from './measure.ts';
import { chunkCost, type LoadOutcome, type Pair, type Results, runTitle } from './results.ts';
import { barOf, CHUNK_COST, IDLE, LOAD_ROWS, MEMORY, POOL, STREAMS } from './rows.ts';
import { spreadOf } from './spread.ts';

/** Nothing to say, or no bar. */
const NONE = '–';

/** The tables of one run, each under a line that says what it holds; empty ones are left out. */
export function markdown(results: Results): string {
  const parts = [
    `Machine: ${results.machine}. Versions: ${results.versions}.${results.isQuick ? ' A quick run.' : ''}`,
  ];
  if (results.load.length > 0) {
    parts.push('CPU per request, server saturated:', cpuTable(results));
    const steady = results.load.filter((outcome) => outcome.steady !== undefined);
    if (steady.length > 0) {
      parts.push('Requests at random times, at half the rate that saturates:', latencyTable(steady));
    }
  }
  const others = otherRows(results);
  if (others.length > 0) {
    parts.push('Endpoints and memory:', table(['measure', 'picker', 'echo', 'at most'], others));
  }
  for (const { row, message } of results.failures) parts.push(`Not measured: ${row}: ${firstLine(message)}.`);
  return parts.join('\n\n');
}

/** What the page holds between its markers: a chart of the loads, then the tables of every run. */
export function pageSection(runs: readonly Results[], chartFile: string): string {
  const chart = `![CPU per request, picker over echo](${chartFile})`;
  return [chart, ...runs.flatMap((run) => [`### ${runTitle(run)}`, markdown(run)])].join('\n\n');
}

function cpuTable(results: Results): string {
  const heads = ['load', 'picker', 'echo', 'picker / echo', 'rounds', 'at most'];
  const rows = results.load.map((outcome) => {
    const row = LOAD_ROWS.find(({ name }) => name === outcome.name);
    const { picker, echo } = outcome.saturated;
    const busy = ({ serverCpuMs, seconds }: typeof picker) => Math.round(serverCpuMs / seconds / 10);
    return [
      row?.title ?? outcome.name,
      ...ratioCells(
        { picker: picker.cpuMsPerRequest, echo: echo.cpuMsPerRequest },
        outcome.ratios,
        barOf(row ?? {}, results.transport),
      ),
      `${count(picker.requestsPerSecond)} (${busy(picker)} %)`,
      `${count(echo.requestsPerSecond)} (${busy(echo)} %)`,
    ];
  });
  const chunk = chunkCost(results.load);
  if (chunk !== undefined) {
    const after = results.load.findIndex(({ name }) => name === CHUNK_COST.many) + 1;
    const bar = barOf(CHUNK_COST, results.transport);
    rows.splice(after, 0, [CHUNK_COST.title, ...ratioCells(chunk.cpuMs, chunk.ratios, bar), NONE, NONE]);
  }
  return table([...heads, 'requests/s, picker (of a core)', 'requests/s, echo (of a core)'], rows);
}

function ratioCells(
  cpuMs: Pair<number>,
  ratios: readonly number[],
  bar: number | undefined,
): readonly string[] {
  const ratio = cpuMs.picker / cpuMs.echo;
  const { min, max } = spreadOf(ratios);
  return [
    time(cpuMs.picker),
    time(cpuMs.echo),
    `${ratio.toFixed(2)}${missed(ratio, bar)}`,
    `${min.toFixed(2)} to ${max.toFixed(2)}`,
    bar === undefined ? NONE : String(bar),
  ];
}

function latencyTable(load: readonly LoadOutcome[]): string {
  const rows = load.flatMap(({ name, steady }) => {
    if (steady === undefined) return [];
    const row = LOAD_ROWS.find((known) => known.name === name);
    const { picker, echo } = steady;
    const lateMs = picker.loopDelayMs.p99;
    return [
      [
        row?.title ?? name,
        `${count(picker.ratePerSecond)} / ${count(echo.ratePerSecond)}`,
        latency(picker.latencyMs),
        latency(echo.latencyMs),
        `${time(lateMs)}${missed(lateMs, row?.loopDelayBarMs)} / ${time(echo.loopDelayMs.p99)}`,
        `${memory(picker.peakBytes)} / ${memory(echo.peakBytes)}`,
      ],
    ];
  });
  return table(
    [
      'load',
      'requests/s, picker / echo',
      'decision p50 / p99 / p99.9, picker',
      'answer p50 / p99 / p99.9, echo',
      'event-loop delay p99, picker / echo',
      'peak memory, picker / echo',
    ],
    rows,
  );
}

/** Measure, picker, echo, bar. */
function otherRows({ pool, idle, streams, memory: many }: Results): readonly (readonly string[])[] {
  const rows: (readonly string[])[] = [];
  if (pool !== undefined) {
    const { endpoints, cpuMsPerPage, latencyMs } = pool;
    const page = `${Math.round(pool.pageBytes / 1000)} kB page (${count(pool.pagesPerSecond)} pages/s)`;
    rows.push(
      [
        `scraping ${endpoints} endpoints, CPU per ${page}`,
        `${time(cpuMsPerPage)}${missed(cpuMsPerPage, POOL.pageCpuBarMs)}`,
        NONE,
        time(POOL.pageCpuBarMs),
      ],
      [
        `decision p50 with ${endpoints} endpoints, ${POOL.ratePerSecond} requests/s`,
        `${time(latencyMs.p50)}${missed(latencyMs.p50, POOL.decisionP50BarMs)}`,
        NONE,
        time(POOL.decisionP50BarMs),
      ],
      ['decision p99 / p99.9, the same', `${time(latencyMs.p99)} / ${time(latencyMs.p999)}`, NONE, NONE],
      ['peak memory, the same', memory(pool.peakBytes), NONE, NONE],
    );
  }
  for (const { endpoints, cores, pagesPerSecond, residentBytes } of idle) {
    const bar = IDLE.find((known) => known.endpoints === endpoints)?.bar;
    rows.push([
      `idle with ${count(endpoints)} endpoints (${count(pagesPerSecond)} pages/s), share of a core; memory`,
      `${cores.toFixed(3)}${missed(cores, bar)}; ${memory(residentBytes)}`,
      NONE,
      bar === undefined ? NONE : String(bar),
    ]);
  }
  if (streams !== undefined) {
    const { picker, echo } = streams;
    const open = `${count(picker.streams)} open streams`;
    rows.push(
      [
        `${open}, resident memory of each`,
        `${kilobytes(picker.residentBytesPerStream)}${missed(picker.residentBytesPerStream, STREAMS.bytesBar)}`,
        kilobytes(echo.residentBytesPerStream),
        kilobytes(STREAMS.bytesBar),
      ],
      [
        `${open}, objects and buffers of each`,
        kilobytes(picker.liveBytesPerStream),
        kilobytes(echo.liveBytesPerStream),
        NONE,
      ],
    );
  }
  if (many !== undefined) {
    const { peakBytes, indexEntries } = many.picker;
    rows.push([
      `${MEMORY.title} (${count(indexEntries)} entries used), peak memory`,
      `${memory(peakBytes)}${missed(peakBytes, MEMORY.peakBytesBar)}`,
      memory(many.echo.peakBytes),
      memory(MEMORY.peakBytesBar),
    ]);
  }
  return rows;
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n');
}

function missed(value: number, bar: number | undefined): string {
  return bar === undefined || value <= bar ? '' : ' (missed)';
}

function latency({ p50, p99, p999 }: Latency): string {
  return `${time(p50)} / ${time(p99)} / ${time(p999)}`;
}

/** Milliseconds, or microseconds below a twentieth of one. */
function time(ms: number): string {
  if (ms < 0.05) return `${(ms * 1000).toPrecision(2)} µs`;
  if (ms >= 100) return `${Math.round(ms)} ms`;
  return `${ms.toPrecision(ms < 1 ? 2 : 3)} ms`;
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function memory(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`;
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}
