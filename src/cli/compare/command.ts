import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { CommandIo } from '../../util/command-io.ts';
import { describeOptions, parseOptions, UsageError } from '../../util/command-options.ts';
import { COMPARE_OPTIONS, type CompareOptions } from './options.ts';
import { picture } from './picture.ts';
import { configured, POLICIES, type Policy } from './policies.ts';
import { type Comparison, jsonOf, table } from './report.ts';
import { type RunResult, runWorkload } from './run.ts';
import { WORKLOADS, workload } from './workloads.ts';

const HELP = `Usage: epp demo --compare [options]

Runs four workloads through round robin, the default configuration (queue 2, KV cache 2, prefix 3) and LMETRIC, on four
equal simulated servers that queue, batch and evict, and prints times to first token side by side. Requests come at the
same times whatever the policy. Time is virtual: a minute of traffic takes a second, nothing is sent over sockets, and
the picker's own decision takes none of it. The picker, its scrapes every 50 ms and the servers are the real ones.

Options:
${describeOptions(COMPARE_OPTIONS)}`;

/** Requests before those that count, per request that counts. */
const WARM_UP_SHARE = 0.2;
/** Answers between two updates of the progress line. */
const PROGRESS_STEP = 50;

/**
 * `epp demo --compare`: resolves with the exit code: 0 when all requests were answered, 1 when the user stopped it, 2 for
 * a bad command line or configuration.
 */
export async function compareCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  if (argv.includes('--help')) {
    io.out(HELP);
    return 0;
  }
  try {
    return await run(parseOptions(COMPARE_OPTIONS, argv), io);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.err(`epp demo --compare: ${error.message}\nTry: epp demo --compare --help\n`);
    return 2;
  }
}

async function run(options: CompareOptions, io: CommandIo): Promise<number> {
  const { requests, seed, load, json } = options;
  const policies = policiesOf(options);
  const names = workloadsOf(options);
  const warmUp = Math.ceil(requests * WARM_UP_SHARE);
  if (!json) io.out(introduction(policies, { requests, warmUp, seed }));
  const comparisons: Comparison[] = [];
  for (const name of names) {
    const traffic = workload(name, warmUp + requests, { seed, load });
    const results: RunResult[] = [];
    for (const policy of policies) {
      const show = progress(io, `${name}, ${policy.name}`, warmUp + requests);
      const { signal } = io;
      const result = await runWorkload(traffic, policy, {
        seed,
        warmUp,
        signal,
        onProgress: show,
        onLog: io.err,
      });
      if (io.isTerminal) io.err('\r\u001B[K');
      if (signal.aborted) {
        io.err('epp demo --compare: stopped\n');
        return 1;
      }
      results.push(result);
    }
    comparisons.push({ workload: traffic, results });
    if (!json) io.out(`\n${table({ workload: traffic, results }, io.isTerminal)}`);
  }
  if (json) io.out(`${JSON.stringify(jsonOf(comparisons, seed), null, 2)}\n`);
  if (options.svg !== '') writeFileSync(options.svg, picture(comparisons));
  return 0;
}

function policiesOf({ config }: CompareOptions): readonly Policy[] {
  if (config === '') return POLICIES;
  let text: string;
  try {
    text = readFileSync(config, 'utf8');
  } catch (error) {
    throw new UsageError(`--config: ${error instanceof Error ? error.message : String(error)}`);
  }
  return [
    ...POLICIES,
    configured(
      basename(config)
        .replace(/\.ya?ml$/, '')
        .slice(0, 13),
      config,
      { text, file: config },
    ),
  ];
}

function workloadsOf({ workloads }: CompareOptions): readonly string[] {
  for (const name of workloads) {
    if (!WORKLOADS.includes(name)) {
      throw new UsageError(`--workloads: got ${JSON.stringify(name)}, want of ${WORKLOADS.join(', ')}`);
    }
  }
  return workloads.length === 0 ? WORKLOADS : workloads;
}

function introduction(
  policies: readonly Policy[],
  { requests, warmUp, seed }: { readonly requests: number; readonly warmUp: number; readonly seed: number },
): string {
  const lines = policies.map(({ name, summary }) => `  ${name.padEnd(14)}${summary}`);
  return [
    `Four equal simulated servers, ${requests} requests of each workload after ${warmUp} that warm caches up, seed ${seed}.`,
    'Virtual time: the table is the same on any machine. Arrivals are the same for all policies:',
    ...lines,
    '',
  ].join('\n');
}

/** A line on the terminal that is rewritten; nothing elsewhere, where a whole table takes seconds. */
function progress(io: CommandIo, what: string, total: number): (answered: number) => void {
  return (answered) => {
    if (io.isTerminal && answered % PROGRESS_STEP === 0)
      io.err(`\r\u001B[K${what}: ${answered}/${total} answers`);
  };
}
