#!/usr/bin/env node
import process from 'node:process';
import { detailOf } from './own-plugins/fault.ts';
import { originNow } from './own-plugins/origin.ts';
import { takeStrayError } from './own-plugins/stray.ts';
import { systemClock } from './util/clock.ts';
import type { CommandIo } from './util/command-io.ts';
import { nodeFault } from './util/node-version.ts';

const COMMANDS = ['serve', 'demo', 'sim', 'gateway', 'validate', 'new-plugin'] as const;

const LINGER_MS = 1_000;

const USAGE = `epp: the endpoint picker

  epp [serve] [flags]     the picker (epp serve --help lists the flags)
  epp demo                simulated servers, picker and Envoy, round robin against the picker
  epp demo --compare      four workloads, round robin, the default configuration and LMETRIC, in seconds
  epp sim                 simulated model servers
  epp gateway             a small stand-in for Envoy, for laptops and tests
  epp validate FILE       every problem of a configuration, and what it amounts to
  epp new-plugin KIND NAME  a plugin of your own, with its test
  epp version

Each command answers --help.
`;

/** `serve` is the default, so that the reference's argument lists work as they are. */
async function main(argv: readonly string[], io: CommandIo): Promise<number> {
  const [first = ''] = argv;
  const rest = argv.slice(1);
  switch (first) {
    case 'demo':
      if (rest.some((argument) => /^--compare(=(true|1))?$/.test(argument)))
        return (await import('./cli/compare/command.ts')).compareCommand(rest, io);
      return (await import('./demo/command.ts')).demoCommand(rest, io);
    case 'sim':
      return (await import('./sim/command.ts')).simCommand(rest, io);
    case 'gateway':
      return (await import('./gateway/command.ts')).gatewayCommand(rest, io);
    case 'validate':
      return (await import('./cli/validate.ts')).validateCommand(rest, io);
    case 'new-plugin':
      return (await import('./cli/new-plugin.ts')).newPluginCommand(rest, io);
    case 'version':
    case '--version':
      io.out(`${(await import('./cli/version.ts')).VERSION}\n`);
      return 0;
    case 'help':
      io.out(USAGE);
      return 0;
    case 'serve':
      return (await import('./cli/serve.ts')).serveCommand(rest, io);
    default:
      if (first === '' || first.startsWith('-'))
        return (await import('./cli/serve.ts')).serveCommand(argv, io);
      io.err(`epp: unknown command "${first}", want one of ${COMMANDS.join(', ')}\n\n${USAGE}`);
      return 2;
  }
}

// What is imported above can be read by old versions; commands, which are imported later, cannot.
const fault = nodeFault(process.versions.node);
if (fault !== '') {
  process.stderr.write(`epp: ${fault}\n`);
  process.exit(1);
}

const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(1); // asked twice: now
    stop.abort();
  });
}
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => {
    const detail = detailOf(error);
    const stray = takeStrayError(event, error, systemClock.nowMs());
    if (stray !== undefined) {
      const msg = 'a plugin failed outside of its calls; the picker goes on';
      const line = JSON.stringify({ level: 'error', msg, ...stray.origin, file: stray.file, event, detail });
      if (stray.isLogged) process.stderr.write(`${line}\n`);
      return;
    }
    process.stderr.write(
      `${JSON.stringify({ level: 'error', msg: 'stopping on an unexpected error', event, detail })}\n`,
    );
    process.exit(1);
  });
}
process.on('exit', (code) => {
  const origin = originNow();
  if (origin === undefined) return;
  process.stderr.write(
    `${JSON.stringify({ level: 'error', msg: 'a plugin ended the process', ...origin })}\n`,
  );
  if (code === 0) process.exitCode = 1; // what was asked for was not done
});
process.stdout.on('error', () => process.exit(0)); // the reader left

process.exitCode = await main(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  isTerminal: process.stdout.isTTY === true,
  env: process.env,
  self: [process.execPath, process.argv[1] ?? ''],
  signal: stop.signal,
  clock: systemClock,
});
// Not process.exit(): it waits for the threads of V8's platform, and a function that is being optimized there waits for
// memory that only this thread can give, for ever (nodejs/node#54918). A process that has nothing left to do takes its
// heap down first, which wakes them. What lingers, a kept connection of a scrape for one, gets a second.
systemClock.after(LINGER_MS, () => process.exit());
