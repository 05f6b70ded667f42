import { suggest } from '../config/suggest.ts';
import { ConfigurationError } from '../framework/errors.ts';
import { parseLabelSelector } from '../framework/label-selector.ts';
import { renderHelp, renderPage } from './flags/help.ts';
import { OLD_FLAGS, type OldFlag, parametersOf } from './flags/old-flags.ts';
import { FLAGS, type Flag } from './flags/table.ts';
import { FlagValueError, type FlagValues, isRepeatable, isSwitch, parseValue } from './flags/values.ts';

type Row = (typeof FLAGS)[number];
type ValueOf<F extends Row> = F extends {
  readonly kind: 'choice';
  readonly choices: readonly (infer Choice)[];
}
  ? Choice
  : FlagValues[F['kind']];

/**
 * What `epp serve` was told, by the `key` of each row of the table. Durations are milliseconds, sizes bytes, TLS versions
 * and ciphers Go's names, which are known to be good.
 */
export type ServeOptions = {
  readonly [F in Row as F['key']]: ValueOf<F>;
} & {
  /** Parameters from flags of earlier releases, by plugin type; for plugins that have none of their own. */
  readonly pluginParameters: ReadonlyMap<string, object>;
};

/** What parsing gives. */
export interface ParsedFlags {
  /** Complete: a wrong value is replaced by its default. */
  readonly options: ServeOptions;
  readonly warnings: readonly string[];
  /** Not empty: the program must not start, exit status 2. */
  readonly errors: readonly string[];
  /** `--help` or `-h` was given. */
  readonly isHelp: boolean;
}

/** A flag as it was written. */
interface Given {
  readonly name: string;
  /** Undefined when it stands alone. */
  readonly value: string | undefined;
}

