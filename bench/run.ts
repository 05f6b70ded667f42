import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { describeOptions, parseOptions, UsageError } from '../src/util/command-options.ts';
import { type Effort, type LoadResult, measureEcho, measurePicker, measurePool } from './measure.ts';
import { complaint, machine, markdown, type Results } from './render.ts';
import { LOAD_ROWS, POOL_ROW } from './rows.ts';

const NAMES = [...LOAD_ROWS.map((row) => row.name), POOL_ROW];

const OPTIONS = {
  row: {
    type: 'list',
    default: [],
    value: 'NAME',
    doc: `Rows to measure: ${NAMES.join(', ')}; all by default.`,
  },
  quick: { type: 'boolean', default: false, doc: 'A few seconds a row: a first impression, not a result.' },
  json: { type: 'string', default: '', value: 'FILE', doc: 'Also write everything measured there.' },
  config: { type: 'string', default: '', value: 'FILE', doc: 'Configuration of the picker.' },
  write: { type: 'boolean', default: false, doc: 'Put the tables into docs/performance.md.' },
  help: { type: 'boolean', default: false, doc: 'Show this text.' },
} as const;

const FULL = { durationS: 6, warmUp: 1.5, rounds: 3 } as const;
const QUICK = { durationS: 3, warmUp: 0.75, rounds: 1 } as const;

const PAGE = fileURLToPath(new URL('../docs/performance.md', import.meta.url));
const RESULTS_START = '<!-- results -->';
const RESULTS_END = '<!-- /results -->';

async function measure(names: readonly string[], effort: Effort): Promise<Results> {
  const rows: Results['rows'][number][] = [];
  for (const row of LOAD_ROWS) {
    if (!names.includes(row.name)) continue;
    const echoes: LoadResult[] = [];
    const pickers: LoadResult[] = [];
    for (let round = 1; round <= effort.rounds; round += 1) {
      progress(`${row.name}, round ${round} of ${effort.rounds}: echo`);
      echoes.push(checked(`${row.name}, echo`, await measureEcho(row, effort)));
      progress(`${row.name}, round ${round} of ${effort.rounds}: picker`);
      pickers.push(checked(`${row.name}, picker`, await measurePicker(row, effort)));
    }
    const echo = leastDisturbed(echoes);
    const picker = leastDisturbed(pickers);
    if (echo !== undefined && picker !== undefined) rows.push({ row, echo, picker });
  }
  if (!names.includes(POOL_ROW)) return { rows, pool: undefined };
  progress(POOL_ROW);
  return { rows, pool: await measurePool(effort) };
}

function checked(what: string, result: LoadResult): LoadResult {
  const found = complaint(what, result);
  if (found !== undefined) process.stderr.write(`${found}\n`);
  return result;
}

/** Other work on the machine only ever adds CPU time to a request: the least is nearest to the truth. */
function leastDisturbed(results: readonly LoadResult[]): LoadResult | undefined {
  return results.toSorted((a, b) => a.cpuMsPerRequest - b.cpuMsPerRequest)[0];
}

/** What is being measured, on one line of a terminal; nothing elsewhere. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

function writePage(tables: string): void {
  const page = readFileSync(PAGE, 'utf8');
  const start = page.indexOf(RESULTS_START) + RESULTS_START.length;
  const end = page.indexOf(RESULTS_END);
  if (start < RESULTS_START.length || end < start) throw new Error(`${PAGE}: no place for results`);
  writeFileSync(PAGE, `${page.slice(0, start)}\n\n${tables}\n\n${page.slice(end)}`);
}

async function main(argv: readonly string[]): Promise<void> {
  const options = parseOptions(OPTIONS, argv);
  if (options.help) {
    process.stdout.write(
      'npm run bench -- [options]: CPU and latency of the picker beside an echo server\n\n',
    );
    process.stdout.write(describeOptions(OPTIONS));
    return;
  }
  const unknown = options.row.filter((name) => !NAMES.includes(name));
  if (unknown.length > 0) throw new UsageError(`--row: got ${unknown.join()}, want ${NAMES.join(', ')}`);
  const pickerArgs = options.config === '' ? [] : [`--config-file=${options.config}`];
  const effort: Effort = { ...(options.quick ? QUICK : FULL), pickerArgs };
  const results = await measure(options.row.length > 0 ? options.row : NAMES, effort);
  progress('');
  const tables = markdown(results);
  process.stdout.write(`${tables}\n`);
  if (options.json !== '') {
    writeFileSync(options.json, `${JSON.stringify({ machine: machine(), ...results }, null, 2)}\n`);
  }
  if (options.write) writePage(tables);
}

try {
  process.chdir(fileURLToPath(new URL('..', import.meta.url)));
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
