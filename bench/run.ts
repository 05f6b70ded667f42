import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { describeOptions, parseOptions } from '../src/util/command-options.ts';
import { chart } from './chart.ts';
import type { Effort } from './measure.ts';
import { withResults } from './page.ts';
import { runProgram } from './program.ts';
import { markdown, pageSection } from './render.ts';
import { type Results, readResults } from './results.ts';
import { ROW_NAMES, Session } from './session.ts';
import { rowsOf, SETUP_OPTIONS, setupOf } from './setup-options.ts';

const OPTIONS = {
  ...SETUP_OPTIONS,
  quick: { type: 'boolean', default: false, doc: 'Seconds a row: a first impression, not a result.' },
  json: { type: 'string', default: '', value: 'FILE', doc: 'Also write everything measured there.' },
  render: {
    type: 'list',
    default: [],
    value: 'FILE',
    doc: 'Measure nothing: show what --json wrote before. Several files stand side by side in the chart.',
  },
  write: {
    type: 'boolean',
    default: false,
    doc: 'Put tables and chart into docs/performance.md and docs/images/performance.svg.',
  },
  help: { type: 'boolean', default: false, doc: 'Show this text.' },
} as const;

const FULL: Effort = { durationS: 4, steadyS: 4, warmUp: 1, rounds: 3 };
const QUICK: Effort = { durationS: 1.2, steadyS: 1.2, warmUp: 0.4, rounds: 1 };

const PAGE = 'docs/performance.md';
const CHART = 'docs/images/performance.svg';
/** As the page names it. */
const CHART_LINK = 'images/performance.svg';

function show(runs: readonly Results[], isWritten: boolean): void {
  for (const run of runs) process.stdout.write(`${markdown(run)}\n`);
  if (!isWritten) return;
  writeFileSync(PAGE, withResults(readFileSync(PAGE, 'utf8'), pageSection(runs, CHART_LINK)));
  writeFileSync(CHART, chart(runs));
}

async function main(argv: readonly string[]): Promise<void> {
  const options = parseOptions(OPTIONS, argv);
  if (options.help) {
    process.stdout.write(
      'npm run bench -- [options]: CPU, latency and memory of the picker beside an echo server\n\n',
    );
    process.stdout.write(describeOptions(OPTIONS));
    return;
  }
  if (options.render.length > 0) {
    show(options.render.map(readResults), options.write);
    return;
  }
  const session = new Session({
    setup: setupOf(options),
    effort: options.quick ? QUICK : FULL,
    isQuick: options.quick,
    rows: rowsOf(options.row, ROW_NAMES),
  });
  const results = await session.run();
  if (options.json !== '') writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);
  show([results], options.write);
  if (results.failures.length > 0) process.exitCode = 1;
}

await runProgram(main);
