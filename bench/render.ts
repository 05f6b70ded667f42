import { cpus, release, totalmem, type } from 'node:os';
import process from 'node:process';
import type { LoadResult, PoolResult } from './measure.ts';
import { type LoadRow, MAX_RATIO, POOL_BUDGETS } from './rows.ts';

/** What one run of the benchmark found. */
export interface Results {
  readonly rows: readonly { readonly row: LoadRow; readonly echo: LoadResult; readonly picker: LoadResult }[];
  readonly pool: PoolResult | undefined;
}

/** Where it ran. */
export function machine(): string {
  const processors = cpus();
  const model = processors[0]?.model.trim() ?? 'unknown processor';
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${processors.length} × ${model}, ${memory} GiB, ${type()} ${release()}, Node.js ${process.version}`;
}

/** The tables of docs/performance.md. */
export function markdown({ rows, pool }: Results): string {
  const parts: string[] = [`Machine: ${machine()}.`];
  if (rows.length > 0) {
    parts.push(
      [
        '| load | picker | echo | picker / echo | at most | requests/s, picker | decision p50 / p99 | memory |',
        '| --- | --- | --- | --- | --- | --- | --- | --- |',
        ...rows.map(({ row, echo, picker }) => {
          const ratio = picker.cpuMsPerRequest / echo.cpuMsPerRequest;
          return `| ${[
            row.title,
            ms(picker.cpuMsPerRequest),
            ms(echo.cpuMsPerRequest),
            `${ratio.toFixed(2)}${mark(ratio <= MAX_RATIO)}`,
            MAX_RATIO,
            Math.round(picker.requestsPerSecond).toLocaleString('en'),
            `${ms(picker.latencyMs.p50)} / ${ms(picker.latencyMs.p99)}`,
            mebibytes(picker.residentBytes),
          ].join(' | ')} |`;
        }),
      ].join('\n'),
    );
  }
  if (pool !== undefined) {
    const { idleCores, pageCpuMs, decisionP50Ms, ratePerSecond } = POOL_BUDGETS;
    const { endpoints } = pool;
    const budgets: readonly (readonly [string, string, string, boolean])[] = [
      [
        `scraping ${endpoints} endpoints, CPU per ${Math.round(pool.pageBytes / 1000)} kB page (${Math.round(pool.pagesPerSecond).toLocaleString('en')} pages/s)`,
        ms(pool.cpuMsPerPage),
        ms(pageCpuMs),
        pool.cpuMsPerPage <= pageCpuMs,
      ],
      [
        `idle with ${endpoints} endpoints, share of a core`,
        pool.idleCores.toFixed(3),
        String(idleCores),
        pool.idleCores <= idleCores,
      ],
      [
        `decision p50 with ${endpoints} endpoints, ${ratePerSecond} requests/s`,
        ms(pool.decisionP50Ms),
        ms(decisionP50Ms),
        pool.decisionP50Ms <= decisionP50Ms,
      ],
      [`decision p99, the same`, ms(pool.decisionP99Ms), '–', true],
      [`memory with ${endpoints} endpoints`, mebibytes(pool.residentBytes), '–', true],
    ];
    parts.push(
      [
        '| pool | measured | at most |',
        '| --- | --- | --- |',
        ...budgets.map(([what, value, most, isMet]) => `| ${what} | ${value}${mark(isMet)} | ${most} |`),
      ].join('\n'),
    );
  }
  return parts.join('\n\n');
}

/** Something that went wrong while measuring makes the numbers worthless; undefined when nothing did. */
export function complaint(what: string, result: LoadResult): string | undefined {
  if (result.completed === 0) return `${what}: no request completed`;
  if (result.failed + result.rejected === 0) return undefined;
  return `${what}: ${result.failed} requests failed, ${result.rejected} were rejected`;
}

function mark(isMet: boolean): string {
  return isMet ? '' : ' (missed)';
}

function ms(value: number): string {
  return `${value.toPrecision(value < 1 ? 2 : 3)} ms`;
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
