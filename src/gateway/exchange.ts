import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ProcessingResponse, Struct } from '../extproc/codec.ts';
import { MutationError } from './header-list.ts';
import { fieldsOf, SERVED_DESTINATION } from './metadata.ts';
import { type Departure, PickerLink } from './picker-link.ts';
import type { Processor } from './processor.ts';
import { RequestHalf } from './request-half.ts';
import { ResponseHalf } from './response-half.ts';
import type { UpstreamContext } from './upstream.ts';

/** What every exchange of a gateway shares. */
export interface ExchangeContext {
  /** Undefined: no picker; requests go to `fallback`. */
  readonly processor: Processor | undefined;
  readonly upstream: UpstreamContext;
  readonly failureModeAllow: boolean;
  /** Value of the subset hint; empty: none is sent. */
  readonly subset: readonly string[];
  /** The next endpoint in turn; undefined when there are none. */
  fallback(): string | undefined;
  newRequestId(): string;
}

/**
 * One request and its answer, in the order of Envoy's ext_proc filter with full-duplex bodies: everything that arrives
 * is sent to the picker at once, and only what the picker sends back goes on.
 */
export class Exchange {
  readonly #incoming: IncomingMessage;
  readonly #client: ServerResponse;
  readonly #context: ExchangeContext;
  readonly #link: PickerLink;
  readonly #request: RequestHalf;
  readonly #response: ResponseHalf;
  #isOver = false;

  constructor(incoming: IncomingMessage, client: ServerResponse, context: ExchangeContext) {
    this.#incoming = incoming;
    this.#client = client;
    this.#context = context;
    this.#link = new PickerLink({ lb: {}, subset: context.subset });
    this.#request = new RequestHalf(incoming, {
      link: this.#link,
      upstream: context.upstream,
      listener: {
        onResponse: (response, address) => this.#onUpstreamResponse(response, address),
        onFailure: (reason) => this.#onUpstreamFailure(reason),
      },
      fallback: context.fallback,
      newRequestId: context.newRequestId,
    });
    this.#response = new ResponseHalf(client, this.#link, () => this.#onComplete());
  }

  start(): void {
    this.#client.on('close', () => this.#cut());
    this.#incoming.on('error', () => this.#cut());
    if (this.#context.processor !== undefined) {
      this.#link.open(this.#context.processor, {
        onMessage: (message) => this.#onReply(message),
        onGone: (how) => this.#onPickerGone(how),
      });
    }
    this.#request.start();
  }

  #onReply(message: ProcessingResponse): void {
    if (this.#isOver) return;
    if (message.dynamicMetadata !== undefined) this.#takeMetadata(message.dynamicMetadata);
    try {
      if (!this.#dispatch(message)) this.#fail();
    } catch (error) {
      if (!(error instanceof MutationError)) throw error;
      this.#fail();
    }
  }

  /** False for a reply that was not due. */
  #dispatch(message: ProcessingResponse): boolean {
    if (message.immediateResponse !== undefined) {
      this.#request.drop();
      return this.#response.onImmediate(message.immediateResponse);
    }
    if (message.requestHeaders !== undefined) return this.#request.onHeaders(message.requestHeaders.response);
    if (message.requestBody !== undefined) return this.#request.onBody(message.requestBody.response);
    if (message.requestTrailers !== undefined) return this.#request.onTrailers();
    if (message.responseHeaders !== undefined)
      return this.#response.onHeaders(message.responseHeaders.response);
    if (message.responseBody !== undefined) return this.#response.onBody(message.responseBody.response);
    if (message.responseTrailers !== undefined) return this.#response.onTrailers();
    return true;
  }

  #takeMetadata(metadata: Struct): void {
    const lb = metadata.fields?.['envoy.lb']?.structValue;
    if (lb !== undefined) this.#link.metadata.lb = { ...this.#link.metadata.lb, ...fieldsOf(lb) };
  }

  /** The stream to the picker is over before the exchange is. */
  #onPickerGone(how: Departure): void {
    if (this.#isOver) return;
    const isAllowed = how === 'ended' || this.#context.failureModeAllow;
    const canGoOn = isAllowed && this.#request.onPickerGone() && this.#response.onPickerGone();
    if (!canGoOn && !this.#hasEnded()) this.#fail();
  }

  /** Reads the state anew: going on without the picker may have completed the exchange. */
  #hasEnded(): boolean {
    return this.#isOver;
  }

  #onUpstreamResponse(response: IncomingMessage, address: string): void {
    if (this.#isOver) return;
    this.#link.metadata.lb = { ...this.#link.metadata.lb, [SERVED_DESTINATION]: { stringValue: address } };
    this.#response.onUpstream(response, this.#incoming.method === 'HEAD');
  }

  #onUpstreamFailure(reason: string): void {
    if (this.#isOver) return;
    if (this.#response.hasBegun) {
      this.#reset();
      return;
    }
    const text =
      reason === 'no healthy upstream'
        ? reason
        : `upstream connect error or disconnect/reset before headers. reset reason: ${reason}`;
    this.#response.answerLocally(503, text);
  }

  #onComplete(): void {
    this.#isOver = true;
    this.#link.halfClose();
    this.#request.release();
  }

  /** What Envoy does when the picker fails: 500 without a body, or a reset when a response has begun. */
  #fail(): void {
    this.#request.drop();
    this.#link.cancel();
    if (!this.#response.fail()) this.#reset();
  }

  #reset(): void {
    this.#cut();
    this.#client.destroy();
  }

  /** Idempotent; also the way out when the client leaves. */
  #cut(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#request.drop();
    this.#link.cancel();
  }
}
