import { PollError } from '../../../framework/data-source.ts';
import type { BearerToken } from './bearer-token.ts';
import { ScrapeConnection } from './scrape-connection.ts';
import type { Connector } from './tls-connector.ts';

const REFUSED_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'EPIPE',
  'UND_ERR_SOCKET',
]);

/** Where a target is. */
export interface TargetAddress {
  /** `http://host:port` or `https://host:port`. */
  readonly origin: string;
  readonly path: string;
  /** `accept` header. */
  readonly accept: string;
  /** Sent with every request; undefined for none. */
  readonly token: BearerToken | undefined;
  /** The port also serves requests, so that a refused connection says something about the endpoint. */
  readonly isServingPort: boolean;
}

/** One page of one server: follows a redirect once and remembers it, retries when a kept connection was closed. */
export class ScrapeTarget {
  readonly #address: TargetAddress;
  readonly #connector: Connector;
  #connection: ScrapeConnection | undefined;
  /** Where the last redirect led, else the configured path. */
  #path: string;
  #signal: AbortSignal | undefined;
  #isReading = false;

  constructor(address: TargetAddress, connector: Connector) {
    this.#address = address;
    this.#connector = connector;
    this.#path = address.path;
  }

  /** The page; valid until the next call. Rejects with `PollError`. One call at a time. */
  async read(signal: AbortSignal): Promise<Buffer> {
    if (this.#isReading) throw this.#error('is being read already');
    if (signal.aborted) throw this.#error(reasonOf(signal));
    this.#listen(signal);
    this.#isReading = true;
    try {
      let response = await this.#get();
      if (isRedirect(response.status)) {
        this.#follow(response);
        response = await this.#get();
      }
      if (response.status === 200) return response.page;
      // the server may have moved its page since it redirected
      this.#path = this.#address.path;
      throw this.#error(`HTTP ${response.status}, want 200`);
    } finally {
      this.#isReading = false;
    }
  }

  /** Ends a reading in progress and closes the connection. */
  close(): void {
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#signal = undefined;
    this.#disconnect('was closed');
  }

  async #get(): Promise<ScrapeConnection> {
    this.#connection ??= new ScrapeConnection(this.#address.origin, this.#address.accept, this.#connector);
    const connection = this.#connection;
    const authorization = this.#address.token?.header ?? '';
    try {
      await connection.get(this.#path, authorization);
    } catch (error) {
      // a kept connection may have been closed at the same moment; that says nothing about the server
      if (!isRefusal(error) || !connection.wasKept) throw this.#translate(error, connection);
      await connection.get(this.#path, authorization).catch((second: unknown) => {
        throw this.#translate(second, connection);
      });
    }
    return connection;
  }

  #follow(response: ScrapeConnection): void {
    const target = URL.parse(response.location, `${this.#address.origin}${this.#path}`);
    if (response.location === '' || target?.origin !== new URL(this.#address.origin).origin) {
      throw this.#error(`HTTP ${response.status} to another server, want 200`);
    }
    this.#path = `${target.pathname}${target.search}`;
  }

  /** The poller passes the same signal until it aborts, so the listener stays on between readings. */
  #listen(signal: AbortSignal): void {
    if (signal === this.#signal) return;
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#signal = signal;
    signal.addEventListener('abort', this.#abort, { once: true });
  }

  readonly #abort = (): void => {
    const reason = this.#signal === undefined ? 'was aborted' : reasonOf(this.#signal);
    this.#signal = undefined;
    this.#disconnect(reason);
  };

  /** A connection with an unfinished answer cannot be used again, and one that is being opened may hang. */
  #disconnect(reason: string): void {
    this.#connection?.destroy(this.#error(reason));
    this.#connection = undefined;
  }

  /** A server that closes in the midst of its answer is there: that is a failure like any other. */
  #translate(thrown: unknown, { status }: ScrapeConnection): PollError {
    if (thrown instanceof PollError) return thrown;
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    const code = codeOf(error);
    const text = code === '' || error.message.includes(code) ? error.message : `${code} ${error.message}`;
    const isAnswered = status !== 0;
    const what = isAnswered && isRefusal(error) ? `the answer is cut off: ${text}` : text;
    const isRefused = isRefusal(error) && !isAnswered && this.#address.isServingPort;
    return this.#error(what.trim(), isRefused, error);
  }

  #error(what: string, isRefused = false, cause?: Error): PollError {
    const options = cause === undefined ? undefined : { cause };
    return new PollError(`scrape of ${this.#address.origin}${this.#path}: ${what}`, isRefused, options);
  }
}

function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function isRefusal(error: unknown): boolean {
  return REFUSED_CODES.has(codeOf(error));
}

function reasonOf(signal: AbortSignal): string {
  return signal.reason instanceof Error ? signal.reason.message : 'was aborted';
}
