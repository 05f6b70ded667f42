import type { CancelTimer } from '../../../util/clock.ts';
import type { ByteStream, ByteStreamHandler } from '../transport.ts';
import { ERROR, type ErrorNumber, FRAME, numberFrame } from './frames.ts';
import { OK_TRAILERS, STATUS, type StatusCode, trailers } from './grpc.ts';
import type { MessageReader } from './message-reader.ts';
import { ReceiveHalf, type ReceiveOwner } from './receive-half.ts';
import { SendHalf } from './send-half.ts';
import type { StreamOwner } from './stream-owner.ts';

/** Room for what leaves, per stream: above it a writer is to wait. */
const MAX_QUEUED_BYTES = 64 * 1024;

const EMPTY = Buffer.alloc(0);

/**
 * One gRPC call: how it begins and ends on both sides. Its two directions, with their messages and flow control, are
 * objects of their own. Fixed shape.
 */
export class WireStream implements ByteStream, ReceiveOwner {
  readonly id: number;
  readonly sending: SendHalf;
  readonly receiving: ReceiveHalf;
  readonly #owner: StreamOwner;
  /** The peer sends no more. */
  isRemoteDone = false;
  /** Nothing leaves any more: trailers or a reset were sent. */
  isLocalDone = false;
  /** `Clock.nowMs()` when this side was done before the peer. */
  lingersSinceMs = Number.NaN;
  /** Ends the call at its deadline. */
  cancelDeadline: CancelTimer | undefined = undefined;
  /** Answer in place of a call: a header block that goes out when the request is over. */
  #refusal: Uint8Array | undefined = undefined;
  #hasEnded = false;
  #isReset = false;
  #wantsDrain = false;

  constructor(
    id: number,
    owner: StreamOwner,
    messages: MessageReader,
    windows: { readonly send: number; readonly receive: number; readonly declared: number },
  ) {
    this.id = id;
    this.#owner = owner;
    this.sending = new SendHalf(id, owner, windows.send);
    this.receiving = new ReceiveHalf(this, owner, messages, {
      windowBytes: windows.receive,
      declaredBytes: windows.declared,
    });
  }

  /** Gives the call to its handler, unless it has ended already. */
  attach(handler: ByteStreamHandler): void {
    if (!this.#hasEnded) this.receiving.handler = handler;
  }

  /** Answers with this header block alone, once the peer has sent everything. */
  refuse(block: Uint8Array): void {
    this.#refusal = block;
  }

  write(message: Uint8Array): boolean {
    return this.writeAround(EMPTY, 0, message, EMPTY);
  }

  writeAround(before: Uint8Array, beforeBytes: number, body: Uint8Array, after: Uint8Array): boolean {
    if (this.#hasEnded) return true;
    const owner = this.#owner;
    this.sending.message(before, beforeBytes, body, after);
    if (this.sending.queuedBytes > 0 && owner.sendWindowBytes <= 0) owner.blocked(this);
    owner.written();
    return this.#hasRoom();
  }

  pause(): void {
    this.receiving.pause();
  }

  resume(): void {
    this.receiving.resume();
  }

  end(): void {
    this.#end(undefined);
  }

  /** Ends the call with another status than OK; its handler is told that it is over. */
  fail(code: StatusCode, message: string): void {
    if (this.#hasEnded) return;
    const { handler } = this.receiving;
    this.sending.clear();
    this.#end(trailers(code, message, !this.sending.hasHeaders));
    if (handler !== undefined) this.#call(() => handler.cancelled());
  }

  /** Breaks the stream off with RST_STREAM. */
  reset(code: ErrorNumber): void {
    if (!this.isLocalDone) {
      this.isLocalDone = true;
      this.#isReset = true;
      this.#owner.writer.append(numberFrame(FRAME.RST_STREAM, this.id, code));
      this.#owner.written();
      this.#leave();
    }
    this.#abandon();
  }

  /** As `reset`, because the peer broke a rule. Throws `ConnectionError` when it does so too often. */
  breakOff(code: ErrorNumber): void {
    this.reset(code);
    this.#owner.brokenOff(this);
  }

  /** Forgets a stream that has ended here and that the peer has not ended in time (RFC 9113, section 8.1). */
  expire(): void {
    if (!this.#isReset) this.#owner.writer.append(numberFrame(FRAME.RST_STREAM, this.id, ERROR.NO_ERROR));
    this.lost();
  }

  /** The peer broke the stream off, or its connection is gone. */
  lost(): void {
    this.isRemoteDone = true;
    this.isLocalDone = true;
    this.#abandon();
    this.#owner.closed(this);
  }

  /** The peer sends no more. */
  peerEnded(): void {
    this.isRemoteDone = true;
    if (this.isLocalDone) {
      this.#owner.closed(this);
    } else if (this.receiving.isShort) {
      this.breakOff(ERROR.PROTOCOL_ERROR);
    } else if (this.#refusal !== undefined) {
      this.#end(this.#refusal);
    } else {
      this.receiving.end();
    }
  }

  wake(): void {
    this.#owner.wake(this);
  }

  handlerFailed(error: unknown): void {
    this.#owner.handlerFailed(error);
    this.reset(ERROR.INTERNAL_ERROR);
  }

  /** There is a window again. */
  unblock(): void {
    if (this.sending.queuedBytes > 0) {
      this.sending.pump();
      this.#owner.written();
      if (this.sending.queuedBytes > 0) {
        if (this.#owner.sendWindowBytes <= 0) this.#owner.blocked(this);
      } else if (this.#hasEnded) {
        this.#finish(undefined);
      }
    }
    this.relieved();
  }

  /** There may be room again for a writer that was told to wait. */
  relieved(): void {
    const { handler } = this.receiving;
    if (!this.#wantsDrain || handler === undefined || !this.#hasRoom()) return;
    this.#wantsDrain = false;
    this.#call(() => handler.drained());
  }

  #hasRoom(): boolean {
    const isFull = this.sending.queuedBytes > MAX_QUEUED_BYTES;
    const { isCongested } = this.#owner.writer;
    if (isCongested) this.#owner.congested(this);
    if (isFull || isCongested) this.#wantsDrain = true;
    return !isFull && !isCongested;
  }

  /** `block`: trailers, or the whole answer; undefined for OK. */
  #end(block: Uint8Array | undefined): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#release();
    if (this.sending.queuedBytes === 0) this.#finish(block);
  }

  #finish(block: Uint8Array | undefined): void {
    if (this.isLocalDone) return;
    this.isLocalDone = true;
    const last = block ?? (this.sending.hasHeaders ? OK_TRAILERS : trailers(STATUS.OK, '', true));
    this.#owner.writer.headers(this.id, last, true);
    this.#owner.written();
    this.#leave();
  }

  #leave(): void {
    if (this.isRemoteDone) this.#owner.closed(this);
    else this.#owner.localDone(this);
  }

  /** Tells the handler that the call is over. */
  #abandon(): void {
    const { handler } = this.receiving;
    this.#hasEnded = true;
    this.sending.clear();
    this.#release();
    if (handler === undefined) return;
    this.#call(() => handler.cancelled());
  }

  #release(): void {
    this.receiving.release();
    this.cancelDeadline?.();
    this.cancelDeadline = undefined;
  }

  #call(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.handlerFailed(error);
    }
  }
}
