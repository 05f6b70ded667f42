import { ChannelCredentials, Client, type ClientDuplexStream, type StatusObject } from '@grpc/grpc-js';
import {
  decodeResponse,
  encodeRequest,
  type HeaderMap,
  type HeaderMutation,
  type ImmediateResponse,
  type Metadata,
  PROCESS_PATH,
  type ProcessingRequest,
  type ProcessingResponse,
  type ProtocolConfiguration,
  type Value,
} from '../../src/extproc/codec.ts';

/** Headers as a test writes them; pairs where a name repeats. */
export type HeaderInput = Readonly<Record<string, string>> | readonly (readonly [string, string])[];

/** What may come with any message of the data plane. */
export interface MessageOptions {
  readonly endOfStream?: boolean;
  readonly metadata?: Metadata;
  /** Attributes of the request, as Envoy sends those that `request_attributes` names. */
  readonly attributes?: Readonly<Record<string, string>>;
  /** Only on the first message. */
  readonly config?: ProtocolConfiguration;
  readonly observabilityMode?: boolean;
}

/** The request direction of an exchange as the picker answered it. */
export interface RoutedRequest {
  /** Set instead of everything else when the picker refused. */
  readonly immediate: ImmediateResponse | undefined;
  /** `x-gateway-destination-endpoint`, '' when not set. */
  readonly destination: string;
  readonly setHeaders: ReadonlyMap<string, string>;
  readonly removeHeaders: readonly string[];
  /** Dynamic metadata of namespace `envoy.lb`. */
  readonly metadata: Readonly<Record<string, Value>>;
  readonly clearsRouteCache: boolean;
  /** What goes to the model server. */
  readonly body: Buffer;
}

/** The response direction of an exchange as the client sees it. */
export interface ForwardedResponse {
  readonly setHeaders: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** Plays Envoy's side of ext-proc over real gRPC. */
export class ExtProcClient implements Disposable {
  readonly #client: Client;

