import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeOptions, parseOptions } from '../src/util/command-options.ts';
import { freePorts, Program } from './processes.ts';
import { runProgram } from './program.ts';

/** What many pools in one process cost while no request comes: `node bench/many-pools.ts --pools=500 --endpoints=10`. */
const OPTIONS = {
  pools: { type: 'integer', default: 500, min: 1, max: 2_000, doc: 'Pools.' },
  endpoints: { type: 'integer', default: 10, min: 1, max: 1_000, doc: 'Endpoints of each pool.' },
  seconds: { type: 'integer', default: 20, min: 1, max: 600, doc: 'Time to measure.' },
  help: { type: 'boolean', default: false, doc: 'Show this text.' },
} as const;

const START_TIMEOUT_MS = 120_000;
/** Pools are idle after five seconds; then everything comes to rest. */
const SETTLE_MS = 15_000;

const HEAD = 'apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\n';

async function measure(count: number, each: number, seconds: number): Promise<void> {
  await using started = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'epp-many-pools-'));
  started.defer(() => rm(directory, { recursive: true }));
  const farm = started.use(new Program(['bench/load/metrics-farm.ts', `--endpoints=${count * each}`]));
  const { ports, pageBytes } = await farm.event<{ ports: readonly number[]; pageBytes: number }>(
    'listening',
    START_TIMEOUT_MS,
  );
  const pools = Array.from({ length: count }, (_, i) => ({
    name: `pool-${i}`,
    endpoints: ports.slice(i * each, (i + 1) * each).map((port) => `127.0.0.1:${port}`),
  }));
  const file = join(directory, 'pools.yaml');
  await writeFile(file, `${HEAD}pools: ${JSON.stringify(pools)}\n`);
  const [port = 0, adminPort = 0, healthPort = 0] = await freePorts(3);
  const startMs = performance.now();
  const picker = started.use(
    new Program([
      'src/main.ts',
      'serve',
      '--secure-serving=false',
      '--bind-address=127.0.0.1',
      `--grpc-port=${port}`,
      `--metrics-port=${adminPort}`,
      `--grpc-health-port=${healthPort}`,
      `--config-file=${file}`,
    ]),
  );
  await picker.listens(port);
  const startS = (performance.now() - startMs) / 1000;
  await sleep(SETTLE_MS);
  const pagesBefore = (await farm.ask<{ pages: number }>('pages', 'pages')).pages;
  const before = picker.usage();
  await sleep(seconds * 1000);
  const after = picker.usage();
  const pages = (await farm.ask<{ pages: number }>('pages', 'pages')).pages - pagesBefore;
  const lagMs = await lagOf(adminPort);
  process.stdout.write(
    `${count} pools, ${count * each} endpoints, pages of ${Math.round(pageBytes / 1000)} kB, idle: ` +
      `${((after.cpuMs - before.cpuMs) / seconds / 1000).toFixed(2)} cores, ` +
      `${(pages / seconds).toFixed(0)} pages/s, ${(after.residentBytes / 1e6).toFixed(0)} MB, ` +
      `start ${startS.toFixed(1)} s, event loop at most ${lagMs.toFixed(0)} ms late\n`,
  );
}

async function lagOf(adminPort: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${adminPort}/metrics`);
  const found = /^llm_d_epp_event_loop_lag_seconds (\S+)$/m.exec(await response.text());
  return 1000 * Number(found?.[1] ?? Number.NaN);
}

async function main(argv: readonly string[]): Promise<void> {
  const options = parseOptions(OPTIONS, argv);
  if (options.help) {
    process.stdout.write('node bench/many-pools.ts: what many pools cost while no request comes\n\n');
    process.stdout.write(describeOptions(OPTIONS));
    return;
  }
  await measure(options.pools, options.endpoints, options.seconds);
}

await runProgram(main);
