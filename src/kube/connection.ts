import { createHash } from 'node:crypto';
import { Agent, type Dispatcher, ProxyAgent } from 'undici';
import type { Clock } from '../util/clock.ts';
import type { Access, Credentials } from './access.ts';

/** Time to establish a connection, TLS handshake included. */
const CONNECT_TIMEOUT_MS = 5_000;

/** A peer that is gone without a word is noticed after this and ten probes of one second. */
const KEEP_ALIVE_PROBE_MS = 15_000;

/** Age at which credentials are read again; tokens are renewed by the kubelet minutes before they end. */
const CREDENTIALS_MAX_AGE_MS = 10_000;

/** A request to the API server; the body is JSON. */
export interface KubeRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** From the root of the API, with its query. */
  readonly path: string;
  readonly body?: unknown;
}

/**
 * Connections to the API server, one for each call under way and kept for later ones. HTTP/1.1: what delays one
 * watch delays no other call. Authorities, certificates and tokens that changed on disk are taken over.
 */
export class Connection implements AsyncDisposable {
  readonly #access: Access;
  readonly #clock: Clock;
  #credentials: Credentials | undefined;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #dispatcher: Dispatcher | undefined;
  #fingerprint = '';

  constructor(access: Access, clock: Clock) {
    this.#access = access;
    this.#clock = clock;
  }

  /**
   * Resolves when the headers of an answer of any status are here; its body must be read or destroyed. A request
   * that is refused with 401 is sent once more if the credentials have changed meanwhile. Rejects as undici does.
   */
  async send(request: KubeRequest, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const { headers } = await this.#current();
    const response = await this.#send(request, headers, signal);
    if (response.statusCode !== 401) return response;
    this.#readAtMs = Number.NEGATIVE_INFINITY;
    const renewed = await this.#current();
    if (renewed.headers['authorization'] === headers['authorization']) return response;
    await response.body.dump();
    return await this.#send(request, renewed.headers, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher?.destroy();
  }

  async #send(
    { method, path, body }: KubeRequest,
    credentials: Credentials['headers'],
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const { server } = this.#access;
    const headers: Record<string, string> = {
      ...credentials,
      accept: 'application/json',
      'user-agent': 'endpoint-picker',
    };
    if (body !== undefined) headers['content-type'] = 'application/json';
    const dispatcher = this.#dispatcher;
    if (dispatcher === undefined) throw new Error('no dispatcher before the first credentials');
    return await dispatcher.request({
      origin: server.origin,
      path: `${server.pathname.replace(/\/$/, '')}${path}`,
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal,
      headersTimeout: 0, // the calls have deadlines of their own
      bodyTimeout: 0,
    });
  }

  async #current(): Promise<Credentials> {
    if (this.#credentials !== undefined && this.#clock.nowMs() - this.#readAtMs < CREDENTIALS_MAX_AGE_MS) {
      return this.#credentials;
    }
    const credentials = await this.#read();
    this.#readAtMs = this.#clock.nowMs();
    this.#credentials = credentials;
    const fingerprint = createHash('sha256').update(JSON.stringify(credentials.tls)).digest('hex');
    if (fingerprint === this.#fingerprint) return credentials;
    const replaced = this.#dispatcher;
    this.#dispatcher = this.#connector(credentials);
    this.#fingerprint = fingerprint;
    void replaced?.close().catch(() => undefined); // once its calls have ended
    return credentials;
  }

  /** Files may be missing for a moment while they are replaced: what is known may serve on. */
  async #read(): Promise<Credentials> {
    try {
      return await this.#access.credentials();
    } catch (error) {
      if (this.#credentials === undefined) throw error;
      return this.#credentials;
    }
  }

  #connector({ tls }: Credentials): Dispatcher {
    const connect = {
      ...tls,
      timeout: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
    };
    if (this.#access.proxy === '') return new Agent({ connect, allowH2: false });
    return new ProxyAgent({ uri: this.#access.proxy, requestTls: connect, allowH2: false });
  }
}
