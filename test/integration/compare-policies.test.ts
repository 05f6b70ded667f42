import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { expect, onTestFinished, test } from 'vitest';
import { compareCommand } from '../../src/cli/compare/command.ts';
import { WORKLOADS } from '../../src/cli/compare/workloads.ts';
import { systemClock } from '../../src/util/clock.ts';
import { BOUNDED } from '../support/bounded.ts';

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

const PREFERS = `import { defineScorer, z } from 'endpoint-picker/plugin';
export const prefers = defineScorer({
  type: 'prefers',
  stability: 'alpha',
  summary: 'Prefers one endpoint.',
  params: z.strictObject({ address: z.string() }),
  create: ({ address }) => ({
    category: 'affinity',
    score(_request, candidates, out) {
      for (const [i, one] of candidates.entries()) out[i] = one.hostPort === address ? 1 : 0;
    },
  }),
});
`;

test('a configuration may name modules, seen from its file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'compare-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const config = join(folder, 'mine.yaml');
  writeFileSync(join(folder, 'prefers.ts'), PREFERS);
  writeFileSync(
    config,
    `apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins:
- {type: prefers, module: ./prefers.ts, parameters: {address: "10.0.0.3:8000"}}
`,
  );
  const argv = ['src/main.ts', 'demo', '--compare', '--requests=50', '--workloads=hot', '--config', config];
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, BOUNDED);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const [rows = []] = stdout.split('\n\n').slice(-1).map(rowsOf);
  expect(rows.at(-1)).toMatchObject({ policy: 'mine', requests: [0, 0, 50, 0] });
});
