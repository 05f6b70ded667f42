import { once } from 'node:events';
import type { CommandIo } from '../util/command-io.ts';
import { describeOptions, parseOptions, UsageError } from '../util/command-options.ts';
import { startGateway } from './gateway.ts';
import { GATEWAY_OPTIONS, type GatewayOptions } from './options.ts';

const HELP = `Usage: epp gateway --epp host:port [options]

An HTTP proxy that asks a picker as Envoy does: real ext-proc over gRPC, full duplex. It stands in for Envoy on
laptops and in tests and is not meant for production. Without --epp it goes round the endpoints.

Options:
${describeOptions(GATEWAY_OPTIONS)}`;

/** `epp gateway`: resolves with the exit code after `io.signal` aborts, 2 for a bad command line, 1 when it cannot listen. */
export async function gatewayCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  if (argv.includes('--help')) {
    io.out(HELP);
    return 0;
  }
  let options: GatewayOptions;
  try {
    options = parseOptions(GATEWAY_OPTIONS, argv);
    if (options.epp === '' && options.endpoints.length === 0) {
      throw new UsageError('--epp or --endpoints must be given');
    }
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.err(`epp gateway: ${error.message}\nTry: epp gateway --help\n`);
    return 2;
  }
  try {
    await using gateway = await startGateway(options, io.clock);
    io.out('dev gateway: a stand-in for Envoy, for laptops and tests only\n');
    io.out(`gateway on http://${gateway.address}\n`);
    if (!io.signal.aborted) await once(io.signal, 'abort');
    return 0;
  } catch (error) {
    io.err(`epp gateway: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}
