import { type Clock, systemClock } from '../util/clock.ts';
import { ModelServer } from './model-server.ts';
import { checkSimOptions, type SimOptions, simOptions } from './options.ts';
import { SharedStore } from './shared-store.ts';

/** Simulated model servers that listen. Disposing closes them and cuts what is running. */
export interface Simulator extends AsyncDisposable {
  /** Ranks of one pod follow each other. */
  readonly servers: readonly ModelServer[];
  /** `host:port` of each server. */
  readonly addresses: readonly string[];
}

/**
 * Starts the servers that `options` ask for; every setting has its default, and port 0 takes a free port. Rejects when
 * a port is taken or is no number, or a setting makes no sense; then none is left open.
 */
export async function startSimulator(
  options: Partial<SimOptions> = {},
  clock: Clock = systemClock,
): Promise<Simulator> {
  const settings = simOptions(options);
  checkSimOptions(settings);
  await using started = new AsyncDisposableStack();
  const servers: ModelServer[] = [];
  const store = new SharedStore();
  for (const port of portsOf(settings)) {
    const server = new ModelServer(settings, { clock, seed: settings.seed + servers.length * 7919, store });
    await server.listen(settings.host, port);
    servers.push(started.use(server));
  }
  const { dataParallelSize } = settings;
  for (let i = 0; i < servers.length; i += dataParallelSize) {
    const ranks = servers.slice(i, i + dataParallelSize);
    for (const rank of ranks) rank.ranks = ranks;
  }
  const kept = started.move();
  return {
    servers,
    addresses: servers.map((server) => server.address),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** One port per rank; the ranks of a server are on consecutive ports, or on free ones for port 0. */
function portsOf({ port, ports, count, dataParallelSize }: SimOptions): number[] {
  const ranksFrom = (first: number) =>
    Array.from({ length: dataParallelSize }, (_, rank) => (first === 0 ? 0 : first + rank));
  if (ports.length === 0) {
    return Array.from({ length: count }, (_, i) => (port === 0 ? 0 : port + i * dataParallelSize)).flatMap(
      ranksFrom,
    );
  }
  return ports.flatMap((text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= 0 && value <= 65535) return ranksFrom(value);
    throw new RangeError(`ports: got ${JSON.stringify(text)}, want a number from 0 to 65535`);
  });
}
