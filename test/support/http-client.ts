import {
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
} from 'node:http';

/** A request as a test writes it; a body makes it a POST. */
export interface HttpRequest {
  readonly method?: string;
  readonly path?: string;
  /** Pairs where a name repeats. */
  readonly headers?: Readonly<Record<string, string | string[]>>;
  /** A string or bytes as they are, anything else as JSON. */
  readonly body?: unknown;
}

/** A piece of a body and when it came, in `performance.now()`. */
export interface TimedChunk {
  readonly atMs: number;
  readonly bytes: Buffer;
}

/** An answer that is over. */
export interface HttpAnswer {
  /** 0 when the connection broke before the head. */
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Name, value, name, value, … as received. */
  readonly rawHeaders: readonly string[];
  readonly trailers: NodeJS.Dict<string>;
  readonly chunks: readonly TimedChunk[];
  readonly body: Buffer;
  /** The connection broke before the end of the body. */
  readonly isCut: boolean;
}

/** One HTTP/1.1 exchange on a connection of its own. */
export class HttpExchange {
  readonly #request: ClientRequest;
  readonly #chunks: TimedChunk[] = [];
  #response: IncomingMessage | undefined = undefined;
  /** Resolves when the exchange is over, however it ends; never rejects. */
  readonly ended: Promise<HttpAnswer>;

  constructor(url: string, options: HttpRequest = {}) {
    const body = bodyBytes(options.body);
    const method = options.method ?? (body === undefined ? 'GET' : 'POST');
    const length = method === 'POST' ? { 'content-length': String(body?.length ?? 0) } : {};
    const headers: OutgoingHttpHeaders = {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...length,
      ...options.headers,
    };
    this.#request = request(new URL(options.path ?? '/v1/chat/completions', url), {
      method,
      headers,
      agent: false,
    });
    this.#request.on('error', () => {});
    this.ended = new Promise((resolve) => {
      this.#request.on('response', (response) => {
        this.#response = response;
        response.on('error', () => {});
        response.on('data', (bytes: Buffer) => this.#chunks.push({ atMs: performance.now(), bytes }));
        response.on('close', () => resolve(this.#answer()));
      });
      this.#request.on('close', () => {
        if (this.#response === undefined) resolve(this.#answer());
      });
    });
    this.#request.end(body);
  }

  /** HTTP status; 0 before the head. */
  get status(): number {
    return this.#response?.statusCode ?? 0;
  }

  /** What has come of the body. */
  get chunks(): readonly TimedChunk[] {
    return this.#chunks;
  }

  /** Breaks the connection off. */
  leave(): void {
    this.#request.destroy();
  }

  #answer(): HttpAnswer {
    const response = this.#response;
    return {
      status: response?.statusCode ?? 0,
      headers: response?.headers ?? {},
      rawHeaders: response?.rawHeaders ?? [],
      trailers: response?.trailers ?? {},
      chunks: this.#chunks,
      body: Buffer.concat(this.#chunks.map(({ bytes }) => bytes)),
      isCut: response?.complete !== true,
    };
  }
}

/** Sends one request and reads its whole answer. */
export function send(url: string, options: HttpRequest = {}): Promise<HttpAnswer> {
  return new HttpExchange(url, options).ended;
}

/** The body of a small chat request that asks for `maxTokens` tokens; `more` adds members. */
export function chatBody(content: string, maxTokens: number, more: object = {}): object {
  return {
    model: 'sim-model',
    messages: [{ role: 'user', content }],
    max_tokens: maxTokens,
    ...more,
  };
}

/** Values of a header in the order received, however often it came; `name` in lower case. */
export function allValues(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() === name) values.push(rawHeaders[i + 1] ?? '');
  }
  return values;
}

function bodyBytes(body: unknown): Buffer | undefined {
  if (body === undefined) return undefined;
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}
