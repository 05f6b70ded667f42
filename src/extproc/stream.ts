import { RejectionError } from '../framework/errors.ts';
import type { InferenceRequest } from '../framework/request.ts';
import type { TerminationCause } from '../framework/response.ts';
import { EMPTY } from './body-buffer.ts';
import { bodyMode } from './body-mode.ts';
import { BODY_SEND_MODE, decodeRequest, type ProcessingRequest } from './codec.ts';
import { refusal } from './errors.ts';
import type { ExchangeServices } from './exchange-services.ts';
import { HotReader, PART } from './hot-requests.ts';
import { type Direction, immediateReply, receiveHeaders } from './messages.ts';
import { Outbound, type OutboundOwner } from './outbound.ts';
import { RequestHalf, type RequestOwner } from './request-half.ts';
import { ResponseHalf, type ResponseOwner } from './response-half.ts';
import type { ByteStream, ByteStreamHandler } from './transport/transport.ts';

/** Nothing of a message is read from it after a part of it has been handed on. */
const READER = new HotReader();

/** Called once when a stream is over; `isCancelled` when the peer broke it off. */
export type StreamClosed = (stream: ExchangeStream, isCancelled: boolean) => void;

/**
 * One HTTP exchange: reads the data plane's messages in order and answers them. Its two directions are state
 * machines of their own (`request-half.ts`, `response-half.ts`); here is what they share: how an exchange begins,
 * fails and ends. Whatever fails becomes a reply to this client and touches no other exchange. Fixed shape.
 */
export class ExchangeStream implements ByteStreamHandler, OutboundOwner, RequestOwner, ResponseOwner {
  /** `Clock.nowMs()` at creation. */
  readonly openedAtMs: number;
  /** Under which its owner knows it; set by that. */
  registration = 0;
  readonly #services: ExchangeServices;
  readonly #wire: ByteStream;
  readonly #closed: StreamClosed;
  readonly #outbound: Outbound;
  readonly #requestHalf: RequestHalf;
  readonly #responseHalf: ResponseHalf;
  #hasBegun = false;
  #isClosed = false;
  /** The response is not that of a request sent on by us; the response stage does not see it. */
  #isBypassed = false;
  /** The response stage was told of the end. */
  #isSettled = false;

  constructor(services: ExchangeServices, wire: ByteStream, closed: StreamClosed) {
    this.#services = services;
    this.#wire = wire;
    this.#closed = closed;
    this.openedAtMs = services.clock.nowMs();
    this.#outbound = new Outbound(wire, this);
    this.#requestHalf = new RequestHalf(services, this.#outbound, this, this.openedAtMs);
    this.#responseHalf = new ResponseHalf(services.responseStage, this.#outbound, this);
  }

