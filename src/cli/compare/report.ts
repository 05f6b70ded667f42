import type { RunResult } from './run.ts';
import type { Workload } from './workloads.ts';

/** A workload with what became of it under each policy. */
export interface Comparison {
  readonly workload: Workload;
  readonly results: readonly RunResult[];
}

/** Shares of the requests whose times to first token are shown. */
export const PERCENTILES = [0.5, 0.9, 0.99] as const;

const GREEN = '\u001B[32m';
const RED = '\u001B[31m';
const BOLD = '\u001B[1m';
const RESET = '\u001B[0m';
const NAME_WIDTH = 14;
const TIME_WIDTH = 10;
const HIT_WIDTH = 10;
/** Below this share of an even one a server counts as idle. */
const IDLE_SHARE = 0.04;

/** Value at or below which `share` of `sorted` (ascending) lie; NaN without values. */
export function percentileOf(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** Whether one server was left out of a run. */
export function hasIdleServer({ requests }: RunResult): boolean {
  const even = requests.reduce((sum, count) => sum + count, 0) / requests.length;
  return requests.some((count) => count < even * IDLE_SHARE);
}

/** The table of a workload. With colours the best of each column is green and servers without work are red. */
export function table({ workload, results }: Comparison, hasColours: boolean): string {
  const paint = (text: string, colour: string) => (hasColours ? `${colour}${text}${RESET}` : text);
  const times = results.map(({ ttftMs }) =>
    PERCENTILES.map((share) => Math.round(percentileOf(ttftMs, share))),
  );
  const best = PERCENTILES.map((_share, i) => Math.min(...times.map((row) => row[i] ?? Number.NaN)));
  const head = [
    'TTFT'.padEnd(NAME_WIDTH),
    ...PERCENTILES.map((share) => `p${share * 100}`.padStart(TIME_WIDTH)),
    'hit rate'.padStart(HIT_WIDTH),
    '  requests per server',
  ];
  const rows = results.map((result, at) => {
    const cells = (times[at] ?? []).map((ms, i) => {
      const text = (Number.isNaN(ms) ? '–' : `${ms} ms`).padStart(TIME_WIDTH);
      return ms === best[i] ? paint(text, GREEN) : text;
    });
    const shares = result.requests.join(' / ');
    return [
      result.policy.padEnd(NAME_WIDTH),
      ...cells,
      `${Math.round(result.hitRate * 100)} %`.padStart(HIT_WIDTH),
      `  ${hasIdleServer(result) ? paint(shares, RED) : shares}`,
    ].join('');
  });
  const rate = Number(workload.ratePerSecond.toFixed(1));
  const title = `${paint(workload.name, BOLD)}: ${workload.summary}; ${rate} requests/s`;
  return `${title}\n${head.join('')}\n${rows.join('\n')}\n`;
}

/** Everything as one JSON value; times in milliseconds. */
export function jsonOf(comparisons: readonly Comparison[], seed: number): object {
  return {
    seed,
    time: 'virtual',
    workloads: comparisons.map(({ workload, results }) => ({
      name: workload.name,
      summary: workload.summary,
      ratePerSecond: workload.ratePerSecond,
      policies: results.map((result) => ({
        name: result.policy,
        ttftMs: Object.fromEntries(
          PERCENTILES.map((share) => [`p${share * 100}`, percentileOf(result.ttftMs, share)]),
        ),
        hitRate: result.hitRate,
        requestsPerServer: result.requests,
        answered: result.answered,
      })),
    })),
  };
}
