import { once } from 'node:events';
import type { CommandIo } from '../util/command-io.ts';
import { describeOptions, parseOptions, UsageError } from '../util/command-options.ts';
import { checkSimOptions, SIM_OPTIONS, type SimOptions } from './options.ts';
import { startSimulator } from './simulator.ts';

const HELP = `Usage: epp sim [options]

Starts simulated model servers: OpenAI API, vLLM's /metrics, a prefix cache, batching; no GPU, no weights.
Any server can prefill, encode and decode for others; --sidecar obeys the routing headers of a picker.
Serves until it is told to stop. Switches for tests are under /sim/: state, reset, fault.

Options:
${describeOptions(SIM_OPTIONS)}`;

/** `epp sim`: resolves with the exit code after `io.signal` aborts, 2 for a bad command line, 1 when a port is taken. */
export async function simCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  if (argv.includes('--help')) {
    io.out(HELP);
    return 0;
  }
  let options: SimOptions;
  try {
    options = parseOptions(SIM_OPTIONS, argv);
    checkSimOptions(options);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.err(`epp sim: ${error.message}\nTry: epp sim --help\n`);
    return 2;
  }
  try {
    await using simulator = await startSimulator(options, io.clock);
    for (const address of simulator.addresses) io.out(`model server on http://${address}\n`);
    if (!io.signal.aborted) await once(io.signal, 'abort');
    return 0;
  } catch (error) {
    io.err(`epp sim: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}
