import type { LoadResult } from './load.ts';
import type { ServerCounters } from './server-counters.ts';

/** A run as clients and servers saw it. */
export interface RunResult {
  readonly name: string;
  readonly load: LoadResult;
  readonly counters: ServerCounters;
}

const LABEL_WIDTH = 26;
const COLUMN_WIDTH = 18;
const BAR_WIDTH = 44;

/** Value below which `share` of the values lie; NaN without values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN;
}

/** Share of prompt tokens the servers found in their caches, 0 to 1. */
export function hitRate({ queriedTokens, hitTokens }: ServerCounters): number {
  return queriedTokens === 0 ? 0 : hitTokens / queriedTokens;
}

/** The comparison as text: a table, then bars. */
export function report(before: RunResult, after: RunResult): string {
  const rows = [
    row('', before.name, after.name, ''),
    timeRow('time to first token  p50', before, after, 0.5),
    timeRow('                     p90', before, after, 0.9),
    timeRow('                     p99', before, after, 0.99),
    row('prefix cache hit rate', percent(hitRate(before.counters)), percent(hitRate(after.counters)), ''),
    row('output tokens/s', rate(before), rate(after), ''),
    row('requests per server', shares(before), shares(after), ''),
    row('errors', errors(before), errors(after), ''),
  ];
  const slowest = percentile(before.load.ttftMs, 0.99);
  const slowestAfter = percentile(after.load.ttftMs, 0.99);
  const scale = Math.max(slowest, slowestAfter);
  const bars = [0.5, 0.9, 0.99].flatMap((share) =>
    [before, after].map((run) => {
      const ms = percentile(run.load.ttftMs, share);
      return `  p${String(share * 100).padEnd(3)} ${run.name.padEnd(12)} ${bar(ms / scale)} ${milliseconds(ms)}\n`;
    }),
  );
  const hits = [before, after].map(
    (run) =>
      `  hits ${run.name.padEnd(12)} ${bar(hitRate(run.counters))} ${percent(hitRate(run.counters))}\n`,
  );
  return `${rows.join('')}\nTime to first token\n${bars.join('')}\nPrefix cache hit rate\n${hits.join('')}`;
}

function row(label: string, before: string, after: string, note: string): string {
  const columns = before.padStart(COLUMN_WIDTH) + after.padStart(COLUMN_WIDTH);
  return `${`${label.padEnd(LABEL_WIDTH)}${columns}   ${note}`.trimEnd()}\n`;
}

function timeRow(label: string, before: RunResult, after: RunResult, share: number): string {
  const was = percentile(before.load.ttftMs, share);
  const is = percentile(after.load.ttftMs, share);
  const factor = was / is;
  const note = factor >= 1 ? `${factor.toFixed(1)} × faster` : `${(1 / factor).toFixed(1)} × slower`;
  return row(label, milliseconds(was), milliseconds(is), Number.isFinite(factor) ? note : '');
}

function milliseconds(ms: number): string {
  return Number.isNaN(ms) ? '–' : `${Math.round(ms)} ms`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function rate({ load, counters }: RunResult): string {
  return load.durationMs === 0
    ? '–'
    : String(Math.round(counters.generatedTokens / (load.durationMs / 1000)));
}

function shares({ counters }: RunResult): string {
  return counters.finished.join('/');
}

function errors({ load }: RunResult): string {
  if (load.errors.size === 0) return '0';
  return [...load.errors].map(([what, count]) => `${count} ${what}`).join(', ');
}

/** Eighths of a cell, so that small differences show. */
function bar(share: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, Number.isNaN(share) ? 0 : share)) * BAR_WIDTH * 8);
  return ('█'.repeat(eighths >> 3) + ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths & 7]).padEnd(BAR_WIDTH);
}
