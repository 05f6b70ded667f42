import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { compareCommand } from '../../src/cli/compare/command.ts';
import { WORKLOADS } from '../../src/cli/compare/workloads.ts';
import { systemClock } from '../../src/util/clock.ts';

/** A row of a table: percentiles in milliseconds, requests by server. */
interface Row {
  readonly policy: string;
  readonly ttftMs: readonly number[];
  readonly requests: readonly number[];
}

const ROW = /^(.+?) +(\d+) ms +(\d+) ms +(\d+) ms +\d+ % +([\d /]+)$/gm;

/** Everything below the introduction, as `epp demo --compare` prints it. */
async function tables(): Promise<string> {
  let text = '';
  const status = await compareCommand(['--compare'], {
    out: (part) => {
      text += part;
    },
    err: () => {},
    isTerminal: false,
    env: {},
    self: [],
    clock: systemClock,
    signal: new AbortController().signal,
  });
  expect(status).toBe(0);
  return text.slice(text.indexOf(`${WORKLOADS[0]}:`)).trimEnd();
}

function rowsOf(table: string): readonly Row[] {
  return [...table.matchAll(ROW)].map(([, policy = '', p50, p90, p99, requests = '']) => ({
    policy,
    ttftMs: [p50, p90, p99].map(Number),
    requests: requests.split('/').map(Number),
  }));
}

test('LMETRIC is no worse than the others at any percentile, no server is idle, and docs/demo.md shows this table', async () => {
  const text = await tables();
  expect(readFileSync('docs/demo.md', 'utf8'), 'epp demo --compare prints another table').toContain(text);
  const found = text.split('\n\n').map(rowsOf);
  expect(found.map((rows) => rows.map(({ policy }) => policy))).toEqual(
    WORKLOADS.map(() => ['round robin', '2/2/3', 'LMETRIC']),
  );
  for (const rows of found) {
    const lmetric = rows.at(-1);
    for (const other of rows) {
      for (const [i, ms] of other.ttftMs.entries()) {
        expect(lmetric?.ttftMs[i] ?? Number.NaN).toBeLessThanOrEqual(ms);
      }
    }
    const served = lmetric?.requests ?? [];
    const total = served.reduce((sum, count) => sum + count, 0);
    expect(Math.min(...served)).toBeGreaterThan(total / 4 / 4);
  }
}, 240_000);
