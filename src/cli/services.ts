import { once } from 'node:events';

/** A part of the program that starts, runs and is disposed of. */
export interface Service extends AsyncDisposable {
  /** Resolves when it serves. */
  start(signal: AbortSignal): Promise<void>;
}

/**
 * Starts in order, calls `started`, waits for the abort, calls `stopping`; then, or when a start fails, stops the
 * started ones in reverse order.
 */
export async function runServices(
  services: readonly Service[],
  options: { readonly signal: AbortSignal; started(): void; stopping(): Promise<void> },
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  for (const service of services) {
    stack.use(service);
    await service.start(options.signal);
  }
  options.started();
  if (!options.signal.aborted) await once(options.signal, 'abort');
  await options.stopping();
}
