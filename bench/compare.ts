import process from 'node:process';
import { describeOptions, parseOptions, UsageError } from '../src/util/command-options.ts';
import { ratiosOf, readBaseline, updated, writeBaseline } from './baseline.ts';
import { judge, noiseOf, type Verdict } from './judgement.ts';
import type { Effort } from './measure.ts';
import { runProgram } from './program.ts';
import { ratioSpreads, runTitle } from './results.ts';
import { LOAD_ROWS } from './rows.ts';
import { Session } from './session.ts';
import { rowsOf, SETUP_OPTIONS, setupOf } from './setup-options.ts';
import type { Spread } from './spread.ts';

const ROWS = LOAD_ROWS.map((row) => row.name);

const OPTIONS = {
  ...SETUP_OPTIONS,
  row: { ...SETUP_OPTIONS.row, doc: `Rows to compare: ${ROWS.join(', ')}; all by default.` },
  baseline: {
    type: 'string',
    default: 'bench/baseline.json',
    value: 'FILE',
    doc: 'Ratios to compare with.',
  },
  rounds: {
    type: 'integer',
    default: 5,
    min: 3,
    doc: 'Times that each row is measured: they tell its noise.',
  },
  update: { type: 'boolean', default: false, doc: 'Write what was measured into the baseline.' },
  help: { type: 'boolean', default: false, doc: 'Show this text.' },
} as const;

const EFFORT: Omit<Effort, 'rounds'> = { durationS: 3, steadyS: 0, warmUp: 0.6 };

interface Comparison {
  readonly row: string;
  readonly baseline: Spread | undefined;
  readonly measured: Spread;
  readonly verdict: Verdict;
}

function lineOf({ row, baseline, measured, verdict }: Comparison): string {
  const cells = [
    row.padEnd(14),
    baseline === undefined ? '' : range(baseline),
    range(measured),
    baseline === undefined ? '' : `± ${noiseOf(baseline, measured).toFixed(3)}`,
    verdict,
  ];
  return cells.map((cell, i) => cell.padEnd(i === 3 ? 9 : 24 * Math.sign(i))).join(' ');
}

function range({ min, median, max }: Spread): string {
  return `${median.toFixed(3)} (${min.toFixed(3)} to ${max.toFixed(3)})`;
}

async function main(argv: readonly string[]): Promise<void> {
  const options = parseOptions(OPTIONS, argv);
  if (options.help) {
    process.stdout.write(
      'npm run bench:compare -- [options]: CPU of the picker over the echo server against a baseline;\n' +
        'fails with status 1 when a row is slower beyond measured noise or cannot be measured\n\n',
    );
    process.stdout.write(describeOptions(OPTIONS));
    return;
  }
  const setup = setupOf(options);
  const effort = { ...EFFORT, rounds: options.rounds };
  const rows = rowsOf(options.row, ROWS);
  const baseline = readBaseline(options.baseline);
  if (baseline === undefined && !options.update) {
    throw new UsageError(`--baseline: ${options.baseline} does not exist; --update makes it`);
  }
  const results = await new Session({ setup, effort, isQuick: false, rows }).run();
  const run = runTitle(results);
  const known = ratiosOf(baseline, run);
  const spreads = ratioSpreads(results.load);
  const comparisons = Array.from(spreads, ([row, measured]): Comparison => {
    const before = known.get(row);
    return { row, baseline: before, measured, verdict: judge(before, measured) };
  });
  process.stdout.write(`${run}, CPU of picker / echo: baseline, measured, noise\n`);
  for (const comparison of comparisons) process.stdout.write(`${lineOf(comparison)}\n`);
  if (baseline !== undefined && baseline.machine !== results.machine) {
    process.stdout.write(`The baseline is of another machine: ${baseline.machine}\n`);
  }
  if (options.update) writeBaseline(options.baseline, updated(baseline, run, { ...results, spreads }));
  const hasFailed = results.failures.length > 0;
  if (hasFailed || (!options.update && comparisons.some(({ verdict }) => verdict === 'slower'))) {
    process.exitCode = 1;
  }
}

await runProgram(main);
