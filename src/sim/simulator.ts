import { type Clock, systemClock } from '../util/clock.ts';
import { ModelServer } from './model-server.ts';
import { type SimOptions, simOptions } from './options.ts';

/** Simulated model servers that listen. Disposing closes them and cuts what is running. */
export interface Simulator extends AsyncDisposable {
  readonly servers: readonly ModelServer[];
  /** `host:port` of each server. */
  readonly addresses: readonly string[];
}

/**
 * Starts the servers that `options` ask for; every setting has its default, and port 0 takes a free port. Rejects when
 * a port is taken or is no number; then none is left open.
 */
export async function startSimulator(
  options: Partial<SimOptions> = {},
  clock: Clock = systemClock,
): Promise<Simulator> {
  const settings = simOptions(options);
  await using started = new AsyncDisposableStack();
  const servers: ModelServer[] = [];
  for (const port of portsOf(settings)) {
    const server = new ModelServer(settings, clock, settings.seed + servers.length * 7919);
    await server.listen(settings.host, port);
    servers.push(started.use(server));
  }
  const kept = started.move();
  return {
    servers,
    addresses: servers.map((server) => server.address),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function portsOf({ port, ports, count }: SimOptions): number[] {
  if (ports.length === 0) return Array.from({ length: count }, (_, i) => (port === 0 ? 0 : port + i));
  return ports.map((text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= 0 && value <= 65535) return value;
    throw new RangeError(`ports: got ${JSON.stringify(text)}, want a number from 0 to 65535`);
  });
}
