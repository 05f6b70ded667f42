import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import type { CommandIo } from '../util/command-io.ts';
import { describeOptions, parseOptions, UsageError } from '../util/command-options.ts';
import { ChildError } from './child.ts';
import { findEnvoy } from './envoy.ts';
import { runLoad } from './load.ts';
import { DEMO_OPTIONS, type DemoOptions } from './options.ts';
import { picture } from './picture.ts';
import { Progress } from './progress.ts';
import { type RunResult, report } from './report.ts';
import { readCounters, resetServers } from './server-counters.ts';
import { DEMO_MODEL, type Stack, startStack } from './stack.ts';
import { type PlannedRequest, planWorkload } from './workload.ts';

const HELP = `Usage: epp demo [options]

Starts simulated model servers, the picker, and Envoy (or the dev gateway), sends the same conversations once round
robin and once through the picker, and compares. Needs nothing but this program; takes less than a minute.
epp demo --compare compares policies instead, in virtual time; see epp demo --compare --help.

Options:
${describeOptions(DEMO_OPTIONS)}`;

/**
 * `epp demo`: resolves with the exit code: 0 when both runs went through without errors, 1 when something failed or the
 * user stopped it, 2 for a bad command line. Everything it started is stopped by then.
 */
export async function demoCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  if (argv.includes('--help')) {
    io.out(HELP);
    return 0;
  }
  let options: DemoOptions;
  let envoy: string | undefined;
  try {
    options = parseOptions(DEMO_OPTIONS, argv);
    envoy = chooseEnvoy(options, io);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.err(`epp demo: ${error.message}\nTry: epp demo --help\n`);
    return 2;
  }
  try {
    return await run(options, envoy, io);
  } catch (error) {
    if (io.signal.aborted) io.err('\nepp demo: stopped\n');
    else if (error instanceof ChildError) io.err(`epp demo: ${error.message}\n`);
    else throw error;
    return 1;
  }
}

function chooseEnvoy({ gateway, envoy }: DemoOptions, io: CommandIo): string | undefined {
  if (gateway === 'dev') return undefined;
  if (gateway !== 'auto' && gateway !== 'envoy') {
    throw new UsageError(`--gateway: got ${JSON.stringify(gateway)}, want auto, envoy or dev`);
  }
  const { PATH } = io.env;
  const found = findEnvoy(PATH, envoy);
  if (found === undefined && (gateway === 'envoy' || envoy !== '')) throw new UsageError('no Envoy found');
  return found;
}

async function run(options: DemoOptions, envoy: string | undefined, io: CommandIo): Promise<number> {
  const { requests, rate: ratePerSecond, seed, servers } = options;
  io.out(
    `Starting ${servers} simulated model servers, the picker and ${envoy === undefined ? 'the dev gateway' : 'Envoy'} …\n`,
  );
  await using stack = await startStack({ io, servers, seed, envoy });
  const plan = planWorkload({ seed, requests, ratePerSecond, model: DEMO_MODEL });
  io.out(`Sending ${requests} requests of multi-turn conversations, ${ratePerSecond} a second, twice.\n\n`);
  const before = await measure('round robin', stack.roundRobin, { plan, stack, io });
  const after = await measure('picker', stack.picker, { plan, stack, io });
  if (io.signal.aborted) {
    io.err('\nepp demo: stopped\n');
    return 1;
  }
  io.out(`\n${report(before, after)}`);
  if (options.svg !== '') await writeFile(options.svg, picture(before, after));
  if (options.keep) {
    io.out(keptText(stack));
    await once(io.signal, 'abort');
  }
  return isClean(before, requests) && isClean(after, requests) ? 0 : 1;
}

async function measure(
  name: string,
  gateway: string,
  context: { readonly plan: readonly PlannedRequest[]; readonly stack: Stack; readonly io: CommandIo },
): Promise<RunResult> {
  const { plan, stack, io } = context;
  await resetServers(stack.servers);
  const progress = new Progress(io, name, plan.length);
  const load = await runLoad(plan, {
    gateway,
    clock: io.clock,
    signal: io.signal,
    onProgress: (soFar) => progress.update(soFar),
  });
  progress.finish(load);
  return { name, load, counters: await readCounters(stack.servers) };
}

function isClean({ load }: RunResult, requests: number): boolean {
  return load.completed === requests && load.errors.size === 0;
}

function keptText(stack: Stack): string {
  const body = `{"model":"${DEMO_MODEL}","messages":[{"role":"user","content":"Hello"}],"max_tokens":32,"stream":true}`;
  return `
Everything is left running; Ctrl-C stops it. Through the picker:

  curl -N http://${stack.picker}/v1/chat/completions -H 'content-type: application/json' \\
    -d '${body}'

Round robin: http://${stack.roundRobin}   Picker's metrics: http://${stack.pickerMetrics}/metrics
Model servers: ${stack.servers.map((server) => `http://${server}`).join(' ')}
`;
}
