import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

/** Who takes over connected sockets. */
interface Acceptor {
  accept(socket: Socket): void;
  close(): void;
}

/** A transport behind a port of its own. Disposing closes both. */
export interface TransportServer extends AsyncDisposable {
  readonly port: number;
  /** Connections that are open, as the server sees it. */
  readonly connections: number;
  /** Bytes written to connections and not taken by the kernel. */
  readonly unsentBytes: number;
}

/** Listens on a free port of loopback and hands each connection to `transport`. */
export async function serveTransport(transport: Acceptor): Promise<TransportServer> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    transport.accept(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // a listening TCP server has one
  return {
    port,
    get connections() {
      return sockets.size;
    },
    get unsentBytes() {
      let bytes = 0;
      for (const socket of sockets) bytes += socket.writableLength;
      return bytes;
    },
    [Symbol.asyncDispose]: async () => {
      transport.close();
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