const MIN_REFRESH_MS = 50;
const POOL_NAME = /^(?:[^/\s]+\/)?[^/\s]+$/;
const HEADER_NAME = /^[!#$%&'*+.^_`|~A-Za-z0-9-]+$/;
const BY_NAME: ReadonlyMap<string, Flag> = new Map(FLAGS.map((flag): [string, Flag] => [flag.name, flag]));
const OLD_BY_NAME: ReadonlyMap<string, OldFlag> = new Map(OLD_FLAGS.map((flag) => [flag.name, flag]));

/** Parses flags as the reference does (`--x v`, `--x=v`, `-v 4`; booleans need `=` to be false). Never throws. */
export function parseFlags(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ParsedFlags {
  const parser = new FlagParser();
  parser.read(argv);
  return parser.finish(env);
}

class FlagParser {
  readonly #given = new Map<Flag, string[]>();
  readonly #oldGiven = new Map<OldFlag, unknown>();
  readonly #warnings: string[] = [];
  readonly #errors: string[] = [];
  #isHelp = false;

  read(argv: readonly string[]): void {
    for (let i = 0; i < argv.length; i += 1) {
      const argument = argv[i] ?? '';
      if (argument === '--') {
        for (const rest of argv.slice(i + 1)) this.#ignore(rest, '');
        return;
      }
      if (!argument.startsWith('-') || argument === '-') {
        this.#ignore(argument, argv[i - 1] ?? '');
        continue;
      }
      i += this.#take(split(argument), argv[i + 1]);
    }
  }

  /** Passes over what is no flag, as the reference does; orchestrators leave empty arguments where a flag is absent. */
  #ignore(argument: string, before: string): void {
    if (argument === '') return;
    const isSwitchValue = /^(?:true|false)$/i.test(argument) && before.startsWith('-');
    const hint = isSwitchValue ? `; write ${before}=${argument}` : '';
    this.#warnings.push(`argument "${argument}" is ignored${hint}`);
  }

  /** Takes one flag; returns how many further arguments it used. */
  #take(written: Given, next: string | undefined): number {
    if (written.name === 'help' || written.name === 'h') {
      this.#isHelp = true;
      return 0;
    }
    const name = this.#resolve(written.name);
    const flag = BY_NAME.get(name);
    const old = OLD_BY_NAME.get(name);
    const kind = flag?.kind ?? old?.kind;
    if (kind === undefined) {
      this.#reportUnknown(written.name);
      return written.value === undefined && next !== undefined && !next.startsWith('-') ? 1 : 0;
    }
    let value = written.value;
    let used = 0;
    if (value === undefined && isSwitch(kind)) value = 'true';
    if (value === undefined) {
      if (next === undefined) {
        this.#errors.push(`flag --${name} needs a value`);
        return 0;
      }
      value = next;
      used = 1;
    }
    if (flag !== undefined) {
      const values = isRepeatable(flag.kind) ? (this.#given.get(flag) ?? []) : [];
      this.#given.set(flag, [...values, value]);
    } else if (old !== undefined) {
      this.#takeOld(old, value);
    }
    return used;
  }

  /** The name as the table has it; the first releases wrote `--poolName`. */
  #resolve(name: string): string {
    if (BY_NAME.has(name) || OLD_BY_NAME.has(name)) return name;
    const dashed = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (!BY_NAME.has(dashed) && !OLD_BY_NAME.has(dashed)) return name;
    this.#warnings.push(`flag --${name} is called --${dashed}`);
    return dashed;
  }

  #takeOld(old: OldFlag, value: string): void {
    const parsed = this.#parse(old.name, old.kind, [value], {});
    if (parsed === undefined) return;
    this.#oldGiven.set(old, parsed);
    this.#warnings.push(`flag --${old.name} is deprecated: it ${old.doc}`);
  }

  #reportUnknown(name: string): void {
    const close = suggest(name, [...BY_NAME.keys(), ...OLD_BY_NAME.keys(), 'help']);
    this.#errors.push(`unknown flag --${name}${close === undefined ? '' : `; did you mean --${close}?`}`);
  }

  #parse(
    name: string,
    kind: keyof FlagValues,
    given: readonly string[],
    bounds: { readonly choices?: readonly string[]; readonly min?: number; readonly max?: number },
  ): FlagValues[keyof FlagValues] | undefined {
    try {
      return parseValue(kind, given, bounds);
    } catch (error) {
      if (!(error instanceof FlagValueError)) throw error;
      this.#errors.push(`invalid --${name} "${given.join(',')}": ${error.message}`);
      return undefined;
    }
  }

  finish(env: Readonly<Record<string, string | undefined>>): ParsedFlags {
    const values = new Map<string, unknown>();
    for (const flag of FLAGS as readonly Flag[]) {
      const fromEnv = flag.env === undefined ? '' : (env[flag.env] ?? '');
      const given = this.#given.get(flag) ?? [];
      const isEmpty = given.length === 0 || (isEmptyDefault(flag) && given.join('') === '');
      const effective = isEmpty && fromEnv !== '' ? [fromEnv] : isEmpty ? undefined : given;
      const parsed = effective === undefined ? undefined : this.#parse(flag.name, flag.kind, effective, flag);
      values.set(flag.key, parsed ?? flag.default);
    }
    values.set('pluginParameters', parametersOf(this.#oldGiven));
    const options = Object.fromEntries(values) as unknown as ServeOptions; // a value of each row's kind, by its key
    return {
      options: this.#check(withPools(options)),
      warnings: this.#warnings,
      errors: this.#errors,
      isHelp: this.#isHelp,
    };
  }

  /** What flags may not say together. */
  #check(options: ServeOptions): ServeOptions {
    const refuse = (isWrong: boolean, message: string) => {
      if (isWrong) this.#errors.push(message);
    };
    for (const name of options.poolNames) {
      refuse(!POOL_NAME.test(name), `invalid --pool-name "${name}": want name or namespace/name`);
    }
    refuse(
      options.poolHeader !== '' && !HEADER_NAME.test(options.poolHeader),
      `invalid --pool-header "${options.poolHeader}": want the name of a header`,
    );
    refuse(
      options.configFile !== '' && options.configText !== '',
      'both --config-file and --config-text are set, want one',
    );
    refuse(
      options.poolNames.length > 0 && options.endpointSelector !== '',
      'either --pool-name or --endpoint-selector must be set, got both',
    );
    refuse(
      options.endpointSelector !== '' &&
        (options.endpointTargetPorts.length < 1 || options.endpointTargetPorts.length > 8),
      `--endpoint-target-ports: got ${options.endpointTargetPorts.length} ports, want 1 to 8 with --endpoint-selector`,
    );
    const fault = selectorFault(options.endpointSelector);
    refuse(fault !== '', `invalid --endpoint-selector: ${fault}`);
    refuse(
      options.metricsClientCaFile !== '' && options.metricsCertDir === '',
      '--metrics-client-ca-file requires --metrics-cert-dir',
    );
    refuse(
      options.metricsCertDir !== '' && options.metricsClientCaFile === '' && !options.metricsEndpointAuth,
      '--metrics-cert-dir enables TLS without authentication; set --metrics-client-ca-file or --metrics-endpoint-auth',
    );
    refuse(
      !/^(?:|debug|info|error|panic|[1-9]\d*)$/.test(options.zapLogLevel),
      `invalid --zap-log-level "${options.zapLogLevel}": want debug, info, error, panic or a number above 0`,
    );
    if (options.refreshMetricsIntervalMs >= MIN_REFRESH_MS) return options;
    this.#warnings.push(`--refresh-metrics-interval is raised to ${MIN_REFRESH_MS}ms`);
    return { ...options, refreshMetricsIntervalMs: MIN_REFRESH_MS };
  }
}

