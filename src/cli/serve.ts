import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import type { EndpointPickerConfig } from '../config/load.ts';
import { ConfigurationError } from '../framework/errors.ts';
import { CATALOGUE } from '../plugins/catalogue.ts';
import { createLog, type RootLog } from '../telemetry/logger.ts';
import type { CommandIo } from '../util/command-io.ts';
import { endpointErrors, helpText, parseFlags, type ServeOptions } from './flags.ts';
import { KubeControl } from './kube-control.ts';
import { loadConfig } from './load-config.ts';
import { isInKubernetes, planPools, sourceOf } from './pool-plans.ts';
import { reportProblems } from './report.ts';
import { Picker } from './run.ts';
import { TrustedAuthorities } from './trusted-authorities.ts';

/**
 * Counts buffers in the heap's growing limit. Without it V8 collects the whole heap whenever 64 MB of buffers have come
 * and gone, which with long prompts is dozens of times a second: 450 kB prompts then cost 3.4 ms of CPU instead of 1.5 ms.
 */
const GC_FLAG = '--external-memory-accounted-in-global-limit';

/** `epp serve`: runs until `io.signal` aborts and everything has drained. Returns the exit status. */
export async function serveCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const flags = parseFlags(argv, io.env);
  if (flags.isHelp) {
    io.out(helpText());
    return 0;
  }
  if (flags.errors.length > 0) {
    for (const error of flags.errors) io.err(`epp: ${error}\n`);
    io.err('epp serve --help lists the flags\n');
    return 2;
  }
  const { options } = flags;
  try {
    setFlagsFromString(GC_FLAG);
    const log = createLog(logOptions(options, io), io.clock);
    for (const warning of flags.warnings) log.warn({ warning }, 'flag');
    const config = await readConfiguration(options, log);
    if (config === undefined) return 1;
    const unplaced = endpointErrors(options, config.discovery !== undefined, config.pools.length);
    if (unplaced.length > 0) {
      for (const error of unplaced) io.err(`epp: ${error}\n`);
      return 2;
    }
    const services = { options, log, clock: io.clock };
    const ofPools = await readPoolConfigurations(config, options, log);
    const planned = planPools(options, config, (file) => ofPools.get(file));
    using _trust = await TrustedAuthorities.start({
      env: io.env,
      clock: io.clock,
      log: log.component('trust'),
    });
    const inKubernetes = planned.filter(isInKubernetes);
    const kube =
      inKubernetes.length > 0
        ? await KubeControl.create({
            ...services,
            pools: inKubernetes,
            env: io.env,
            followersDiscover: config.featureGates.get('haPopulateNonLeaderDatastore') ?? true,
          })
        : undefined;
    const plans = kube?.named(planned) ?? planned;
    const picker = Picker.create({ ...services, plans, environment: io.env, kube });
    if (picker === undefined) return 1;
    return (await picker.run(io.signal)) ? 0 : 1;
  } catch (error) {
    if (!(error instanceof ConfigurationError) && !isListenError(error)) throw error;
    io.err(`epp: ${error.message}\n`);
    return 1;
  }
}

function logOptions(options: ServeOptions, io: CommandIo): Parameters<typeof createLog>[0] {
  return {
    verbosity: options.verbosity,
    level: options.zapLogLevel,
    encoder: options.zapEncoder,
    isDevelopment: options.zapDevel,
    stacktraceLevel: options.zapStacktraceLevel,
    timeEncoding: options.zapTimeEncoding,
    isTerminal: io.isTerminal,
  };
}

/** The configuration in effect; undefined when it has errors, which are logged. */
async function readConfiguration(
  options: ServeOptions,
  log: RootLog,
): Promise<EndpointPickerConfig | undefined> {
  const text = options.configFile === '' ? options.configText : readText(options.configFile);
  const { document, problems } = await loadConfig(
    { text, file: options.configFile },
    {
      catalogue: CATALOGUE,
      allowExperimental: options.allowExperimentalPlugins,
      pluginParameters: options.pluginParameters,
    },
  );
  reportProblems(problems, sourceOf(options), log);
  return document;
}

/** Those of pools that have one of their own, by file. */
async function readPoolConfigurations(
  { pools }: EndpointPickerConfig,
  options: ServeOptions,
  log: RootLog,
): Promise<ReadonlyMap<string, EndpointPickerConfig | undefined>> {
  const configs = new Map<string, EndpointPickerConfig | undefined>();
  for (const { configFile } of pools) {
    if (configFile === undefined || configs.has(configFile)) continue;
    configs.set(configFile, await readPoolConfiguration(configFile, options, log));
  }
  return configs;
}

/** That of one of many pools: what is wrong with it stops no other. */
async function readPoolConfiguration(
  file: string,
  options: ServeOptions,
  log: RootLog,
): Promise<EndpointPickerConfig | undefined> {
  try {
    const config = await readConfiguration({ ...options, configFile: file }, log);
    if (config === undefined || config.pools.length === 0) return config;
    log.error({ file }, 'the configuration of a pool lists pools of its own');
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    log.error({ err: error }, 'the configuration of a pool cannot be read');
  }
  return undefined;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigurationError(`failed to load config from a file '${file}' - ${reason}`, { cause });
  }
}

/** A port that is taken or an address that is not ours: the operator's to mend, no stack trace needed. */
function isListenError(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error && error.syscall === 'listen';
}
