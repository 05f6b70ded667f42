import { cipherList, tlsVersion } from '../../extproc/tls-names.ts';
import { hostPort, parseHostPort } from '../../framework/endpoint.ts';
import { ConfigurationError } from '../../framework/errors.ts';
import { parseDuration, parseQuantity } from '../../framework/schema.ts';

/** Where a model server listens. */
export interface EndpointAddress {
  /** IP address or host name, IPv6 without brackets. */
  readonly host: string;
  /** 1..65535. */
  readonly port: number;
}

/** What each kind of flag becomes. Durations in milliseconds, sizes in bytes. */
export interface FlagValues {
  text: string;
  boolean: boolean;
  /** Undefined when not given. */
  'maybe-boolean': boolean | undefined;
  int: number;
  port: number;
  duration: number;
  size: number;
  list: readonly string[];
  ports: readonly number[];
  endpoints: readonly EndpointAddress[];
  choice: string;
  /** Go's name, '' when not given. */
  'tls-version': string;
  /** Go's names. */
  ciphers: readonly string[];
}

/** What a value may be, besides its kind. */
export interface Bounds {
  readonly choices?: readonly string[];
  readonly min?: number;
  readonly max?: number;
}

/** A flag value that cannot be used; the message says what was wanted. */
export class FlagValueError extends Error {
  override readonly name = 'FlagValueError';
}

const MAX_PORT = 65_535;
const TRUE: ReadonlySet<string> = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE: ReadonlySet<string> = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

/** Kinds whose flag may be repeated; each use adds. */
export function isRepeatable(kind: keyof FlagValues): boolean {
  return kind === 'list' || kind === 'ports' || kind === 'endpoints' || kind === 'ciphers';
}

/** Kinds that need no value on the command line. */
export function isSwitch(kind: keyof FlagValues): boolean {
  return kind === 'boolean' || kind === 'maybe-boolean';
}

/**
 * The value of a flag from what was given, in order. Scalars take the last; lists take all, each split at commas.
 * Throws `FlagValueError`.
 */
export function parseValue(
  kind: keyof FlagValues,
  given: readonly string[],
  bounds: Bounds,
): FlagValues[keyof FlagValues] {
  const text = given.at(-1) ?? '';
  switch (kind) {
    case 'text':
      return text;
    case 'boolean':
    case 'maybe-boolean':
      return booleanValue(text);
    case 'int':
      return intValue(text, bounds);
    case 'port':
      return intValue(text, { min: 1, max: MAX_PORT });
    case 'duration':
      return durationValue(text, bounds);
    case 'size':
      return sizeValue(text, bounds);
    case 'list':
      return items(given);
    case 'ports':
      return [...new Set(items(given).map((item) => intValue(item, { min: 1, max: MAX_PORT })))];
    case 'endpoints':
      return endpointsValue(given);
    case 'choice':
      if (bounds.choices?.includes(text) !== true) {
        const named = (bounds.choices ?? []).filter((choice) => choice !== '');
        throw new FlagValueError(`want one of ${named.join(', ')}`);
      }
      return text;
    case 'tls-version':
      return checked(text, tlsVersion);
    case 'ciphers':
      return checked(items(given), cipherList);
    default:
      return kind satisfies never;
  }
}

function items(given: readonly string[]): readonly string[] {
  return given
    .flatMap((text) => text.split(','))
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function booleanValue(text: string): boolean {
  if (TRUE.has(text)) return true;
  if (FALSE.has(text)) return false;
  throw new FlagValueError('want true or false');
}

/** As Go reads it: decimal, `0x`, `0o`, `0b`, or octal after a leading zero. */
function intValue(text: string, { min, max }: Bounds): number {
  const digits = text.replace(/^[+-]/, '');
  const isNumber = /^(?:\d+|0[xX][\da-fA-F]+|0[oO]?[0-7]+|0[bB][01]+)$/.test(digits);
  const magnitude = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  const value = text.startsWith('-') ? -magnitude : magnitude;
  const low = min ?? Number.MIN_SAFE_INTEGER;
  const high = max ?? Number.MAX_SAFE_INTEGER;
  if (isNumber && value >= low && value <= high) return value;
  throw new FlagValueError(
    max !== undefined
      ? `want a whole number from ${low} to ${high}`
      : `want a whole number${min === undefined ? '' : ` of at least ${min}`}`,
  );
}

function durationValue(text: string, { min = Number.NEGATIVE_INFINITY }: Bounds): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new FlagValueError('want a duration such as 300ms or 1m30s');
  if (ms < min) throw new FlagValueError(min === 1 ? 'want a duration above 0' : `want at least ${min}ms`);
  return ms;
}

/** A quantity; a trailing `B` is dropped, as in `10MiB`. */
function sizeValue(text: string, { min = 0 }: Bounds): number {
  const bytes = parseQuantity(text.replace(/[Bb]$/, ''));
  if (bytes === undefined) throw new FlagValueError('want a size such as 10485760, 25MB or 10MiB');
  if (bytes < min)
    throw new FlagValueError(min === 0 ? 'must be non-negative' : `want at least ${min} bytes`);
  if (!Number.isSafeInteger(bytes)) throw new FlagValueError('overflows the largest supported size');
  return bytes;
}

function endpointsValue(given: readonly string[]): readonly EndpointAddress[] {
  const byText = new Map<string, EndpointAddress>();
  for (const item of items(given)) {
    const address = parseHostPort(item);
    if (address === undefined) {
      throw new FlagValueError(`"${item}" is no host:port (IPv6 in brackets, port 1 to ${MAX_PORT})`);
    }
    byText.set(hostPort(address.host, address.port), address);
  }
  return [...byText.values()];
}

/** `use` throws for a name that is not known. */
function checked<T>(value: T, use: (value: T) => unknown): T {
  try {
    use(value);
    return value;
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    throw new FlagValueError(error.message.replace(/^invalid [a-z-]+( "[^"]*")?: /, ''));
  }
}
