import {
  accessSync,
  constants,
  globSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Clock } from '../util/clock.ts';
import { Child } from './child.ts';

/** An Envoy that serves. Disposing stops it and removes its files. */
export interface Envoy extends AsyncDisposable {
  /** `host:port` of each listener by its name. */
  readonly listeners: ReadonlyMap<string, string>;
  readonly admin: string;
}

/**
 * Finds an Envoy program: `given`, one on `path`, or one installed from PyPI into `.venv` of the working folder.
 * Undefined when there is none.
 */
export function findEnvoy(path: string | undefined, given = ''): string | undefined {
  if (given !== '') return isProgram(given) ? given : undefined;
  const onPath = (path ?? '').split(delimiter).map((folder) => join(folder, 'envoy'));
  // The program itself rather than the script in .venv/bin, so that a signal reaches Envoy.
  const installed = globSync('.venv/lib/python*/site-packages/envoy/_bin/envoy');
  return [...onPath, ...installed].find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** A bootstrap configuration; listeners and admin may ask for port 0. */
export interface EnvoyOptions {
  readonly program: string;
  /** JSON or YAML. */
  readonly config: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const START_LIMIT_MS = 15_000;

/** Starts Envoy and waits until its listeners are there. Rejects with what it wrote when it does not start. */
export async function startEnvoy({ program, config, clock, signal }: EnvoyOptions): Promise<Envoy> {
  await using started = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'epp-envoy-'));
  started.defer(() => rmSync(folder, { recursive: true, force: true }));
  const configFile = join(folder, 'envoy.yaml');
  const adminFile = join(folder, 'admin');
  writeFileSync(configFile, config);
  const command = [program, '--config-path', configFile, '--admin-address-path', adminFile];
  // Without hot restart several can run on one machine.
  const flags = ['--disable-hot-restart', '--concurrency', '2', '--log-level', 'warning'];
  const child = started.use(new Child('envoy', [...command, ...flags], clock));
  const admin = await child.until(
    async () => readFileSync(adminFile, 'utf8').trim() || undefined,
    START_LIMIT_MS,
    signal,
  );
  const listeners = await child.until(() => readListeners(admin), START_LIMIT_MS, signal);
  const kept = started.move();
  return { listeners, admin, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

interface ListenerList {
  readonly listener_statuses?: readonly {
    readonly name: string;
    readonly local_address: {
      readonly socket_address: { readonly address: string; readonly port_value: number };
    };
  }[];
}

/** Undefined until Envoy is live. */
async function readListeners(admin: string): Promise<ReadonlyMap<string, string> | undefined> {
  const ready = await fetch(`http://${admin}/ready`);
  await ready.text();
  if (ready.status !== 200) return undefined;
  const response = await fetch(`http://${admin}/listeners?format=json`);
  const list = (await response.json()) as ListenerList; // Envoy's documented form
  const statuses = list.listener_statuses ?? [];
  if (statuses.length === 0) return undefined;
  return new Map(
    statuses.map(({ name, local_address: { socket_address: bound } }) => [
      name,
      `${bound.address}:${bound.port_value}`,
    ]),
  );
}
