import { readFileSync } from 'node:fs';
import { buildPipeline } from '../config/build.ts';
import { effectiveConfiguration } from '../config/effective.ts';
import { loadConfiguration } from '../config/load.ts';
import { type Problem, problemText } from '../config/problems.ts';
import type { Instruments } from '../framework/instruments.ts';
import type { Log } from '../framework/log.ts';
import type { AnyPluginDefinition } from '../framework/plugin.ts';
import { CATALOGUE } from '../plugins/catalogue.ts';
import type { Clock } from '../util/clock.ts';
import type { CommandIo } from '../util/command-io.ts';
import { SeededRng } from '../util/rng.ts';

const USAGE = `epp validate FILE [--allow-experimental-plugins] [--quiet]

Checks a configuration as the start of the picker does, and prints every problem as

  FILE:LINE:COLUMN: error|warning [code] what is wrong

and then the configuration that would be in effect, with everything that was added to it marked.
FILE may be - for standard input. Exit status: 0 valid (perhaps with warnings), 1 errors, 2 usage.

  --allow-experimental-plugins   allow plugins whose stability is alpha
  --quiet                        problems only
`;

const RED = '\u001B[31m';
const YELLOW = '\u001B[33m';
const RESET = '\u001B[0m';

/** What the arguments ask for. */
interface Request {
  readonly file: string;
  readonly allowExperimental: boolean;
  readonly isQuiet: boolean;
}

/** `epp validate FILE`; returns the exit status. `catalogue` is the built-in one except in tests. */
export function validateCommand(
  argv: readonly string[],
  io: Pick<CommandIo, 'out' | 'err' | 'isTerminal'>,
  catalogue: readonly AnyPluginDefinition[] = CATALOGUE,
): number {
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
  const loaded = loadConfiguration(text, { catalogue, allowExperimental: request.allowExperimental });
  const built =
    loaded.document === undefined
      ? undefined
      : buildPipeline(loaded.document, (name, type) => ({ ...INERT_CONTEXT, name, type }));
  const problems = [...loaded.problems, ...(built?.problems ?? [])];
  for (const problem of problems) io.out(`${line(request.file, problem, io.isTerminal)}\n`);
  if (loaded.document === undefined || built?.pipeline === undefined) return 1;
  if (!request.isQuiet) io.out(effectiveConfiguration(loaded.document));
  return 0;
}

/** The request, or what is wrong with the arguments. */
function requestOf(argv: readonly string[]): Request | string {
  let file = '';
  let allowExperimental = false;
  let isQuiet = false;
  for (const argument of argv) {
    if (argument === '--allow-experimental-plugins' || argument === '--allow-experimental-plugins=true') {
      allowExperimental = true;
    } else if (argument === '--allow-experimental-plugins=false') {
      allowExperimental = false;
    } else if (argument === '--quiet') {
      isQuiet = true;
    } else if (argument.startsWith('-') && argument !== '-') {
      return `unknown flag ${argument}`;
    } else if (file !== '') {
      return `got the files ${file} and ${argument}, want one`;
    } else {
      file = argument;
    }
  }
  return file === '' ? 'want a file' : { file, allowExperimental, isQuiet };
}

function line(file: string, problem: Problem, isTerminal: boolean): string {
  const text = `${file}:${problemText(problem)}`;
  if (!isTerminal) return text;
  return `${problem.severity === 'error' ? RED : YELLOW}${text}${RESET}`;
}

const nothing = (): void => {};

/** Time stands still: a plugin that is only constructed must not begin to work. */
const STOPPED_CLOCK: Clock = { nowMs: () => 0, wallMs: () => 0, after: () => nothing, every: () => nothing };

const SILENT_LOG: Log = {
  error: nothing,
  warn: nothing,
  info: nothing,
  debug: nothing,
  trace: nothing,
  isLevelEnabled: () => false,
};

const UNREAD_INSTRUMENTS: Instruments = {
  counter: () => ({ value: 0 }),
  histogram: () => ({ observe: nothing }),
  gauge: () => nothing,
};

/** Enough to construct a plugin and see whether it accepts its parameters. */
const INERT_CONTEXT = {
  clock: STOPPED_CLOCK,
  rng: new SeededRng(1),
  log: SILENT_LOG,
  instruments: UNREAD_INSTRUMENTS,
  endpoints: () => [],
  pools: 1,
  signal: AbortSignal.abort(),
  environment: {},
};
