import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ratiosOf, readBaseline, updated, writeBaseline } from '../../bench/baseline.ts';
import { chart } from '../../bench/chart.ts';
import type { LoadResult, SteadyResult } from '../../bench/measure.ts';
import { withResults } from '../../bench/page.ts';
import { markdown, pageSection } from '../../bench/render.ts';
import {
  chunkCost,
  emptyResults,
  type LoadOutcome,
  outcomeOf,
  type Results,
  ratioSpreads,
  readResults,
} from '../../bench/results.ts';
import { spreadOf } from '../../bench/spread.ts';

function load(cpuMsPerRequest: number): LoadResult {
  return {
    seconds: 2,
    completed: 1000,
    rejected: 0,
    failed: 0,
    requestsPerSecond: 500,
    latencyMs: { p50: 1, p99: 2, p999: 3, max: 4 },
    clientCpuMs: 100,
    serverCpuMs: cpuMsPerRequest * 1000,
    cpuMsPerRequest,
    peakBytes: 123_000_000,
  };
}

function steady(lateMs: number): SteadyResult {
  return { ...load(1), ratePerSecond: 250, loopDelayMs: { p50: 0.1, p99: lateMs, max: 20 } };
}

/** Rounds of a row, CPU per request of both sides; the picker's event-loop delay is 12 ms. */
function outcome(name: string, picker: readonly number[], echo: readonly number[]): LoadOutcome {
  const rounds = picker.map((cpu, i) => ({
    picker: { saturated: load(cpu), steady: steady(12) },
    echo: { saturated: load(echo[i] ?? 0), steady: steady(5) },
  }));
  const found = outcomeOf(name, rounds);
  if (found === undefined) throw new Error('no rounds');
  return found;
}

function run(more: Partial<Results>): Results {
  return { ...emptyResults({ transport: 'wire', isTls: false, isQuick: false }), ...more };
}

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'bench-'));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

test('the round with the least CPU stands for the row, and every round has its ratio', () => {
  const { saturated, ratios } = outcome('small', [0.03, 0.02], [0.1, 0.08]);
  expect(saturated.picker.cpuMsPerRequest).toBe(0.02);
  expect(saturated.echo.cpuMsPerRequest).toBe(0.08);
  expect(ratios).toEqual([0.3, 0.25]);
  expect(outcomeOf('small', [])).toBeUndefined();
});

test('a chunk costs what 99 more of them add', () => {
  const one = outcome('small', [0.1], [0.2]);
  const many = outcome('chunks', [0.595], [1.19]);
  const cost = chunkCost([one, many]);
  expect(cost?.cpuMs.picker).toBeCloseTo(0.005, 9);
  expect(cost?.cpuMs.echo).toBeCloseTo(0.01, 9);
  expect(cost?.ratios.map((ratio) => ratio.toFixed(3))).toEqual(['0.500']);
  expect(chunkCost([one])).toBeUndefined();
  expect([...ratioSpreads([one, many]).keys()]).toEqual(['small', 'chunks', 'each-chunk']);
});

test('tables name what misses its bar, and say what was not measured', () => {
  const page = markdown(
    run({
      load: [outcome('small', [0.03], [0.1]), outcome('large', [3], [2])],
      failures: [{ row: 'chat', message: 'picker: ended: out of memory\nat somewhere' }],
    }),
  );
  expect(page).toContain(
    '| 1 kB prompt, 1 chunk out, 32 in flight | 30 µs | 0.10 ms | 0.30 | 0.30 to 0.30 | 0.5 |',
  );
  expect(page).toContain('| 1.50 (missed) | 1.50 to 1.50 | 1.2 |');
  expect(page).toContain('| 12.0 ms (missed) / 5.00 ms |');
  expect(page.match(/missed/g)).toHaveLength(2);
  expect(page).toContain('Not measured: chat: picker: ended: out of memory.');
});

test('on grpc-js the bar is that of the transport', () => {
  const page = markdown(run({ transport: 'grpc-js', load: [outcome('small', [0.14], [0.1])] }));
  expect(page).toContain('| 1.40 | 1.40 to 1.40 | 1.5 |');
});

