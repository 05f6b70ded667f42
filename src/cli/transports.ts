import { GrpcJsTransport } from '../extproc/transport/grpc-js.ts';
import type { Transport, TransportOptions } from '../extproc/transport/transport.ts';
import type { ServeOptions } from './flags.ts';

/** What `--transport` chooses. */
export function createTransport(name: ServeOptions['transport']): (options: TransportOptions) => Transport {
  switch (name) {
    case 'grpc-js':
      return (options) => new GrpcJsTransport(options);
    default:
      return name satisfies never;
  }
}
