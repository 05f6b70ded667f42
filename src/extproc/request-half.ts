import { RejectionError } from '../framework/errors.ts';
import { Headers } from '../framework/headers.ts';
import { InferenceRequest } from '../framework/request.ts';
import { BodyBuffer, EMPTY } from './body-buffer.ts';
import type { BodyMode } from './body-mode.ts';
import type { BodyMutation, ProcessingRequest } from './codec.ts';
import { DecisionContext } from './decision-context.ts';
import type { BodyView, Decision } from './exchange.ts';
import type { ExchangeServices } from './exchange-services.ts';
import {
  bodyReply,
  decisionHead,
  type Head,
  headersReply,
  moreTimeReply,
  trailersReply,
} from './messages.ts';
import { mergeSubset } from './metadata.ts';
import type { Outbound } from './outbound.ts';
import { readPoolHints } from './pool-hint.ts';

/** Part that a direction waits for; `done` when no more is expected. */
export type Phase = 'headers' | 'body' | 'trailers' | 'done';

/** `collecting` what it needs, `pending` at the request stage, `made` and answered, or `void`: never answered. */
export type DecisionState = 'collecting' | 'pending' | 'made' | 'void';

/** What the request direction asks of its exchange. */
export interface RequestOwner {
  /** A decision made late is still wanted. */
  readonly wantsDecision: boolean;
  /** The request stage failed or refused, late. */
  failed(error: unknown): void;
  /** A decision that nobody waits for any more has come to its end. */
  settled(): void;
  /** The request is on its way and its response is not to be followed. */
  skipsResponse(): void;
}

/** What is collected before deciding when chunks come ahead of the answer but the body has no end in sight. */
const AHEAD_BYTES = 32 * 1024;

const NO_MESSAGE: ProcessingRequest = {};

/**
 * The request direction of one exchange: headers → body → trailers → done. Collects what the body mode lets it see,
 * has the request stage decide, and answers each part as the mode demands. A decision may wait; messages go on
 * arriving meanwhile. Fixed shape.
 */
export class RequestHalf {
  readonly #services: ExchangeServices;
  readonly #outbound: Outbound;
  readonly #owner: RequestOwner;
  readonly #receivedAtMs: number;
  /** Undefined until accepted by the request stage. */
  request: InferenceRequest | undefined = undefined;
  decision: DecisionState = 'collecting';
  mode: BodyMode = 'full-duplex';
  /** Streamed mode: body chunks come before the headers are answered. */
  sendsAhead = false;
  #phase: Phase = 'headers';
  #subset: readonly string[] | undefined = undefined;
  /** What came with the first part, until that is accepted. */
  #first = NO_MESSAGE;
  readonly #body = new BodyBuffer();
  #context: DecisionContext | undefined = undefined;
  #owesHeaders = false;
  /** Body messages received and not answered. */
  #owedChunks = 0;
  #owesTrailers = false;
  /** Goes with the next answer. */
  #head: Head | undefined = undefined;
  #skipsResponse = false;

  /** `receivedAtMs`: the present. */
  constructor(services: ExchangeServices, outbound: Outbound, owner: RequestOwner, receivedAtMs: number) {
    this.#services = services;
    this.#outbound = outbound;
    this.#owner = owner;
    this.#receivedAtMs = receivedAtMs;
  }

