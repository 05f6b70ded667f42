import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CommonResponse, ImmediateResponse } from '../extproc/codec.ts';
import { HeaderList } from './header-list.ts';
import type { PickerLink } from './picker-link.ts';

/** Model server → picker → client. Methods that take a reply return false when the reply is out of place. */
export class ResponseHalf {
  readonly #client: ServerResponse;
  readonly #link: PickerLink;
  /** Called once, after the last byte for the client. */
  readonly #onComplete: () => void;
  readonly #headers = new HeaderList();
  #phase: 'idle' | 'headers' | 'body' | 'done' = 'idle';
  #hasBody = false;
  #hasSentBody = false;

  constructor(client: ServerResponse, link: PickerLink, onComplete: () => void) {
    this.#client = client;
    this.#link = link;
    this.#onComplete = onComplete;
  }

  /** A response is there, from a model server or made here. */
  get hasBegun(): boolean {
    return this.#phase !== 'idle';
  }

  /** A model server answers. `isHead`: the request's method was HEAD. */
  onUpstream(response: IncomingMessage, isHead: boolean): void {
    const status = response.statusCode ?? 502;
    const length = Number(response.headers['content-length'] ?? Number.NaN);
    this.#headers.addRaw(response.rawHeaders);
    this.#begin(status, !isHead && status !== 204 && status !== 304 && length !== 0);
    let received = 0;
    response.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (this.#onChunk(chunk, received === length)) return;
      response.pause();
      this.#whenDrained(() => response.resume());
    });
    response.on('end', () => {
      if (!this.#hasBody) return;
      if (response.rawTrailers.length > 0) this.#onUpstreamTrailers(response.rawTrailers);
      else if (received !== length) this.#onChunk(Buffer.alloc(0), true);
    });
  }

  /** A response that Envoy would make itself; the picker sees it like any other. */
  answerLocally(status: number, text: string): void {
    const body = Buffer.from(text);
    this.#headers.add('content-length', String(body.length));
    this.#headers.add('content-type', 'text/plain');
    this.#begin(status, true);
    this.#onChunk(body, true);
  }

  onHeaders(reply: CommonResponse | undefined): boolean {
    if (this.#phase !== 'headers') return false;
    this.#headers.apply(reply?.headerMutation);
    // The picker may change the length; the client gets chunks.
    if (this.#hasBody) this.#headers.remove('content-length');
    this.#writeHead();
    return true;
  }

  onBody(reply: CommonResponse | undefined): boolean {
    const streamed = reply?.bodyMutation?.streamedResponse;
    if (this.#phase !== 'body' || streamed === undefined) return false;
    if (streamed.body !== undefined && streamed.body.length > 0 && !this.#client.write(streamed.body)) {
      this.#link.pauseUntil((resume) => this.#client.once('drain', resume));
    }
    if (streamed.endOfStream === true) this.#complete();
    return true;
  }

  onTrailers(): boolean {
    if (this.#phase !== 'body') return false;
    this.#complete();
    return true;
  }

  /** The picker's own answer instead of a model server's; false when a response is already on its way. */
  onImmediate(reply: ImmediateResponse): boolean {
    if (this.#client.headersSent) return false;
    const body = Buffer.from(reply.body ?? []);
    const headers = new HeaderList();
    headers.add('content-length', String(body.length));
    if (body.length > 0) headers.add('content-type', 'text/plain');
    headers.apply(reply.headers);
    this.#client.writeHead(Math.max(200, reply.status.code), headers.toRaw());
    this.#client.write(body);
    this.#complete();
    return true;
  }

  /** False when what the picker still held makes it impossible to go on. */
  onPickerGone(): boolean {
    if (this.#hasSentBody) return false;
    if (this.#phase === 'headers') this.#writeHead();
    return true;
  }

  /** What Envoy answers when the picker fails; false when a response is already on its way. */
  fail(): boolean {
    if (this.#client.headersSent) return false;
    this.#client.writeHead(500, { 'content-length': '0' });
    this.#complete();
    return true;
  }

  #begin(status: number, hasBody: boolean): void {
    this.#headers.add(':status', String(status));
    this.#hasBody = hasBody;
    this.#phase = 'headers';
    if (this.#link.isActive) {
      this.#link.send({ responseHeaders: { headers: this.#headers.toHeaderMap(), endOfStream: !hasBody } });
    } else this.#writeHead();
  }

  #onChunk(chunk: Buffer, isLast: boolean): boolean {
    if (this.#phase === 'done') return true;
    if (this.#link.isActive) {
      this.#hasSentBody = true;
      return this.#link.send({ responseBody: { body: chunk, endOfStream: isLast } });
    }
    const canContinue = chunk.length === 0 || this.#client.write(chunk);
    if (isLast) this.#complete();
    return canContinue || isLast;
  }

  #onUpstreamTrailers(raw: readonly string[]): void {
    if (this.#phase === 'done') return;
    const trailers = new HeaderList();
    trailers.addRaw(raw);
    this.#client.addTrailers(trailers.toPairs());
    if (this.#link.isActive) {
      this.#hasSentBody = true;
      this.#link.send({ responseTrailers: { trailers: trailers.toHeaderMap() } });
    } else this.#complete();
  }

  #whenDrained(callback: () => void): void {
    if (this.#link.isActive) this.#link.whenDrained(callback);
    else this.#client.once('drain', callback);
  }

  #writeHead(): void {
    this.#phase = 'body';
    this.#client.writeHead(Number(this.#headers.get(':status')), this.#headers.toRaw());
    this.#client.flushHeaders();
    if (!this.#hasBody) this.#complete();
  }

  #complete(): void {
    this.#phase = 'done';
    this.#client.end();
    this.#onComplete();
  }
}