  message(bytes: Buffer, start: number, end: number): void {
    if (this.#isClosed) return;
    try {
      if (READER.read(bytes, start, end)) this.#dispatchHot(bytes);
      else this.#dispatch(decodeRequest(bytes.subarray(start, end)));
    } catch (error) {
      this.failed(error);
    }
  }

  halfClosed(): void {
    if (this.#isClosed) return;
    this.#finish(this.#causeOfEnd());
    this.#close();
  }

  cancelled(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#finish(this.#causeOfEnd());
    this.#release();
    this.#closed(this, true);
  }

  drained(): void {
    if (this.#isClosed) return;
    try {
      this.#outbound.drained();
    } catch (error) {
      this.failed(error);
    }
  }

  /** Takes the request back: the client gets `error`. False when its answer is complete or the exchange is over. */
  evict(error: RejectionError): boolean {
    if (this.#isClosed || this.#responseHalf.isDone) return false;
    this.#refuse(error, 'evicted');
    return true;
  }

  get isComplete(): boolean {
    return this.#responseHalf.response.cause !== '';
  }

  get wantsDecision(): boolean {
    return this.#responseHalf.response.cause === '' && !this.#isBypassed;
  }

  forwarded(direction: Direction): void {
    if (direction === 'request') this.#requestHalf.answered();
    else this.#responseHalf.forwarded();
  }

  responseBegins(): InferenceRequest | undefined {
    if (this.#requestHalf.decision === 'made') return this.#requestHalf.request;
    // The data plane answers by itself before the request went on: nobody waits for the decision any more.
    this.#isBypassed = true;
    this.#requestHalf.callOff();
    return undefined;
  }

  responseCompleted(): void {
    this.#finish(this.#isBypassed ? 'error' : 'natural');
  }

  skipsResponse(): void {
    this.#finish('natural');
    this.#close();
  }

  failed(thrown: unknown): void {
    const error = RejectionError.from(thrown);
    if (error.code === 'internal') {
      this.#services.log.error(
        { 'x-request-id': this.#requestHalf.request?.requestId ?? '', err: error.cause ?? error },
        'exchange failed',
      );
    }
    this.#refuse(error, 'error');
  }

  /** Tells the response stage, once, and not before the request stage has let go of the request. */
  settled(): void {
    const { request, decision } = this.#requestHalf;
    const { response } = this.#responseHalf;
    if (this.#isSettled || request === undefined || decision === 'pending' || response.cause === '') return;
    this.#isSettled = true;
    try {
      this.#services.responseStage.end(request, response);
    } catch (error) {
      this.#services.log.error({ 'x-request-id': request.requestId, err: error }, 'end of exchange failed');
    }
  }

  /** The message that the reader holds. */
  #dispatchHot(bytes: Buffer): void {
    const { part, beside, endOfStream } = READER;
    if (!this.#hasBegun) this.#begin(beside);
    // Response chunks first: most messages are that.
    if (part === PART.responseBody) {
      this.#responseHalf.body(bytes.subarray(READER.chunkStart, READER.chunkEnd), endOfStream);
    } else if (part === PART.responseHeaders) {
      this.#responseHalf.headers(READER.headers, endOfStream, beside.metadataContext);
    } else if (!this.#isBypassed) {
      const request = this.#requestHalf;
      request.note(beside);
      if (part === PART.requestHeaders) request.headers(READER.headers, endOfStream);
      else request.body(bytes.subarray(READER.chunkStart, READER.chunkEnd), endOfStream);
    }
  }

  /** Any message. A part of a kind unknown here is skipped. */
  #dispatch(message: ProcessingRequest): void {
    if (!this.#hasBegun) this.#begin(message);
    const request = this.#requestHalf;
    const response = this.#responseHalf;
    if (message.responseBody !== undefined) {
      const { body, endOfStream } = message.responseBody;
      response.body(body ?? EMPTY, endOfStream === true);
    } else if (message.responseHeaders !== undefined) {
      const { headers, endOfStream } = message.responseHeaders;
      response.headers(receiveHeaders(headers), endOfStream === true, message.metadataContext);
    } else if (message.responseTrailers !== undefined) {
      response.trailers();
    } else if (!this.#isBypassed) {
      request.note(message);
      if (message.requestBody !== undefined) {
        const { body, endOfStream } = message.requestBody;
        request.body(body ?? EMPTY, endOfStream === true);
      } else if (message.requestHeaders !== undefined) {
        const { headers, endOfStream } = message.requestHeaders;
        request.headers(receiveHeaders(headers), endOfStream === true);
      } else if (message.requestTrailers !== undefined) {
        request.trailers();
      }
    }
  }

  #begin(first: ProcessingRequest): void {
    this.#hasBegun = true;
    const { options } = this.#services;
    const config = first.protocolConfig;
    // A configuration that leaves a mode out says NONE, the zero value; without one nothing is said.
    const unset = config === undefined ? undefined : BODY_SEND_MODE.NONE;
    const request = this.#requestHalf;
    request.mode = bodyMode(options.requestBodyMode, config?.requestBodyMode ?? unset);
    request.sendsAhead = config?.sendBodyWithoutWaitingForHeaderResponse === true;
    this.#responseHalf.mode = bodyMode(options.responseBodyMode, config?.responseBodyMode ?? unset);
    if (first.observabilityMode === true) {
      this.#outbound.isMuted = true;
      // Nobody waits for an answer, so the whole body can be collected however it is sent.
      if (request.mode !== 'none') request.mode = 'full-duplex';
    }
  }

  /** Why the peer's end of the stream ends the exchange, if nothing else did before. */
  #causeOfEnd(): TerminationCause {
    const isExpected = this.#requestHalf.decision === 'made' && this.#responseHalf.endsUnseen;
    return isExpected ? 'natural' : 'client-disconnect';
  }

  /** Replies with `error` while a reply can still reach the client, and ends the exchange. */
  #refuse(error: RejectionError, cause: TerminationCause): void {
    if (this.#isClosed) return;
    if (!this.#responseHalf.isDone) {
      const { request } = this.#requestHalf;
      const audience = {
        errorShape: request?.errorShape ?? 'openai',
        contentType: request?.headers.get('content-type') ?? '',
      };
      this.#outbound.send(immediateReply(refusal(error, audience, this.#services.options.refusals)));
    }
    this.#finish(cause);
    this.#close();
  }

  /** The first cause counts. A decision under way is called off. */
  #finish(cause: TerminationCause): void {
    const { response } = this.#responseHalf;
    if (response.cause !== '') return;
    response.cause = cause;
    this.#requestHalf.callOff();
    this.settled();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#release();
    this.#wire.end();
    this.#closed(this, false);
  }

  #release(): void {
    this.#outbound.stop();
    this.#requestHalf.release();
  }
}
