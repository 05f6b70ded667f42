import { RejectionError } from '../framework/errors.ts';
import type { Headers } from '../framework/headers.ts';
import type { InferenceRequest } from '../framework/request.ts';
import { InferenceResponse } from '../framework/response.ts';
import { EMPTY } from './body-buffer.ts';
import type { BodyMode } from './body-mode.ts';
import type { BodyMutation, Metadata } from './codec.ts';
import type { ResponseStage } from './exchange.ts';
import { bodyReply, finalHead, type Head, plainHead, setHeader, trailersReply } from './messages.ts';
import { hasLoadBalancerMetadata, servedEndpoint } from './metadata.ts';
import type { Outbound } from './outbound.ts';
import type { Phase } from './request-half.ts';

/** What the response direction asks of its exchange. */
export interface ResponseOwner {
  /** The response begins. Returns the request it answers; undefined when it passes unseen by the response stage. */
  responseBegins(): InferenceRequest | undefined;
  /** The last part is answered. */
  responseCompleted(): void;
}

/**
 * The response direction of one exchange: headers → body → trailers → done. Every part goes on at once, changed by
 * the response stage where that has reason to. Fixed shape.
 */
export class ResponseHalf {
  readonly #stage: ResponseStage;
  readonly #outbound: Outbound;
  readonly #owner: ResponseOwner;
  readonly response = new InferenceResponse();
  mode: BodyMode = 'full-duplex';
  #phase: Phase = 'headers';
  #request: InferenceRequest | undefined = undefined;
  #owesTrailers = false;
  /** Goes with the answer to the trailers. */
  #trailersHead: Head | undefined = undefined;
  /** The response stage was asked what to tell at the end. */
  #isFinal = false;

  constructor(stage: ResponseStage, outbound: Outbound, owner: ResponseOwner) {
    this.#stage = stage;
    this.#outbound = outbound;
    this.#owner = owner;
  }

  /** The last part was received. */
  get isDone(): boolean {
    return this.#phase === 'done';
  }

  /** The data plane shows no more of the body, so its end is the end of the stream. */
  get endsUnseen(): boolean {
    return this.mode === 'none' || this.#phase === 'trailers';
  }

  headers(headers: Headers, isLast: boolean, metadata: Metadata | undefined): void {
    if (this.#phase !== 'headers') return;
    this.#begin();
    this.response.headers = headers;
    this.response.isBodySeen = this.mode !== 'none';
    this.response.status = Number(headers.get(':status')) || 0;
    this.response.servedEndpoint = servedEndpoint(metadata);
    this.response.hasLoadBalancerMetadata = hasLoadBalancerMetadata(metadata);
    if (this.#request !== undefined) this.#stage.headers(this.#request, this.response);
    const head = isLast ? this.#finalHead() : undefined;
    this.#outbound.sendHeaders(headers, head?.dynamicMetadata);
    if (isLast) this.#complete();
  }

  body(chunk: Buffer, isLast: boolean): void {
    if (this.#phase === 'headers') this.#begin();
    if (this.#phase !== 'body') return;
    if (this.mode === 'full-duplex') this.#forward(this.#chunk(chunk, isLast), isLast);
    else this.#answerChunk(chunk, isLast);
  }

  trailers(): void {
    if (this.#phase === 'headers') this.#begin();
    if (this.#phase === 'done') return;
    const isBodyOpen = this.#phase === 'body' && this.mode !== 'none';
    const rest = isBodyOpen ? this.#chunk(EMPTY, true) : EMPTY;
    this.#trailersHead = this.#finalHead();
    if (rest.length > 0 && this.mode !== 'full-duplex') {
      throw new RejectionError('internal', 'held back the end of a response that ended with trailers');
    }
    this.#phase = 'done';
    this.#owesTrailers = true;
    this.#forward(rest, false);
  }

  /** Everything received is on its way. */
  forwarded(): void {
    if (this.#phase !== 'done') return;
    if (this.#owesTrailers) {
      this.#owesTrailers = false;
      this.#outbound.send(trailersReply('response', this.#trailersHead));
      this.#trailersHead = undefined;
    }
    this.#complete();
  }

  #begin(): void {
    this.#phase = 'body';
    this.#request = this.#owner.responseBegins();
  }

  /** What goes on in place of `chunk`. */
  #chunk(chunk: Buffer, isLast: boolean): Buffer {
    if (this.#request === undefined) return chunk;
    return this.#stage.chunk(this.#request, this.response, chunk, isLast);
  }

  #forward(bytes: Buffer, isLast: boolean): void {
    if (isLast) this.#phase = 'done';
    const head = isLast ? this.#finalHead() : undefined;
    if (bytes.length > 0 || isLast) this.#outbound.forwardChunk('response', bytes, isLast, head);
    else this.forwarded();
  }

  /** Exactly one answer to a chunk, in the modes in which the data plane keeps the body. */
  #answerChunk(chunk: Buffer, isLast: boolean): void {
    const isWhole = isLast || this.mode === 'buffered';
    // What a buffer limit cut off goes around the picker; the part before it must stay as it is.
    const isCut = this.mode === 'buffered-partial' && !isLast;
    const bytes = this.#chunk(chunk, isWhole);
    if (isWhole || isCut) this.#phase = 'trailers';
    if (this.mode !== 'none') {
      const isChanged = bytes !== chunk && !isCut;
      // A chunk of a stream says nothing about the length of the whole.
      const length = isChanged && this.mode !== 'streamed' ? contentLength(bytes) : undefined;
      const head = isLast ? merged(length, this.#finalHead()) : length;
      this.#outbound.send(bodyReply('response', isChanged ? replacement(bytes) : undefined, head));
    }
    if (isLast) this.#complete();
  }

  /** What the last answer carries; undefined for nothing, and after the first call. */
  #finalHead(): Head | undefined {
    if (this.#request === undefined || this.#isFinal) return undefined;
    this.#isFinal = true;
    return finalHead(this.#stage.finalMetadata(this.#request, this.response));
  }

  #complete(): void {
    this.#phase = 'done';
    this.#owner.responseCompleted();
  }
}

function merged(head: Head | undefined, last: Head | undefined): Head | undefined {
  if (head === undefined || last === undefined) return head ?? last;
  return { ...head, dynamicMetadata: last.dynamicMetadata };
}

function contentLength(bytes: Buffer): Head | undefined {
  return plainHead({ setHeaders: [setHeader('content-length', String(bytes.length))] });
}

function replacement(bytes: Buffer): BodyMutation {
  return bytes.length === 0 ? { clearBody: true } : { body: bytes };
}
