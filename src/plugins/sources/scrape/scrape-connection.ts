import { Client, type Dispatcher } from 'undici';
import type { Connector } from './tls-connector.ts';

/** Largest page that is read; vLLM's are about 60 kB. */
const MAX_PAGE_BYTES = 8 * 2 ** 20;

/** Most of an error page that is read for the sake of keeping its connection. */
const MAX_ERROR_BYTES = 64 * 2 ** 10;

/** Longest wait for the headers, and then between two pieces of the body. */
const TIMEOUT_MS = 1_000;

/** Under the 5 s after which uvicorn closes an idle connection, above the 1 s between polls of an idle pool. */
const KEEP_ALIVE_MS = 4_500;

/** Upper bound for servers that announce a longer keep-alive. */
const KEEP_ALIVE_MAX_MS = 60_000;

/**
 * One kept connection to one server, and the last answer that came over it. Handles undici's events itself: its
 * stream and promise layers cost more than the page.
 */
export class ScrapeConnection implements Dispatcher.DispatchHandler {
  /** HTTP status of the last answer; 0 while there is none. */
  status = 0;
  /** `location` header of the last answer, '' when absent. */
  location = '';
  readonly #client: Client;
  readonly #headers: string[];
  #page = Buffer.alloc(0);
  #length = 0;
  #hasOpened = false;
  #resolve: (() => void) | undefined;
  #reject: ((error: Error) => void) | undefined;

  /** Connects on first use. `origin`: `http://host:port` or `https://host:port`; `accept`: header of every request. */
  constructor(origin: string, accept: string, connector: Connector) {
    this.#headers = ['accept', accept, 'accept-encoding', 'identity'];
    this.#client = new Client(origin, {
      connect: connector.connect,
      allowH2: false,
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
      headersTimeout: TIMEOUT_MS,
      bodyTimeout: TIMEOUT_MS,
    });
    this.#client.on('connect', () => {
      this.#hasOpened = true;
    });
  }

  /**
   * Resolves when an answer of any status is in. `authorization`: header of the request, '' for none. Rejects as undici
   * does, or with what `destroy` was given.
   */
  get(path: string, authorization: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#length = 0;
      this.status = 0;
      this.location = '';
      this.#hasOpened = false;
      const headers =
        authorization === '' ? this.#headers : [...this.#headers, 'authorization', authorization];
      this.#client.dispatch({ path, method: 'GET', headers }, this);
    });
  }

  /** Body of the last answer if its status was 200; valid until the next `get`. */
  get page(): Buffer {
    return this.#page.subarray(0, this.#length);
  }

  /** The last `get` went over a connection that had been used before, and no answer came. */
  get wasKept(): boolean {
    return !this.#hasOpened && this.status === 0;
  }

  /** Closes the connection; a `get` under way rejects with `error` at once. */
  destroy(error: Error): void {
    this.#fail(error);
    void this.#client.destroy(error).catch(() => undefined); // it has nothing left to tell
  }

  /** Undici calls it and there is nothing to do. */
  onRequestStart(): void {}

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.status = status;
    this.location = typeof headers['location'] === 'string' ? headers['location'] : '';
    const length = Number(headers['content-length']);
    if (status !== 200 || !(length > this.#page.length)) return;
    if (length > MAX_PAGE_BYTES) controller.abort(new Error(`${length} bytes, at most 8 MiB are read`));
    else this.#page = Buffer.allocUnsafeSlow(length);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const end = this.#length + chunk.length;
    if (this.status !== 200) {
      this.#length = end;
      if (end > MAX_ERROR_BYTES) controller.abort(new Error(`HTTP ${this.status} with an endless body`));
      return;
    }
    if (end > MAX_PAGE_BYTES) {
      controller.abort(new Error('more than 8 MiB'));
      return;
    }
    if (end > this.#page.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(Math.max(end, this.#page.length * 2), MAX_PAGE_BYTES));
      this.#page.copy(grown, 0, 0, this.#length);
      this.#page = grown;
    }
    chunk.copy(this.#page, this.#length);
    this.#length = end;
  }

  onResponseEnd(): void {
    const resolve = this.#resolve;
    this.#resolve = undefined;
    this.#reject = undefined;
    resolve?.();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(error);
  }

  #fail(error: Error): void {
    const reject = this.#reject;
    this.#resolve = undefined;
    this.#reject = undefined;
    reject?.(error);
  }
}
