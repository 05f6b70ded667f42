import type { Headers } from '../framework/headers.ts';
import { CHUNK_BYTES, Chunker, EMPTY } from './body-buffer.ts';
import { encodeResponse, type ProcessingResponse, type Struct } from './codec.ts';
import type { Decision } from './exchange.ts';
import { pieceTail, ReplyWriter, unchangedHeadersBytes } from './hot-replies.ts';
import {
  type Direction,
  decisionHead,
  type Head,
  headerChanges,
  headersReply,
  plainHead,
  streamedBodyReply,
} from './messages.ts';
import type { ByteStream } from './transport/transport.ts';

/** Every reply leaves before the next one is written. */
const WRITER = new ReplyWriter();

/** Told when a body handed to `Outbound.forward` has left. */
export interface OutboundOwner {
  forwarded(direction: Direction): void;
}

/**
 * What one exchange sends. A long body leaves chunk by chunk as the transport takes it, so that no second copy of it
 * waits in memory. While the transport has enough, reading is paused; so at most one body is under way.
 */
export class Outbound {
  readonly #wire: ByteStream;
  readonly #owner: OutboundOwner;
  /** Nothing leaves any more, or nothing may: the data plane only shows what happens. */
  isMuted = false;
  #isBlocked = false;
  #chunker: Chunker | undefined = undefined;
  #direction: Direction = 'request';
  #endsStream = false;
  #head: Head | undefined = undefined;

  constructor(wire: ByteStream, owner: OutboundOwner) {
    this.#wire = wire;
    this.#owner = owner;
  }

  /** A body is on its way and has not left. */
  get isForwarding(): boolean {
    return this.#chunker !== undefined;
  }

  send(message: ProcessingResponse): void {
    if (!this.isMuted) this.#write(encodeResponse(message));
  }

  /** Answers response headers with what changed in them, and with `metadata` when there is some. */
  sendHeaders(headers: Headers, metadata: Struct | undefined): void {
    if (this.isMuted) return;
    if (metadata !== undefined) {
      const headerMutation = headerChanges(headers, []);
      const head = { headerMutation, clearsRouteCache: false, dynamicMetadata: metadata };
      this.send(headersReply('response', head));
      return;
    }
    if (headers.changedNames.length + headers.removedNames.length === 0) {
      this.#write(unchangedHeadersBytes('response'));
      return;
    }
    const bytes = WRITER.changedHeaders(headers);
    if (bytes >= 0) this.#writeAround(bytes, EMPTY, EMPTY);
    else this.send(headersReply('response', plainHead(headerChanges(headers, []))));
  }

  /** Answers request headers with where the request goes; `contentLength` as `decisionHead` has it. */
  sendDecision(decision: Decision, headers: Headers, contentLength: number): void {
    if (this.isMuted) return;
    const length = contentLength >= 0 ? String(contentLength) : '';
    const bytes = decision.scores === undefined ? WRITER.decision(headers, decision.destination, length) : -1;
    if (bytes >= 0) this.#writeAround(bytes, EMPTY, EMPTY);
    else this.send(headersReply('request', decisionHead(decision, headers, contentLength)));
  }

  /** Sends one piece of a body in full duplex mode, at most `CHUNK_BYTES` long; it may not be changed afterwards. */
  sendPiece(direction: Direction, body: Uint8Array, endOfStream: boolean): void {
    if (this.isMuted) return;
    this.#writeAround(WRITER.pieceHead(direction, body.length, endOfStream), body, pieceTail(endOfStream));
  }

  /** Sends `pieces` in chunks, the last with `endsStream`, `head` with the first; then calls `forwarded`. */
  forward(
    direction: Direction,
    body: { readonly pieces: readonly Uint8Array[]; readonly endsStream: boolean },
    head: Head | undefined,
  ): void {
    this.#chunker = new Chunker(body.pieces);
    this.#direction = direction;
    this.#endsStream = body.endsStream;
    this.#head = head;
    this.#pump();
  }

  /** Sends one chunk as `forward` does; at once when it is short and there is room and no head. */
  forwardChunk(
    direction: Direction,
    chunk: Uint8Array,
    endsStream: boolean,
    head: Head | undefined = undefined,
  ): void {
    if (chunk.length > CHUNK_BYTES || this.#isBlocked || head !== undefined) {
      this.forward(direction, { pieces: [chunk], endsStream }, head);
      return;
    }
    this.sendPiece(direction, chunk, endsStream);
    this.#owner.forwarded(direction);
  }

  /** The transport has room again; reading goes on unless that room is used up at once. */
  drained(): void {
    this.#isBlocked = false;
    this.#pump();
    if (!this.#isBlocked && !this.isMuted) this.#wire.resume();
  }

  /** Drops what has not left; nothing is sent any more. */
  stop(): void {
    this.isMuted = true;
    this.#chunker = undefined;
  }

  #write(message: Uint8Array): void {
    if (!this.#wire.write(message)) this.#block();
  }

  /** Writes the writer's last bytes, `body` and `after`. */
  #writeAround(bytes: number, body: Uint8Array, after: Uint8Array): void {
    if (!this.#wire.writeAround(WRITER.bytes, bytes, body, after)) this.#block();
  }

  #block(): void {
    if (this.#isBlocked) return;
    this.#isBlocked = true;
    this.#wire.pause();
  }

  #pump(): void {
    const chunker = this.#chunker;
    if (chunker === undefined) return;
    do {
      if (this.#isBlocked) return;
      const body = chunker.next();
      const endOfStream = this.#endsStream && chunker.remainingBytes === 0;
      if (this.#head === undefined) this.sendPiece(this.#direction, body, endOfStream);
      else this.send(streamedBodyReply(this.#direction, { body, endOfStream }, this.#head));
      this.#head = undefined;
    } while (chunker.remainingBytes > 0);
    this.#chunker = undefined;
    this.#owner.forwarded(this.#direction);
  }
}
