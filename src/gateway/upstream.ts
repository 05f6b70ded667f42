import { type Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import type { Clock } from '../util/clock.ts';
import type { HeaderList } from './header-list.ts';
import { splitAddress } from './options.ts';

/** What an upstream request tells. `onFailure` may come before the response or in the middle of it. */
export interface UpstreamListener {
  onResponse(response: IncomingMessage, address: string): void;
  /** `reason`: as Envoy names it. */
  onFailure(reason: string): void;
}

/** What stays the same for all requests. */
export interface UpstreamContext {
  readonly agent: Agent;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
}

/**
 * A request to the first address of a list that accepts a connection. What is written before one does is kept, so that
 * the next address gets the whole request.
 */
export class Upstream {
  readonly #headers: HeaderList;
  readonly #addresses: readonly string[];
  readonly #context: UpstreamContext;
  readonly #listener: UpstreamListener;
  /** Body so far, kept while another address may need it. */
  #kept: Buffer[] = [];
  #hasEnded = false;
  #trailers: [string, string][] = [];
  #next = 0;
  #request: ClientRequest | undefined;
  #isOver = false;

  /** `addresses`: `host:port`, best first, at least one. Connects at once. */
  constructor(
    headers: HeaderList,
    addresses: readonly string[],
    extra: { readonly context: UpstreamContext; readonly listener: UpstreamListener },
  ) {
    this.#headers = headers;
    this.#addresses = addresses;
    this.#context = extra.context;
    this.#listener = extra.listener;
    this.#connect();
  }

  /** False when the caller should wait for `whenDrained`. */
  write(chunk: Buffer): boolean {
    if (this.#next < this.#addresses.length) this.#kept.push(chunk);
    return this.#isOver || this.#request === undefined || this.#request.write(chunk);
  }

  whenDrained(callback: () => void): void {
    this.#request?.once('drain', callback);
  }

  /** The request is complete. */
  end(trailers: [string, string][] = []): void {
    this.#hasEnded = true;
    this.#trailers = trailers;
    if (!this.#isOver) this.#finish();
  }

  /** Drops the request; the listener hears nothing any more. */
  cancel(): void {
    this.#isOver = true;
    this.#request?.destroy();
  }

  #connect(): void {
    const address = this.#addresses[this.#next] ?? '';
    this.#next += 1;
    let target: { host: string; port: number };
    try {
      target = splitAddress(address);
    } catch {
      this.#retryOrFail('no healthy upstream');
      return;
    }
    const request = httpRequest({
      ...target,
      agent: this.#context.agent,
      method: this.#headers.get(':method') ?? 'GET',
      path: this.#headers.get(':path') ?? '/',
      headers: this.#headers.toRaw(),
    });
    this.#request = request;
    let hasResponse = false;
    let isConnected = false;
    const cancelTimer = this.#context.clock.after(this.#context.connectTimeoutMs, () => {
      if (!isConnected) request.destroy(new Error('connection timeout'));
    });
    request.on('socket', (socket) => {
      const connected = () => {
        isConnected = true;
        cancelTimer();
      };
      if (socket.connecting) socket.once('connect', connected);
      else connected();
    });
    request.on('response', (response) => {
      hasResponse = true;
      this.#kept = [];
      if (this.#isOver) return;
      response.on('error', () => this.#fail('connection termination'));
      this.#listener.onResponse(response, address);
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      cancelTimer();
      if (this.#request !== request || this.#isOver) return;
      if (hasResponse || isConnected) this.#fail('connection termination');
      else this.#retryOrFail(connectReason(error));
    });
    for (const chunk of this.#kept) request.write(chunk);
    if (this.#next >= this.#addresses.length) this.#kept = [];
    if (this.#hasEnded) this.#finish();
  }

  #finish(): void {
    if (this.#trailers.length > 0) this.#request?.addTrailers(this.#trailers);
    this.#request?.end();
  }

  #retryOrFail(reason: string): void {
    if (this.#next < this.#addresses.length) this.#connect();
    else this.#fail(reason);
  }

  #fail(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#listener.onFailure(reason);
  }
}

function connectReason(error: NodeJS.ErrnoException): string {
  if (error.message === 'connection timeout') return 'connection timeout';
  const cause = error.code === 'ECONNREFUSED' ? 'Connection refused' : (error.code ?? 'unknown');
  return `remote connection failure, transport failure reason: delayed connect error: ${cause}`;
}
