import type { IncomingMessage } from 'node:http';
import { BODY_SEND_MODE, type CommonResponse } from '../extproc/codec.ts';
import { HeaderList } from './header-list.ts';
import { DESTINATION, destinationsOf } from './metadata.ts';
import type { PickerLink } from './picker-link.ts';
import { Upstream, type UpstreamContext, type UpstreamListener } from './upstream.ts';

/** What a request needs of its exchange. */
export interface RequestHalfOptions {
  readonly link: PickerLink;
  readonly upstream: UpstreamContext;
  readonly listener: UpstreamListener;
  /** The next endpoint in turn; undefined when there are none. */
  fallback(): string | undefined;
  newRequestId(): string;
}

/** Client headers that would choose the destination past the picker. */
const CONTROL_HEADERS = [
  DESTINATION,
  'x-prefiller-host-port',
  'x-encoder-hosts-ports',
  'x-data-parallel-host-port',
  'x-kv-cache-source-host-port',
];

/** Client → picker → model server. Methods that take a reply return false when the reply is out of place. */
export class RequestHalf {
  readonly #request: IncomingMessage;
  readonly #options: RequestHalfOptions;
  readonly #headers = new HeaderList();
  readonly #hasBody: boolean;
  #phase: 'headers' | 'body' | 'done' = 'headers';
  /** A body chunk went to the picker, which has the only copy. */
  #hasSentBody = false;
  #isDropped = false;
  #upstream: Upstream | undefined;
  /** The client waits for it. */
  #fullSink: PickerLink | Upstream | undefined;

  constructor(request: IncomingMessage, options: RequestHalfOptions) {
    this.#request = request;
    this.#options = options;
    const { headers } = request;
    this.#hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  }

  /** Sends the headers to the picker, or goes without one, and starts to read the body. */
  start(): void {
    this.#readHeaders();
    const { link } = this.#options;
    if (link.isActive) {
      link.send({
        requestHeaders: { headers: this.#headers.toHeaderMap(), endOfStream: !this.#hasBody },
        protocolConfig: {
          requestBodyMode: BODY_SEND_MODE.FULL_DUPLEX_STREAMED,
          responseBodyMode: BODY_SEND_MODE.FULL_DUPLEX_STREAMED,
        },
      });
    } else this.#connect([]);
    this.#readBody();
  }

  onHeaders(reply: CommonResponse | undefined): boolean {
    if (this.#phase !== 'headers') return false;
    this.#headers.apply(reply?.headerMutation);
    this.#connect(destinationsOf(this.#headers, this.#options.link.metadata));
    return true;
  }

  onBody(reply: CommonResponse | undefined): boolean {
    const streamed = reply?.bodyMutation?.streamedResponse;
    if (this.#phase !== 'body' || streamed === undefined) return false;
    this.#forward(Buffer.from(streamed.body ?? []), streamed.endOfStream === true);
    return true;
  }

  onTrailers(): boolean {
    if (this.#phase !== 'body') return false;
    this.#end(this.#trailers());
    return true;
  }

  /** False when what the picker still held makes it impossible to go on. */
  onPickerGone(): boolean {
    if (this.#phase === 'done') return true;
    if (this.#hasSentBody) return false;
    if (this.#phase === 'headers') this.#connect([]);
    this.#request.resume();
    return true;
  }

  /** Nothing goes to the model server any more; the rest of the request is read and dropped. */
  drop(): void {
    this.#isDropped = true;
    this.#upstream?.cancel();
    this.#upstream = undefined;
    this.#request.resume();
  }

  /** The response is complete: what is left of the request is read and dropped, the connection kept. */
  release(): void {
    this.#isDropped = true;
    this.#upstream = undefined;
    this.#request.resume();
  }

  #readHeaders(): void {
    const { headers, method, url, rawHeaders } = this.#request;
    const list = this.#headers;
    list.add(':method', method ?? 'GET');
    list.add(':path', url ?? '/');
    list.add(':authority', headers.host ?? '');
    list.add(':scheme', 'http');
    list.addRaw(rawHeaders);
    list.remove('host');
    for (const name of CONTROL_HEADERS) list.remove(name);
    list.set('x-forwarded-proto', 'http');
    if (list.get('x-request-id') === undefined) list.add('x-request-id', this.#options.newRequestId());
  }

  /** The flag for the end goes with the last chunk where the length is known, else with an empty one. */
  #readBody(): void {
    const length = Number(this.#request.headers['content-length'] ?? Number.NaN);
    let received = 0;
    this.#request.on('data', (chunk: Buffer) => {
      received += chunk.length;
      this.#onChunk(chunk, received === length);
    });
    this.#request.on('end', () => {
      if (this.#isDropped || !this.#hasBody) return;
      if (this.#request.rawTrailers.length > 0) this.#onClientTrailers();
      else if (received !== length) this.#onChunk(Buffer.alloc(0), true);
    });
  }

  #onChunk(chunk: Buffer, isLast: boolean): void {
    const { link } = this.#options;
    if (this.#isDropped) return;
    if (!link.isActive) {
      this.#forward(chunk, isLast);
      return;
    }
    this.#hasSentBody = true;
    if (!link.send({ requestBody: { body: chunk, endOfStream: isLast } })) this.#pauseFor(link);
  }

  /** Reads no more of the client's body until `sink` can take more; once per sink, however often it is asked. */
  #pauseFor(sink: PickerLink | Upstream): void {
    if (this.#fullSink === sink) return;
    this.#fullSink = sink;
    this.#request.pause();
    sink.whenDrained(() => {
      if (this.#fullSink !== sink) return;
      this.#fullSink = undefined;
      this.#request.resume();
    });
  }

  #onClientTrailers(): void {
    const { link } = this.#options;
    if (!link.isActive) {
      this.#end(this.#trailers());
      return;
    }
    const trailers = new HeaderList();
    trailers.addRaw(this.#request.rawTrailers);
    this.#hasSentBody = true;
    link.send({ requestTrailers: { trailers: trailers.toHeaderMap() } });
  }

  #trailers(): [string, string][] {
    const trailers = new HeaderList();
    trailers.addRaw(this.#request.rawTrailers);
    return trailers.toPairs();
  }

  /** Connects to the best address, or without any to the fallback. */
  #connect(addresses: readonly string[]): void {
    this.#phase = 'body';
    const fallback = addresses.length === 0 ? this.#options.fallback() : undefined;
    const chosen = fallback === undefined ? addresses : [fallback];
    if (chosen.length === 0) {
      this.#isDropped = true;
      this.#options.listener.onFailure('no healthy upstream');
      return;
    }
    const headers = this.#headers;
    headers.set('host', headers.get(':authority') ?? '');
    if (this.#hasBody) {
      headers.remove('content-length');
      headers.add('transfer-encoding', 'chunked');
    }
    const { upstream: context, listener } = this.#options;
    this.#upstream = new Upstream(headers, chosen, { context, listener });
    if (!this.#hasBody) this.#end([]);
  }

  #forward(chunk: Buffer, isLast: boolean): void {
    const upstream = this.#upstream;
    if (upstream !== undefined && chunk.length > 0 && !upstream.write(chunk)) {
      const { link } = this.#options;
      if (link.isActive) link.pauseUntil((resume) => upstream.whenDrained(resume));
      else this.#pauseFor(upstream);
    }
    if (isLast) this.#end([]);
  }

  #end(trailers: [string, string][]): void {
    this.#phase = 'done';
    this.#upstream?.end(trailers);
  }
}
