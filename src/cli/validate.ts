import { readFileSync } from 'node:fs';
import { effectiveConfiguration } from '../config/effective.ts';
import { type Problem, problemText } from '../config/problems.ts';
import type { AnyPluginDefinition } from '../framework/plugin.ts';
import { CATALOGUE } from '../plugins/catalogue.ts';
import type { CommandIo } from '../util/command-io.ts';
import { describeOptions, type OptionTable, parseOptions, UsageError } from '../util/command-options.ts';
import { runContract } from './run-contract.ts';
import { checkConfig, checkPoolFiles } from './validate-pools.ts';

const OPTIONS = {
  'allow-experimental-plugins': {
    type: 'boolean',
    default: false,
    doc: 'Allow plugins whose stability is alpha.',
  },
  quiet: { type: 'boolean', default: false, doc: 'Problems only.' },
  'run-contract': {
    type: 'boolean',
    default: false,
    doc: 'Try every plugin that comes from a module against the contracts of its kinds; status 1 when it breaks one.',
  },
  seed: { type: 'integer', default: 1, doc: 'The contract is tried with other endpoints and requests.' },
  runs: {
    type: 'integer',
    default: 100,
    min: 1,
    max: 100_000,
    doc: 'Situations for each property of a contract.',
  },
} as const satisfies OptionTable;

const USAGE = `Usage: epp validate FILE [options]

Checks a configuration as the start of the picker does, and prints every problem as

  FILE:LINE:COLUMN: error|warning [code] what is wrong

and then the configuration that would be in effect, with everything that was added to it marked.
Files that its pools name are checked, too; their paths are seen from the working directory.
FILE may be - for standard input. Exit status: 0 valid (perhaps with warnings), 1 errors, 2 usage.

${describeOptions(OPTIONS)}`;

const RED = '\u001B[31m';
const YELLOW = '\u001B[33m';
const RESET = '\u001B[0m';

/** What the arguments ask for. */
interface Request {
  readonly file: string;
  readonly allowExperimental: boolean;
  readonly isQuiet: boolean;
  readonly runsContract: boolean;
  readonly seed: number;
  readonly runs: number;
}

/** `epp validate FILE`; returns the exit status. `catalogue` is the built-in one except in tests. */
export async function validateCommand(
  argv: readonly string[],
  io: Pick<CommandIo, 'out' | 'err' | 'isTerminal' | 'clock'>,
  catalogue: readonly AnyPluginDefinition[] = CATALOGUE,
): Promise<number> {
  if (argv.includes('--help') || argv.includes('-h')) {
    io.out(USAGE);
    return 0;
  }
  const request = requestOf(argv);
  if (typeof request === 'string') {
    io.err(`epp validate: ${request}\n\n${USAGE}`);
    return 2;
  }
  let text: string;
  try {
    text = readFileSync(request.file === '-' ? 0 : request.file, 'utf8');
  } catch (error) {
    io.err(
      `epp validate: cannot read ${request.file}: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    return 2;
  }
  const { file } = request;
  const source = { text, file: file === '-' ? '' : file };
  const options = { catalogue, allowExperimental: request.allowExperimental };
  const { config, problems } = await checkConfig(source, options);
  const pools = await checkPoolFiles(source, options);
  print(file, [...problems, ...pools.problems], io);
  for (const one of pools.files) print(one.file, one.problems, io);
  const areAllValid = pools.problems.length === 0 && pools.files.every((one) => one.config !== undefined);
  if (config === undefined || !areAllValid) return 1;
  if (!request.isQuiet) io.out(effectiveConfiguration(config));
  if (!request.runsContract) return 0;
  const { seed, runs } = request;
  const report = await runContract({ config, clock: io.clock, seed, runs });
  io.out(report.text);
  return report.isKept ? 0 : 1;
}

/** The request, or what is wrong with the arguments. */
function requestOf(argv: readonly string[]): Request | string {
  const files: string[] = [];
  const flags: string[] = [];
  for (const [i, argument] of argv.entries()) {
    const isValue = /^--(?:seed|runs)$/.test(argv[i - 1] ?? '');
    if (isValue || (argument.startsWith('-') && argument !== '-')) flags.push(argument);
    else files.push(argument);
  }
  const [file, other] = files;
  try {
    const options = parseOptions(OPTIONS, flags);
    if (file === undefined) return 'want a file';
    if (other !== undefined) return `got the files ${file} and ${other}, want one`;
    const {
      allowExperimentalPlugins: allowExperimental,
      quiet: isQuiet,
      runContract: runsContract,
    } = options;
    return { file, allowExperimental, isQuiet, runsContract, seed: options.seed, runs: options.runs };
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
}

function print(
  file: string,
  problems: readonly Problem[],
  { out, isTerminal }: Pick<CommandIo, 'out' | 'isTerminal'>,
): void {
  for (const problem of problems) out(`${line(file, problem, isTerminal)}\n`);
}

function line(file: string, problem: Problem, isTerminal: boolean): string {
  const text = `${file}:${problemText(problem)}`;
  if (!isTerminal) return text;
  return `${problem.severity === 'error' ? RED : YELLOW}${text}${RESET}`;
}