test('every table row has as many cells as its head', () => {
  const page = markdown(
    run({
      load: [outcome('small', [0.1], [0.2]), outcome('chunks', [0.5], [1])],
      idle: [{ endpoints: 100, cores: 0.06, pagesPerSecond: 100, residentBytes: 2e8 }],
      streams: {
        picker: {
          streams: 10,
          residentBytesPerStream: 7000,
          liveBytesPerStream: 5000,
          idleResidentBytes: 1e8,
        },
        echo: { streams: 10, residentBytesPerStream: 9000, liveBytesPerStream: 8000, idleResidentBytes: 1e8 },
      },
      memory: {
        picker: { peakBytes: 5e8, requestsPerSecond: 100, indexEntries: 1e6 },
        echo: { peakBytes: 2e8, requestsPerSecond: 100, indexEntries: 0 },
      },
    }),
  );
  const blocks = page.split('\n\n').filter((block) => block.startsWith('|'));
  expect(blocks).toHaveLength(3);
  for (const block of blocks) {
    const widths = block.split('\n').map((line) => line.split(' | ').length);
    expect(new Set(widths).size, block).toBe(1);
  }
  expect(page).toContain('0.060 (missed)');
  expect(page).toContain('| 7.0 kB | 9.0 kB | 8.0 kB |');
  expect(page).toContain('| 500 MB (missed) | 200 MB | 400 MB |');
});

test('the chart has a bar for each run and row, as long as its ratio, and marks where they may end', () => {
  const plain = run({ load: [outcome('small', [0.02], [0.1]), outcome('huge', [0.1], [0.1])] });
  const tls = run({ isTls: true, load: [outcome('small', [0.04], [0.1])] });
  const svg = chart([plain, tls]);
  const bars = Array.from(svg.matchAll(/<rect x="410" y="\d+" width="(\d+)"/g), (match) => Number(match[1]));
  expect(bars).toHaveLength(3);
  expect((bars[1] ?? 0) / (bars[0] ?? 1)).toBeCloseTo(2, 1);
  expect((bars[2] ?? 0) / (bars[0] ?? 1)).toBeCloseTo(5, 1);
  expect(svg.match(/stroke="#cf222e"/g)).toHaveLength(2); // legend, and the one row that has a bar
  expect(svg).toContain('picker, wire over TLS');
  expect(svg.match(/<(?!\/|[a-z]+[^>]*\/>)/g)?.length).toBe(svg.match(/<\//g)?.length);
});

test('results go between the markers of a page, and come again the same', () => {
  const page = 'before\n\n<!-- results -->\n\nold\n\n<!-- /results -->\n\nafter\n';
  const written = withResults(page, pageSection([run({})], 'chart.svg'));
  expect(written).toMatch(
    /^before\n\n<!-- results -->\n\n!\[[^\]]+\]\(chart\.svg\)\n\n### wire\n\nMachine: /,
  );
  expect(written).toMatch(/\n\n<!-- \/results -->\n\nafter\n$/);
  expect(written).not.toContain('old');
  expect(withResults(written, pageSection([run({})], 'chart.svg'))).toBe(written);
  expect(() => withResults('nothing', 'x')).toThrow(/no place for results/);
});

test('results are read back as they were written, other files are refused', () => {
  const file = join(folder(), 'run.json');
  const written = run({ load: [outcome('small', [0.02], [0.1])] });
  writeFileSync(file, JSON.stringify(written));
  expect(markdown(readResults(file))).toBe(markdown(written));
  writeFileSync(file, '{"format":1}');
  expect(() => readResults(file)).toThrow(/not results of this benchmark/);
});

test('a baseline takes what was measured and keeps the rest', () => {
  const file = join(folder(), 'baseline.json');
  expect(readBaseline(file)).toBeUndefined();
  const measured = (row: string, value: number) => ({
    machine: 'm',
    versions: 'v',
    spreads: new Map([[row, spreadOf([value, value, value])]]),
  });
  let baseline = updated(undefined, 'wire', measured('small', 0.3));
  baseline = updated(baseline, 'wire', measured('chunks', 0.123_456));
  baseline = updated(baseline, 'grpc-js', measured('small', 1.2));
  baseline = updated(baseline, 'wire', measured('small', 0.2));
  writeBaseline(file, baseline);
  const read = readBaseline(file);
  expect([...ratiosOf(read, 'wire')].map(([row, { median }]) => [row, median])).toEqual([
    ['small', 0.2],
    ['chunks', 0.1235],
  ]);
  expect(ratiosOf(read, 'grpc-js').get('small')?.median).toBe(1.2);
  expect(ratiosOf(read, 'wire over TLS').size).toBe(0);
  writeFileSync(file, '[]');
  expect(() => readBaseline(file)).toThrow(/not a baseline/);
});
