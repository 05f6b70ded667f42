import { GrpcJsTransport } from '../extproc/transport/grpc-js.ts';
import type { Transport, TransportOptions } from '../extproc/transport/transport.ts';
import { WireTransport } from '../extproc/transport/wire/transport.ts';
import type { Log } from '../framework/log.ts';
import type { Clock } from '../util/clock.ts';
import type { ServeOptions } from './flags.ts';

/** What `--transport` chooses. `log` hears of connections that are given up. */
export function createTransport(
  name: ServeOptions['transport'],
  clock: Clock,
  log: Log,
): (options: TransportOptions) => Transport {
  switch (name) {
    case 'wire':
      return (options) => new WireTransport(options, clock, log);
    case 'grpc-js':
      return (options) => new GrpcJsTransport(options);
    default:
      return name satisfies never;
  }
}
