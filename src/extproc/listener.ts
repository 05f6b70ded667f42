import { once } from 'node:events';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions, type Server as TlsServer } from 'node:tls';

/** Waiting connections the kernel keeps; a fleet of Envoys reconnects at once after a restart. */
const BACKLOG = 1024;

/** Ends connections that never speak; also bounds how long one can outlive a closed listener. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Where to listen. */
export interface ListenAddress {
  /** '' for all addresses, IPv6 and IPv4. */
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
}

/** One listening port that hands connected sockets on; over TLS only those that negotiated `h2`. */
export class Listener {
  readonly #server: Server;
  readonly #tls: TlsServer | undefined;

  /** `tls` undefined for plaintext. */
  constructor(accept: (socket: Socket) => void, tls: TlsOptions | undefined) {
    if (tls === undefined) {
      this.#tls = undefined;
      this.#server = createTcpServer({ noDelay: true }, accept);
      return;
    }
    const options: TlsOptions = { ...tls, ALPNProtocols: ['h2'], handshakeTimeout: HANDSHAKE_TIMEOUT_MS };
    this.#tls = createTlsServer(options, (socket) => {
      socket.setNoDelay(true);
      if (socket.alpnProtocol === 'h2') accept(socket);
      else socket.destroy();
    });
    // A client that breaks off its handshake is its own affair.
    this.#tls.on('tlsClientError', (_error, socket) => socket.destroy());
    this.#server = this.#tls;
  }

  /** Resolves with the bound port; rejects when it is taken. */
  async listen(address: ListenAddress): Promise<number> {
    this.#server.listen({
      port: address.port,
      backlog: BACKLOG,
      ...(address.host !== '' && { host: address.host }),
    });
    await once(this.#server, 'listening');
    const bound = this.#server.address() as AddressInfo; // a listening TCP server has one
    return bound.port;
  }

  /** Uses another certificate for connections to come. */
  setCertificate(options: TlsOptions): void {
    this.#tls?.setSecureContext(options);
  }

  /** Takes no more connections; those handed on are not touched. */
  close(): void {
    this.#server.close();
  }
}
