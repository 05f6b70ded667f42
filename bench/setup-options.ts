import { FLAGS } from '../src/cli/flags/table.ts';
import { type OptionTable, UsageError } from '../src/util/command-options.ts';
import type { Setup } from './servers.ts';
import { ROW_NAMES } from './session.ts';

const TRANSPORT = FLAGS.find((flag) => flag.name === 'transport');
const TRANSPORTS: readonly string[] =
  TRANSPORT !== undefined && 'choices' in TRANSPORT ? TRANSPORT.choices : [];

/** Options that say what is measured; shared by the programs of this folder. */
export const SETUP_OPTIONS = {
  row: {
    type: 'list',
    default: [],
    value: 'NAME',
    doc: `Rows to measure: ${ROW_NAMES.join(', ')}; all by default.`,
  },
  transport: {
    type: 'string',
    default: String(TRANSPORT?.default ?? ''),
    value: 'NAME',
    doc: `Transport of the picker: ${TRANSPORTS.join(', ')}; the echo server is always on grpc-js.`,
  },
  tls: { type: 'boolean', default: false, doc: 'Measure through TLS: picker, echo server and client.' },
  config: { type: 'string', default: '', value: 'FILE', doc: 'Configuration of the picker.' },
} as const satisfies OptionTable;

/** The servers that the options ask for; throws `UsageError` for what does not exist. */
export function setupOf(options: {
  readonly transport: string;
  readonly tls: boolean;
  readonly config: string;
}): Setup {
  if (!TRANSPORTS.includes(options.transport)) {
    throw new UsageError(`--transport: got ${options.transport}, want ${TRANSPORTS.join(' or ')}`);
  }
  return {
    transport: options.transport,
    isTls: options.tls,
    pickerArgs: options.config === '' ? [] : [`--config-file=${options.config}`],
  };
}

/** The rows asked for, all of `known` when none; throws `UsageError` for an unknown one. */
export function rowsOf(asked: readonly string[], known: readonly string[]): readonly string[] {
  const unknown = asked.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new UsageError(`--row: got ${unknown.join()}, want ${known.join(', ')}`);
  return asked.length > 0 ? asked : known;
}
