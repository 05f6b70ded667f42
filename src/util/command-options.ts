/** One option of a command: `--name value`, `--name=value`; booleans also bare `--name`. */
export type OptionSpec = {
  readonly doc: string;
  /** What stands for the value in the help text. */
  readonly value?: string;
} & (
  | { readonly type: 'string'; readonly default: string }
  | { readonly type: 'boolean'; readonly default: boolean }
  | {
      readonly type: 'integer' | 'number';
      readonly default: number;
      readonly min?: number;
      readonly max?: number;
    }
  /** Repeatable and comma separated. */
  | { readonly type: 'list'; readonly default: readonly string[] }
);

/** Options of a command by name in kebab case, in the order of the help text. */
export type OptionTable = Readonly<Record<string, OptionSpec>>;

type Camel<S extends string> = S extends `${infer Head}-${infer Rest}`
  ? `${Head}${Capitalize<Camel<Rest>>}`
  : S;

type ValueOf<S extends OptionSpec> = S['type'] extends 'string'
  ? string
  : S['type'] extends 'boolean'
    ? boolean
    : S['type'] extends 'list'
      ? readonly string[]
      : number;

/** Values of all options, keys in camel case. */
export type OptionValues<T extends OptionTable> = {
  readonly [K in keyof T & string as Camel<K>]: ValueOf<T[K]>;
};

/** A command line that cannot be run; the message names the option, what was got and what was wanted. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

type AnyValue = string | boolean | number | readonly string[];

/** The value of every option when none is given. */
export function optionDefaults<T extends OptionTable>(table: T): OptionValues<T> {
  const values = new Map<string, AnyValue>();
  for (const [name, spec] of Object.entries(table)) values.set(camel(name), spec.default);
  return Object.fromEntries(values) as OptionValues<T>; // the loop sets one value of the declared type per key
}

/** Reads `argv` by the table; throws `UsageError` for an unknown option, a missing or a bad value. */
export function parseOptions<T extends OptionTable>(table: T, argv: readonly string[]): OptionValues<T> {
  const specs = new Map<string, OptionSpec>(Object.entries(table));
  const values = new Map<string, AnyValue>(Object.entries(optionDefaults(table)));
  const lists = new Map<string, string[]>();
  for (let i = 0; i < argv.length; i += 1) {
    const argument = argv[i] ?? '';
    const match = /^--([^=]+)(?:=([\s\S]*))?$/.exec(argument);
    const name = match?.[1] ?? '';
    const spec = specs.get(name);
    if (spec === undefined) throw new UsageError(`unknown option ${JSON.stringify(argument)}`);
    let text = match?.[2];
    if (spec.type === 'boolean') {
      values.set(camel(name), readBoolean(name, text ?? 'true'));
      continue;
    }
    if (text === undefined) {
      i += 1;
      text = argv[i];
      if (text === undefined) throw new UsageError(`--${name}: value missing`);
    }
    if (spec.type === 'list') {
      const list = lists.get(name) ?? [];
      lists.set(name, list);
      for (const part of text.split(',')) if (part.trim() !== '') list.push(part.trim());
      values.set(camel(name), list);
    } else if (spec.type === 'string') values.set(camel(name), text);
    else values.set(camel(name), readNumber(name, text, spec));
  }
  return Object.fromEntries(values) as OptionValues<T>; // every key has its default or a value of its spec's type
}

/** The options as indented lines for `--help`. */
export function describeOptions(table: OptionTable): string {
  const rows = Object.entries(table).map(([name, spec]) => {
    const placeholder = spec.type === 'boolean' ? '' : ` ${spec.value ?? spec.type}`;
    const shown = Array.isArray(spec.default) ? spec.default.join(',') : String(spec.default);
    const note = shown === '' || shown === 'false' ? '' : ` (default ${shown})`;
    return { left: `  --${name}${placeholder}`, right: `${spec.doc}${note}` };
  });
  const width = Math.max(...rows.map((row) => row.left.length)) + 2;
  return rows.map((row) => `${row.left.padEnd(width)}${row.right}\n`).join('');
}

function camel(name: string): string {
  return name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function readBoolean(name: string, text: string): boolean {
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  throw new UsageError(`--${name}: got ${JSON.stringify(text)}, want true or false`);
}

function readNumber(
  name: string,
  text: string,
  spec: { type: 'integer' | 'number'; min?: number; max?: number },
): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  const min = spec.min ?? Number.NEGATIVE_INFINITY;
  const max = spec.max ?? Number.POSITIVE_INFINITY;
  const isOfType = spec.type === 'integer' ? Number.isSafeInteger(value) : Number.isFinite(value);
  if (isOfType && value >= min && value <= max) return value;
  const low = Number.isFinite(min) ? ` from ${min}` : '';
  const high = Number.isFinite(max) ? ` to ${max}` : '';
  const kind = spec.type === 'integer' ? 'an integer' : 'a number';
  throw new UsageError(`--${name}: got ${JSON.stringify(text)}, want ${kind}${low}${high}`);
}