  /** Takes notice of what comes with a part of the request, before that is handed on. */
  note(message: ProcessingRequest): void {
    this.#subset = mergeSubset(this.#subset, message.metadataContext);
    if (this.#phase === 'headers') this.#first = message;
  }

  headers(headers: Headers, isLast: boolean): void {
    if (this.#phase !== 'headers') return;
    this.#owesHeaders = true;
    this.#accept(headers);
    if (isLast) {
      this.#phase = 'done';
      this.#decide('absent');
    } else if (this.mode === 'none' || (this.mode === 'streamed' && !this.sendsAhead)) {
      this.#decide('none');
    } else if (this.mode === 'buffered' || this.mode === 'buffered-partial') {
      // The data plane holds the headers until the body is answered; changes may ride on that answer.
      this.#owesHeaders = false;
      this.#outbound.send(headersReply('request', undefined));
    }
  }

  body(chunk: Buffer, isLast: boolean): void {
    // The data plane need not send request headers.
    if (this.#phase === 'headers') this.#accept(new Headers());
    if (this.#phase !== 'body') return;
    if (isLast) this.#phase = 'done';
    if (this.decision === 'collecting') this.#collect(chunk, isLast);
    else if (this.decision === 'pending') this.#owedChunks += 1;
    else if (this.decision === 'made') this.#outbound.send(bodyReply('request', undefined, undefined));
  }

  trailers(): void {
    if (this.#phase === 'headers') this.#accept(new Headers());
    if (this.#phase === 'done') return;
    this.#phase = 'done';
    this.#owesTrailers = true;
    if (this.decision === 'collecting') this.#decide('whole');
    else if (this.decision === 'made') this.answered();
  }

  /** Calls the decision off; a pending one becomes `void` when the request stage lets go of the request. */
  callOff(): void {
    if (this.decision === 'collecting') this.decision = 'void';
    else if (this.decision === 'pending') this.#context?.abort();
  }

  /** Lets go of the body. */
  release(): void {
    this.#body.release();
  }

  /** All parts before the trailers are answered. */
  answered(): void {
    if (this.#outbound.isForwarding) return;
    this.#body.release();
    if (this.#owesTrailers) {
      this.#owesTrailers = false;
      this.#outbound.send(trailersReply('request', this.#takeHead()));
    }
    if (this.#skipsResponse) this.#owner.skipsResponse();
  }

  #accept(headers: Headers): void {
    const request = new InferenceRequest(headers, this.#receivedAtMs);
    const { poolHints } = this.#services.options;
    if (poolHints !== undefined) request.poolHints = readPoolHints(this.#first, headers, poolHints);
    this.#first = NO_MESSAGE;
    this.#phase = 'body';
    this.#services.requestStage.accept(request);
    this.request = request;
  }

  #collect(chunk: Buffer, isLast: boolean): void {
    const limit = this.#services.options.maxRequestBodyBytes;
    if (this.#body.sizeBytes + chunk.length > limit) {
      throw new RejectionError('too-large', `request body exceeds ${limit} bytes`);
    }
    this.#body.append(chunk);
    this.#owedChunks += 1;
    switch (this.mode) {
      case 'full-duplex':
        if (isLast) this.#decide('whole');
        return;
      case 'buffered':
      case 'buffered-partial':
        // One message; without end of stream trailers follow, or the rest of a body that was too long.
        if (!isLast) this.#phase = 'trailers';
        this.#decide(isLast || this.mode === 'buffered' ? 'whole' : 'prefix');
        return;
      case 'streamed':
        if (isLast) this.#decide('whole');
        else if (this.#body.sizeBytes >= AHEAD_BYTES) this.#decide('prefix');
        return;
      case 'none':
        this.#decide('none');
        return;
      default:
        this.mode satisfies never;
    }
  }

  #decide(view: BodyView): void {
    const { request } = this;
    if (request === undefined) return;
    const context = new DecisionContext(view, this.#subset);
    this.#context = context;
    this.decision = 'pending';
    const body = view === 'none' ? EMPTY : this.#body.whole();
    let decided: Decision | Promise<Decision>;
    try {
      decided = this.#services.requestStage.decide(request, body, context);
    } catch (error) {
      this.decision = 'void';
      throw error;
    }
    if (decided instanceof Promise) {
      if (this.mode !== 'full-duplex') {
        this.#outbound.send(moreTimeReply(this.#services.options.messageTimeoutMs));
      }
      void decided.then(
        (decision) => this.#decided(request, view, decision),
        (error: unknown) => this.#undecided(error),
      );
    } else {
      this.#answer(request, view, decided);
    }
  }

  #decided(request: InferenceRequest, view: BodyView, decision: Decision): void {
    if (!this.#owner.wantsDecision) {
      this.decision = 'void';
      this.#owner.settled();
      return;
    }
    try {
      this.#answer(request, view, decision);
    } catch (error) {
      this.#owner.failed(error);
    }
  }

  #undecided(error: unknown): void {
    this.decision = 'void';
    if (this.#owner.wantsDecision) this.#owner.failed(error);
    else this.#owner.settled();
  }

  #answer(request: InferenceRequest, view: BodyView, decision: Decision): void {
    this.decision = 'made';
    this.#skipsResponse = decision.skipsResponse;
    const rewritten = decision.body;
    if (rewritten !== undefined && view !== 'whole') {
      throw view === 'none'
        ? new RejectionError('internal', 'the model must be rewritten, but the body is not sent here')
        : new RejectionError('too-large', 'the model must be rewritten, but the body is too long');
    }
    // with trailers the length of the new body is not told: that of the old one must not stay
    if (rewritten !== undefined && this.#owesTrailers) request.headers.remove('content-length');
    const contentLength = this.#contentLength(rewritten);
    if (this.#owesHeaders) {
      this.#owesHeaders = false;
      this.#outbound.sendDecision(decision, request.headers, contentLength);
    } else {
      this.#head = decisionHead(decision, request.headers, contentLength);
    }
    if (this.mode === 'full-duplex') {
      this.#forward(rewritten);
    } else {
      this.#answerChunks(rewritten);
      this.answered();
    }
  }

  #forward(rewritten: readonly Uint8Array[] | undefined): void {
    const body = this.#body;
    // With trailers the end is told by them, and an empty chunk would say nothing.
    const endsStream = !this.#owesTrailers;
    if (this.#owedChunks === 0 || (!endsStream && body.sizeBytes === 0)) {
      this.answered();
      return;
    }
    const pieces = rewritten === undefined ? body.chunks() : body.lasting(rewritten);
    if (this.#head === undefined && pieces.length <= 1) {
      this.#outbound.forwardChunk('request', pieces[0] ?? EMPTY, endsStream);
    } else {
      this.#outbound.forward('request', { pieces, endsStream }, this.#takeHead());
    }
  }

  /** One answer for each body message; a rewritten body goes whole in place of the first. */
  #answerChunks(rewritten: readonly Uint8Array[] | undefined): void {
    let mutation: BodyMutation | undefined =
      rewritten === undefined ? undefined : { body: Buffer.concat(rewritten) };
    for (; this.#owedChunks > 0; this.#owedChunks -= 1) {
      this.#outbound.send(bodyReply('request', mutation, this.#takeHead()));
      if (rewritten !== undefined) mutation = { clearBody: true };
    }
  }

  /** Length to tell the model server, NaN to say none. In full duplex the data plane drops the client's. */
  #contentLength(rewritten: readonly Uint8Array[] | undefined): number {
    if (this.#owesTrailers) return Number.NaN;
    if (rewritten !== undefined) {
      let sizeBytes = 0;
      for (const piece of rewritten) sizeBytes += piece.length;
      return sizeBytes;
    }
    const isForwarded = this.mode === 'full-duplex' && this.#body.sizeBytes > 0;
    return isForwarded ? this.#body.sizeBytes : Number.NaN;
  }

  #takeHead(): Head | undefined {
    const head = this.#head;
    this.#head = undefined;
    return head;
  }
}