  /** `address`: `host:port`. Plaintext unless `credentials` are given. */
  constructor(address: string, credentials = ChannelCredentials.createInsecure()) {
    this.#client = new Client(address, credentials, {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
    });
  }

  /** One exchange. */
  open(): ExchangeClient {
    return new ExchangeClient(
      this.#client.makeBidiStreamRequest(PROCESS_PATH, encodeRequest, decodeResponse),
    );
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

/** One exchange: sends what Envoy sends, keeps what the picker answers. */
export class ExchangeClient {
  readonly #call: ClientDuplexStream<ProcessingRequest, ProcessingResponse>;
  /** Every reply so far, in order. */
  readonly replies: ProcessingResponse[] = [];
  /** Resolves with the gRPC status when the stream is over; never rejects. */
  readonly ended: Promise<StatusObject>;
  #taken = 0;
  #isOver = false;
  #wake: () => void = () => {};

  constructor(call: ClientDuplexStream<ProcessingRequest, ProcessingResponse>) {
    this.#call = call;
    call.on('data', (reply: ProcessingResponse) => {
      this.replies.push(reply);
      this.#wake();
    });
    call.on('error', () => {});
    this.ended = new Promise((resolve) => {
      call.on('status', (status: StatusObject) => {
        this.#isOver = true;
        this.#wake();
        resolve(status);
      });
    });
  }

  /** Sends any message; false when the transport has enough. */
  send(message: ProcessingRequest): boolean {
    return this.#call.write(message);
  }

  requestHeaders(headers: HeaderInput, options: MessageOptions = {}): this {
    this.send({ requestHeaders: httpHeaders(headers, options), ...around(options) });
    return this;
  }

  requestBody(body: Uint8Array | string, options: MessageOptions = {}): this {
    this.send({ requestBody: httpBody(body, options), ...around(options) });
    return this;
  }

  requestTrailers(trailers: HeaderInput = {}, options: MessageOptions = {}): this {
    this.send({ requestTrailers: { trailers: headerMap(trailers) }, ...around(options) });
    return this;
  }

  responseHeaders(headers: HeaderInput, options: MessageOptions = {}): this {
    this.send({ responseHeaders: httpHeaders(headers, options), ...around(options) });
    return this;
  }

  responseBody(body: Uint8Array | string, options: MessageOptions = {}): this {
    this.send({ responseBody: httpBody(body, options), ...around(options) });
    return this;
  }

  responseTrailers(trailers: HeaderInput = {}, options: MessageOptions = {}): this {
    this.send({ responseTrailers: { trailers: headerMap(trailers) }, ...around(options) });
    return this;
  }

  /** The next reply not taken yet. Rejects when the stream ends without one. */
  async next(): Promise<ProcessingResponse> {
    for (;;) {
      const reply = this.replies[this.#taken];
      if (reply !== undefined) {
        this.#taken += 1;
        return reply;
      }
      if (this.#isOver) {
        const { code, details } = await this.ended;
        throw new Error(`the stream ended with status ${code} ${details}, want a reply`);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Sends a whole request in full duplex mode and reads its answer. */
  async route(
    request: {
      readonly headers?: HeaderInput;
      readonly body?: Uint8Array | string;
      /** Size of the chunks the body is sent in. */
      readonly chunkBytes?: number;
    } & MessageOptions,
  ): Promise<RoutedRequest> {
    const headers = request.headers ?? { ':method': 'POST', ':path': '/v1/chat/completions' };
    const body = request.body === undefined ? undefined : Buffer.from(request.body);
    this.requestHeaders(headers, { ...request, endOfStream: body === undefined });
    for (const [chunk, endOfStream] of chunksOf(body, request.chunkBytes)) {
      this.requestBody(chunk, { endOfStream });
    }
    return this.routed(body === undefined);
  }

  /** Reads the answer to a request in full duplex mode: its headers and, unless `isBodiless`, its whole body. */
  async routed(isBodiless = false): Promise<RoutedRequest> {
    const first = await this.next();
    const answer = first.requestHeaders?.response;
    const parts: Uint8Array[] = [];
    let immediate = first.immediateResponse;
    for (let isOpen = !isBodiless && immediate === undefined; isOpen; ) {
      const reply = await this.next();
      immediate = reply.immediateResponse;
      const piece = reply.requestBody?.response?.bodyMutation?.streamedResponse;
      if (piece?.body !== undefined) parts.push(piece.body);
      isOpen = piece !== undefined && piece.endOfStream !== true;
    }
    const setHeaders = settings(answer?.headerMutation);
    return {
      immediate,
      destination: setHeaders.get('x-gateway-destination-endpoint') ?? '',
      setHeaders,
      removeHeaders: answer?.headerMutation?.removeHeaders ?? [],
      metadata: first.dynamicMetadata?.fields?.['envoy.lb']?.structValue?.fields ?? {},
      clearsRouteCache: answer?.clearRouteCache === true,
      body: Buffer.concat(parts),
    };
  }

  /** Sends a whole response in full duplex mode, reads what goes to the client, and ends the exchange as Envoy does. */
  async respond(
    response: {
      readonly headers?: HeaderInput;
      /** Chunks as the model server sends them; an empty last one carries the end of the stream. */
      readonly chunks?: readonly (Uint8Array | string)[];
    } & MessageOptions,
  ): Promise<ForwardedResponse> {
    const headers = response.headers ?? { ':status': '200', 'content-type': 'application/json' };
    const chunks = response.chunks ?? [];
    this.responseHeaders(headers, { ...response, endOfStream: chunks.length === 0 });
    const answer = await this.next();
    for (const [i, chunk] of chunks.entries()) {
      this.responseBody(chunk, { endOfStream: i === chunks.length - 1 });
    }
    const parts: Uint8Array[] = [];
    for (let isOpen = chunks.length > 0; isOpen; ) {
      const piece = (await this.next()).responseBody?.response?.bodyMutation?.streamedResponse;
      if (piece?.body !== undefined) parts.push(piece.body);
      isOpen = piece !== undefined && piece.endOfStream !== true;
    }
    this.halfClose();
    await this.ended;
    return {
      setHeaders: settings(answer.responseHeaders?.response?.headerMutation),
      body: Buffer.concat(parts),
    };
  }

  /** Sends no more. */
  halfClose(): void {
    this.#call.end();
  }

  /** Breaks the stream off, as Envoy does when the client is gone. */
  cancel(): void {
    this.#call.cancel();
  }

  /** Stops reading replies; flow control holds them back at the picker. */
  pauseReading(): void {
    this.#call.pause();
  }

  resumeReading(): void {
    this.#call.resume();
  }
}

/** Headers a mutation sets, by name. */
export function settings(mutation: HeaderMutation | undefined): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const { header } of mutation?.setHeaders ?? []) {
    values.set(header.key ?? '', Buffer.from(header.rawValue ?? []).toString());
  }
  return values;
}

/** Metadata as Envoy sends it: namespace, key, and a list of strings or one string. */
export function metadata(namespace: string, key: string, value: string | readonly string[]): Metadata {
  const wire: Value =
    typeof value === 'string'
      ? { stringValue: value }
      : { listValue: { values: value.map((item) => ({ stringValue: item })) } };
  return { filterMetadata: { [namespace]: { fields: { [key]: wire } } } };
}

/** Entries with `raw_value`, as Envoy sends them. */
function headerMap(headers: HeaderInput): HeaderMap {
  const pairs = Array.isArray(headers)
    ? (headers as readonly (readonly [string, string])[])
    : Object.entries(headers);
  return { headers: pairs.map(([key, value]) => ({ key, rawValue: Buffer.from(String(value)) })) };
}

function httpHeaders(
  headers: HeaderInput,
  options: MessageOptions,
): ProcessingRequest['requestHeaders'] & object {
  return { headers: headerMap(headers), endOfStream: options.endOfStream === true };
}

function httpBody(
  body: Uint8Array | string,
  options: MessageOptions,
): ProcessingRequest['requestBody'] & object {
  return { body: Buffer.from(body), endOfStream: options.endOfStream === true };
}

function around(options: MessageOptions): ProcessingRequest {
  return {
    ...(options.metadata !== undefined && { metadataContext: options.metadata }),
    ...(options.attributes !== undefined && { attributes: attributesOf(options.attributes) }),
    ...(options.config !== undefined && { protocolConfig: options.config }),
    ...(options.observabilityMode === true && { observabilityMode: true }),
  };
}

/** Below the filter's name, as Envoy sends them. */
function attributesOf(values: Readonly<Record<string, string>>): ProcessingRequest['attributes'] & object {
  const fields = Object.entries(values).map(([name, stringValue]) => [name, { stringValue }] as const);
  return { 'envoy.filters.http.ext_proc': { fields: Object.fromEntries(fields) } };
}

function* chunksOf(body: Buffer | undefined, chunkBytes = 16_384): Generator<[Buffer, boolean]> {
  if (body === undefined) return;
  for (let at = 0; at === 0 || at < body.length; at += chunkBytes) {
    yield [body.subarray(at, at + chunkBytes), at + chunkBytes >= body.length];
  }
}
