import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scaffold } from '../own-plugins/scaffold/files.ts';
import { TEMPLATES } from '../own-plugins/scaffold/templates.ts';
import { CATALOGUE } from '../plugins/catalogue.ts';
import type { CommandIo } from '../util/command-io.ts';
import { describeOptions, type OptionTable, parseOptions, UsageError } from '../util/command-options.ts';

const OPTIONS = {
  dir: { type: 'string', value: 'DIR', default: '.', doc: 'Folder that is there.' },
} as const satisfies OptionTable;

const USAGE = `Usage: epp new-plugin KIND NAME [options]

Writes NAME.ts, a plugin of type NAME that works, and NAME.test.ts, which runs by node --test; prints the lines that a
configuration needs. Writes nothing over a file that is there.

Kinds:
${[...TEMPLATES].map(([kind, { summary }]) => `  ${kind.padEnd(18)}${summary}\n`).join('')}
Options:
${describeOptions(OPTIONS)}`;

/** As types of plugins are written; with a hyphen, so that it is no word of the language. */
const NAME = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)+$/;

/** `epp new-plugin KIND NAME`; returns the exit status. */
export function newPluginCommand(argv: readonly string[], io: Pick<CommandIo, 'out' | 'err'>): number {
  if (argv.includes('--help') || argv.includes('-h')) {
    io.out(USAGE);
    return 0;
  }
  try {
    return create(argv, io);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.err(`epp new-plugin: ${error.message}\n`);
    return 2;
  }
}

function create(argv: readonly string[], io: Pick<CommandIo, 'out' | 'err'>): number {
  const [kind = '', name = ''] = argv;
  const { dir } = parseOptions(OPTIONS, argv.slice(2));
  const template = TEMPLATES.get(kind);
  if (template === undefined) {
    throw new UsageError(`got kind ${JSON.stringify(kind)}, want one of ${[...TEMPLATES.keys()].join(', ')}`);
  }
  if (!NAME.test(name)) {
    throw new UsageError(
      `got name ${JSON.stringify(name)}, want lower case with hyphens, such as my-${kind}`,
    );
  }
  const isTaken = CATALOGUE.some((one) => one.type === name || one.aliases?.includes(name));
  if (isTaken) throw new UsageError(`a built-in plugin has the type ${name}`);
  const resolver = new URL(`../own-plugins/register${EXTENSION}`, import.meta.url).href;
  const { files, yaml } = scaffold(name, template, resolver);
  const paths = new Map([...files].map(([file, text]) => [join(dir, file), text]));
  const present = [...paths.keys()].filter((path) => existsSync(path));
  if (present.length > 0) {
    io.err(`epp new-plugin: ${present.join(' and ')} is there, nothing was written\n`);
    return 1;
  }
  for (const [path, text] of paths) {
    try {
      writeFileSync(path, text, { flag: 'wx' });
    } catch (error) {
      io.err(
        `epp new-plugin: cannot write ${path}: ${error instanceof Error ? error.message : String(error)}\n`,
      );
      return 1;
    }
    io.out(`wrote ${path}\n`);
  }
  io.out(
    `\nTry it:        node --test ${shellWord(join(dir, `${name}.test.ts`))}\nIn the configuration:\n\n${yaml}`,
  );
  return 0;
}

/** `text` as a shell takes it for one word. */
function shellWord(text: string): string {
  return /^[\w./:@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** `.ts` from source, `.js` when compiled. */
const EXTENSION = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
