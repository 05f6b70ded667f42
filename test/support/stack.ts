import { expect } from 'vitest';
import { type EnvoyProcess, startEnvoy } from './envoy.ts';
import { type EnvoyConfigOptions, envoyConfig } from './envoy-config.ts';
import { PickerProcess, type PickerProcessOptions } from './picker-process.ts';

/** Envoy in front of a picker and its model servers. Disposing stops both programs. */
export interface Stack extends AsyncDisposable {
  readonly picker: PickerProcess;
  readonly envoy: EnvoyProcess;
  /** Where clients connect. */
  readonly url: string;
}

/** What a test says about a stack. */
export interface StackOptions {
  /** `host:port` of the model servers. */
  readonly endpoints: readonly string[];
  readonly picker?: Omit<PickerProcessOptions, 'endpoints'>;
  readonly envoy?: Omit<EnvoyConfigOptions, 'picker' | 'endpoints'>;
}

/** Starts a picker for `endpoints`, unless its configuration discovers them, and an Envoy that asks it. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { endpoints } = options;
  const isDiscovering = options.picker?.config?.includes('discovery:') === true;
  await using started = new AsyncDisposableStack();
  const picker = started.use(
    await PickerProcess.start({
      ...options.picker,
      ...(isDiscovering ? {} : { endpoints }),
    }),
  );
  const config = envoyConfig({ ...options.envoy, picker: picker.address, endpoints });
  const envoy = started.use(await startEnvoy({ config }));
  const kept = started.move();
  return { picker, envoy, url: envoy.url, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Waits until the picker holds nothing of any exchange: no open stream, no in-flight count. */
export async function expectNothingHeld(picker: PickerProcess, timeoutMs = 5000): Promise<void> {
  await expect
    .poll(() => picker.held(), { timeout: timeoutMs, interval: 20 })
    .toEqual({ openStreams: 0, inFlight: 0, running: 0 });
}