/** What is wrong with a label selector, also one that nothing uses; '' when nothing is. */
function selectorFault(text: string): string {
  try {
    parseLabelSelector(text);
    return '';
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.message;
  }
}

/** A pool by its flag: `name` or `namespace/name`. */
export function splitPoolName(text: string): { readonly name: string; readonly namespace?: string } {
  const slash = text.indexOf('/');
  return slash < 0 ? { name: text } : { name: text.slice(slash + 1), namespace: text.slice(0, slash) };
}

/** Each pool once; the namespace is that of the only one that is named, where it is given with it. */
function withPools(options: ServeOptions): ServeOptions {
  const poolNames = [...new Set(options.poolNames)];
  const [first = '', ...others] = poolNames;
  const { namespace = options.poolNamespace } = splitPoolName(first);
  return { ...options, poolNames, poolNamespace: others.length > 0 ? options.poolNamespace : namespace };
}

/** `--name=value` in its parts; one dash is as good as two for long names, as in the first releases. */
function split(argument: string): Given {
  const attached = /^-v(-?\d+)$/.exec(argument);
  if (attached !== null) return { name: 'v', value: attached[1] };
  const body = argument.replace(/^--?/, '');
  const equals = body.indexOf('=');
  return equals < 0
    ? { name: body, value: undefined }
    : { name: body.slice(0, equals), value: body.slice(equals + 1) };
}

/** An empty text means that the flag is absent. */
function isEmptyDefault(flag: Flag): boolean {
  return flag.env !== undefined || flag.kind === 'size' || flag.kind === 'tls-version';
}

/**
 * Why the picker cannot find its endpoints with these flags; empty when it can. `hasDiscovery`: the configuration names
 * `dataLayer.discovery`. `declared`: pools that it lists.
 */
export function endpointErrors(
  options: ServeOptions,
  hasDiscovery: boolean,
  declared = 0,
): readonly string[] {
  const { poolNames, endpoints, endpointSelector } = options;
  if (declared > 0 && endpointSelector !== '') {
    return ['both --endpoint-selector and pools in the configuration say which pools there are, want one'];
  }
  if (declared + poolNames.length > 1 && endpoints.length > 0) {
    return [
      '--endpoints is for one pool: list the endpoints of each of many under pools in the configuration',
    ];
  }
  if (declared > 0) return [];
  if (options.endpoints.length > 0) {
    return hasDiscovery
      ? ['both --endpoints and dataLayer.discovery say where the endpoints are, want one']
      : [];
  }
  if (hasDiscovery) return [];
  if (options.poolNames.length > 0 || options.endpointSelector !== '') return [];
  return [
    'nothing says where the endpoints are: name an InferencePool with --pool-name or select pods with --endpoint-selector, ' +
      'list endpoints with --endpoints host:port, or configure dataLayer.discovery with file-discovery',
  ];
}

/** What `epp serve --help` prints. */
export function helpText(): string {
  return renderHelp(FLAGS);
}

/** The content of `docs/flags.md`. */
export function flagsPage(): string {
  return renderPage(FLAGS);
}
