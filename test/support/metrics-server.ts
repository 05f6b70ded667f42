import { EventEmitter, once } from 'node:events';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

/** What the server does with a request. */
export type MetricsServerMode =
  /** Answers with `page`. */
  | 'serve'
  /** Takes the request and never answers. */
  | 'stall'
  /** Sends the headers and half the page, then nothing. */
  | 'stall-body'
  /** Sends a byte of the page every 20 ms. */
  | 'drip'
  /** Sends the page without saying its length first. */
  | 'chunked'
  /** Sends half the page and closes the connection. */
  | 'truncate'
  /** Resets the connection. */
  | 'reset';

/** One request as it arrived. */
export interface ReceivedScrape {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  /** Local port of the client: tells connections apart. */
  readonly connection: number;
}

/** A real HTTP server that serves one page, and misbehaves on demand. */
export class MetricsServer {
  page: string | Buffer = '';
  mode: MetricsServerMode = 'serve';
  status = 200;
  /** Sent with every answer. */
  headers: Record<string, string> = {};
  /** Path → `location` header; requests for the path are redirected with 307. */
  readonly redirects = new Map<string, string>();
  readonly requests: ReceivedScrape[] = [];
  port = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #events = new EventEmitter();
  readonly #timers = new Set<NodeJS.Timeout>();

  /** `tls`: options of `https.createServer`; plain HTTP when absent. */
  constructor(tls?: { key: string; cert: string; ca?: string; requestCert?: boolean }) {
    const handler = (request: IncomingMessage, response: ServerResponse) => this.#answer(request, response);
    this.#server =
      tls === undefined
        ? createHttpServer(handler)
        : createHttpsServer({ ...tls, rejectUnauthorized: tls.requestCert === true }, handler);
    this.#server.keepAliveTimeout = 60_000;
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => undefined); // broken connections are what this server is for
    });
  }

  /** `host:port` of the server. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Listens, on the same port as before when it listened before. Rejects when the machine has no such address. */
  async listen(host = '127.0.0.1'): Promise<void> {
    this.#server.listen(this.port, host);
    await once(this.#server, 'listening');
    this.port = (this.#server.address() as AddressInfo).port; // a TCP server has no other kind of address
  }

  /** Stops listening and resets all connections: the port refuses from here on. */
  async refuse(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.dropConnections();
    await closed;
  }

  /** Resets all connections; new ones are taken. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Resolves when `count` requests have arrived since the start. */
  async received(count: number): Promise<void> {
    while (this.requests.length < count) await once(this.#events, 'request');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    if (this.#server.listening) await this.refuse();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? '';
    this.requests.push({ path, headers: request.headers, connection: request.socket.remotePort ?? 0 });
    this.#events.emit('request');
    const location = this.redirects.get(path);
    if (location !== undefined) {
      response.writeHead(307, { location, 'content-length': '0' }).end();
      return;
    }
    const page = Buffer.from(this.page);
    const head = { 'content-type': 'text/plain; version=0.0.4', ...this.headers };
    switch (this.mode) {
      case 'serve':
        response.writeHead(this.status, { 'content-length': page.length, ...head }).end(page);
        return;
      case 'chunked':
        response.writeHead(this.status, head).end(page);
        return;
      case 'stall':
        return;
      case 'stall-body':
        response.writeHead(this.status, { 'content-length': page.length, ...head });
        response.write(page.subarray(0, page.length >> 1));
        return;
      case 'drip':
        response.writeHead(this.status, head);
        this.#drip(response, page);
        return;
      case 'truncate':
        response.writeHead(this.status, { 'content-length': page.length, ...head });
        response.write(page.subarray(0, page.length >> 1), () => request.socket.destroy());
        return;
      case 'reset':
        request.socket.resetAndDestroy();
        return;
      default:
        this.mode satisfies never;
    }
  }

  #drip(response: ServerResponse, page: Buffer): void {
    let at = 0;
    const timer = setInterval(() => {
      response.write(page.subarray(at, at + 1));
      at += 1;
      if (at < page.length && !response.destroyed) return;
      clearInterval(timer);
      this.#timers.delete(timer);
      response.end();
    }, 20);
    this.#timers.add(timer);
  }
}

/** A listening server with `page`. */
export async function startMetricsServer(page: string | Buffer = ''): Promise<MetricsServer> {
  const server = new MetricsServer();
  server.page = page;
  await server.listen();
  return server;
}
