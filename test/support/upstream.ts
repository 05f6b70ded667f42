import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** A request as the model server got it, whole. */
export interface UpstreamRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Name, value, name, value, … as received. */
  readonly rawHeaders: readonly string[];
  readonly trailers: NodeJS.Dict<string>;
  readonly body: Buffer;
  /** When its headers were there, in `performance.now()`. */
  readonly arrivedMs: number;
}

/** What the metrics page says. */
export interface UpstreamLoad {
  waiting: number;
  running: number;
  /** 0..1 */
  kvCacheUsage: number;
}

/** Answers a request; the default is a short chat completion. */
export type UpstreamHandler = (request: UpstreamRequest, response: ServerResponse) => void;

/**
 * A model server whose answers and metrics a test decides byte for byte. What needs a server that behaves by itself
 * takes the simulator.
 */
export class Upstream implements AsyncDisposable {
  readonly load: UpstreamLoad = { waiting: 0, running: 0, kvCacheUsage: 0 };
  /** `/metrics` is not counted. */
  readonly requests: UpstreamRequest[] = [];
  /** Called with each metrics page that leaves. */
  onScrape: () => void = () => {};
  handler: UpstreamHandler;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #host: string;
  #port = 0;

  constructor(handler: UpstreamHandler, host = '127.0.0.1') {
    this.handler = handler;
    this.#host = host;
    this.#server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      const path = request.url ?? '';
      if (path === '/metrics') {
        response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(this.#page());
        this.onScrape();
        return;
      }
      const arrivedMs = performance.now();
      const parts: Buffer[] = [];
      request.on('error', () => {});
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const { method = '', headers, rawHeaders, trailers } = request;
        const received = {
          method,
          path,
          headers,
          rawHeaders,
          trailers,
          body: Buffer.concat(parts),
          arrivedMs,
        };
        this.requests.push(received);
        this.handler(received, response);
      });
    });
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  /** `host:port`. */
  get address(): string {
    return `${this.#host}:${this.#port}`;
  }

  /** Listens, on the same port as before when it listened before. */
  async listen(port = this.#port): Promise<void> {
    this.#server.listen(port, this.#host);
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port; // it listens on TCP
  }

  /** Stops listening and resets all connections: from here on the port refuses. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.close();
  }

  #page(): string {
    const { waiting, running, kvCacheUsage } = this.load;
    const sample = (name: string, value: number) =>
      `# TYPE vllm:${name} gauge\nvllm:${name}{engine="0",model_name="sim-model"} ${value}\n`;
    return (
      sample('num_requests_running', running) +
      sample('num_requests_waiting', waiting) +
      sample('kv_cache_usage_perc', kvCacheUsage)
    );
  }
}

/** A listening one; on a free port of 127.0.0.1 unless `port` and `host` say where. */
export async function startUpstream(
  handler: UpstreamHandler = answerShortly,
  port = 0,
  host?: string,
): Promise<Upstream> {
  const upstream = new Upstream(handler, host);
  await upstream.listen(port);
  return upstream;
}

function answerShortly(_request: UpstreamRequest, response: ServerResponse): void {
  const body = JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    model: 'sim-model',
    choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
  });
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
}
