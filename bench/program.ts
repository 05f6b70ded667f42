import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { UsageError } from '../src/util/command-options.ts';

/**
 * Runs `main` with the arguments of this process, in the root of the repository, wherever it was started. A wrong
 * argument is a line on stderr and exit code 2; any other error is thrown.
 */
export async function runProgram(main: (argv: readonly string[]) => Promise<void>): Promise<void> {
  try {
    process.chdir(fileURLToPath(new URL('..', import.meta.url)));
    await main(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 2;
  }
}
