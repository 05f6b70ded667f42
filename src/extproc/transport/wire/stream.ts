import type { CancelTimer } from '../../../util/clock.ts';
import type { ByteStream, ByteStreamHandler } from '../transport.ts';
import type { FrameWriter } from './frame-writer.ts';
import { DEFAULT_FRAME_BYTES, ERROR, type ErrorNumber, FRAME, numberFrame, writeUint32 } from './frames.ts';
import { OK_TRAILERS, RESPONSE_HEADERS, STATUS, type StatusCode, trailers } from './grpc.ts';
import { MessageError, type MessageReader, type MessageSink, PREFIX_BYTES } from './message-reader.ts';
import { ByteStore, SendQueue } from './send-queue.ts';

/** What a stream needs of its connection. */
export interface StreamOwner {
  readonly writer: FrameWriter;
  /** Bytes that the peer takes on the connection. */
  sendWindowBytes: number;
  /** Bytes held back for streams that are paused. */
  heldBytes: number;
  /** Something was written: flush it when this turn of the event loop is over. */
  written(): void;
  /** Call `unblock` when the connection has a window again. */
  blocked(stream: WireStream): void;
  /** Call `relieved` when the socket is less full. */
  congested(stream: WireStream): void;
  /** Call `runHeld` after what is running now. */
  wake(stream: WireStream): void;
  /** This side is done; the peer may not be. */
  localDone(stream: WireStream): void;
  /** Both sides are done: the stream is to be forgotten. */
  closed(stream: WireStream): void;
  /** A handler threw. */
  handlerFailed(error: unknown): void;
}

/** Room for what leaves, per stream: above it a writer is to wait. */
const MAX_QUEUED_BYTES = 64 * 1024;

const EMPTY = Buffer.alloc(0);

/** One gRPC call: HTTP/2 stream, messages in both directions, flow control of both. Fixed shape. */
export class WireStream implements ByteStream, MessageSink {
  readonly id: number;
  readonly #owner: StreamOwner;
  readonly #messages: MessageReader;
  /** Undefined before it is opened and once the call has ended here. */
  handler: ByteStreamHandler | undefined = undefined;
  /** Bytes that the peer takes; negative when it has narrowed its window. */
  sendWindowBytes: number;
  /** Bytes that the peer may send. */
  receiveWindowBytes: number;
  /** Content to come by `content-length`; NaN when that was not said. */
  #declaredLeft: number;
  /** A frame of content was received. */
  hasContent = false;
  /** The peer sends no more. */
  isRemoteDone = false;
  /** Nothing leaves any more: trailers or a reset were sent. */
  isLocalDone = false;
  /** `Clock.nowMs()` when this side was done before the peer. */
  lingersSinceMs = 0;
  /** Ends the call at its deadline. */
  cancelDeadline: CancelTimer | undefined = undefined;
  /** Answer in place of a call: a header block that goes out when the request is over. */
  #refusal: Uint8Array | undefined = undefined;
  #hasEnded = false;
  #hasHeaders = false;
  #isPaused = false;
  #wantsDrain = false;
  #isWoken = false;
  /** Received while paused. */
  #held: ByteStore | undefined = undefined;
  /** Kept back by the peer's windows. */
  #queue: SendQueue | undefined = undefined;

  constructor(
    id: number,
    owner: StreamOwner,
    messages: MessageReader,
    windows: { readonly send: number; readonly receive: number; readonly declared: number },
  ) {
    this.id = id;
    this.#owner = owner;
    this.#messages = messages;
    this.sendWindowBytes = windows.send;
    this.receiveWindowBytes = windows.receive;
    this.#declaredLeft = windows.declared < 0 ? Number.NaN : windows.declared;
  }

  /** Nothing received waits for `resume`. */
  get isReadOut(): boolean {
    return this.#held === undefined;
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
    if (!this.#hasHeaders) {
      this.#hasHeaders = true;
      owner.writer.headers(this.id, RESPONSE_HEADERS, false);
    }
    const messageBytes = beforeBytes + body.length + after.length;
    const size = PREFIX_BYTES + messageBytes;
    const room = Math.min(DEFAULT_FRAME_BYTES, this.sendWindowBytes, owner.sendWindowBytes);
    if (size <= room && this.#queuedBytes === 0) {
      let at = owner.writer.data(this.id, size);
      const { block } = owner.writer;
      block[at] = 0;
      writeUint32(block, at + 1, messageBytes);
      at += PREFIX_BYTES;
      for (let i = 0; i < beforeBytes; i += 1) block[at + i] = before[i] ?? 0;
      block.set(body, at + beforeBytes);
      if (after.length > 0) block.set(after, at + beforeBytes + body.length);
      this.sendWindowBytes -= size;
      owner.sendWindowBytes -= size;
    } else {
      const head = Buffer.allocUnsafe(PREFIX_BYTES + beforeBytes);
      head[0] = 0;
      writeUint32(head, 1, messageBytes);
      head.set(before.subarray(0, beforeBytes), PREFIX_BYTES);
      this.#queue ??= new SendQueue();
      this.#queue.borrow(head, body, after);
      this.#pump(this.#queue);
      this.#queue.own();
    }
    owner.written();
    return this.#hasRoom();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#wake();
  }

  end(): void {
    this.#end(undefined);
  }

  /** Ends the call with another status than OK; its handler is told that it is over. */
  fail(code: StatusCode, message: string): void {
    if (this.#hasEnded) return;
    const { handler } = this;
    this.#queue?.clear();
    this.#end(trailers(code, message, !this.#hasHeaders));
    if (handler !== undefined) this.#call(() => handler.cancelled());
  }

  /** Breaks the stream off with RST_STREAM. */
  reset(code: ErrorNumber): void {
    if (!this.isLocalDone) {
      this.isLocalDone = true;
      this.#owner.writer.append(numberFrame(FRAME.RST_STREAM, this.id, code));
      this.#owner.written();
      this.#leave();
    }
    this.#abandon();
  }

  /** The peer broke the stream off, or its connection is gone. */
  lost(): void {
    this.isRemoteDone = true;
    this.isLocalDone = true;
    this.#abandon();
    this.#owner.closed(this);
  }

  /** Content. */
  receive(bytes: Buffer, start: number, end: number): void {
    this.#declaredLeft -= end - start;
    if (this.#declaredLeft < 0) {
      this.reset(ERROR.PROTOCOL_ERROR);
      return;
    }
    if (this.handler === undefined) return;
    if (this.#isPaused || this.#held !== undefined) this.#hold(bytes, start, end);
    else this.#deliver(bytes, start, end);
  }

  /** The peer sends no more. */
  peerEnded(): void {
    this.isRemoteDone = true;
    if (this.#declaredLeft > 0) {
      this.reset(ERROR.PROTOCOL_ERROR);
    } else if (this.#refusal !== undefined) {
      this.#end(this.#refusal);
    } else if (this.handler === undefined) {
      if (this.isLocalDone) this.#owner.closed(this);
    } else if (!this.#isPaused && this.#held === undefined) {
      // A client that breaks a call off may end its side first: a reset in the same read tells.
      if (this.handler.isComplete) this.#halfClosed(this.handler);
      else this.#wake();
    }
  }

  take(bytes: Buffer, start: number, end: number): boolean {
    const { handler } = this;
    if (handler === undefined) return true;
    try {
      handler.message(bytes, start, end);
    } catch (error) {
      this.#failed(error);
    }
    return !this.#isPaused;
  }

  /** Passes on what was held back, unless paused again. */
  runHeld(): void {
    this.#isWoken = false;
    const { handler } = this;
    if (handler === undefined || this.#isPaused) return;
    const held = this.#held;
    if (held !== undefined) {
      this.#held = undefined;
      this.#owner.heldBytes -= held.length;
      this.#deliver(held.bytes, 0, held.length);
    }
    if (this.isRemoteDone && this.#held === undefined && !this.#isPaused && this.handler !== undefined) {
      this.#halfClosed(this.handler);
    }
  }

  /** There is a window again. */
  unblock(): void {
    if (this.#queue !== undefined) this.#pump(this.#queue);
    this.relieved();
  }

  /** There may be room again for a writer that was told to wait. */
  relieved(): void {
    const { handler } = this;
    if (!this.#wantsDrain || handler === undefined || !this.#hasRoom()) return;
    this.#wantsDrain = false;
    this.#call(() => handler.drained());
  }

  get #queuedBytes(): number {
    return this.#queue === undefined ? 0 : this.#queue.bytes;
  }

  #hasRoom(): boolean {
    const isFull = this.#queuedBytes > MAX_QUEUED_BYTES;
    const { isCongested } = this.#owner.writer;
    if (isCongested) this.#owner.congested(this);
    if (isFull || isCongested) this.#wantsDrain = true;
    return !isFull && !isCongested;
  }

  /** Sends what the windows allow. */
  #pump(queue: SendQueue): void {
    const owner = this.#owner;
    while (queue.bytes > 0) {
      const room = Math.min(queue.bytes, DEFAULT_FRAME_BYTES, this.sendWindowBytes, owner.sendWindowBytes);
      if (room <= 0) {
        if (owner.sendWindowBytes <= 0) owner.blocked(this);
        return;
      }
      const at = owner.writer.data(this.id, room);
      queue.take(owner.writer.block, at, room);
      this.sendWindowBytes -= room;
      owner.sendWindowBytes -= room;
    }
    if (this.#hasEnded) this.#finish(undefined);
    owner.written();
  }

  /** `block`: trailers, or the whole answer; undefined for OK. */
  #end(block: Uint8Array | undefined): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#release();
    if (this.#queuedBytes === 0) this.#finish(block);
  }

  #finish(block: Uint8Array | undefined): void {
    if (this.isLocalDone) return;
    this.isLocalDone = true;
    const last = block ?? (this.#hasHeaders ? OK_TRAILERS : trailers(STATUS.OK, '', true));
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
    const { handler } = this;
    this.#hasEnded = true;
    this.#queue?.clear();
    this.#release();
    if (handler === undefined) return;
    this.#call(() => handler.cancelled());
  }

  #release(): void {
    this.handler = undefined;
    this.cancelDeadline?.();
    this.cancelDeadline = undefined;
    if (this.#held === undefined) return;
    this.#owner.heldBytes -= this.#held.length;
    this.#held = undefined;
  }

  #deliver(bytes: Buffer, start: number, end: number): void {
    try {
      const stop = this.#messages.read(bytes, start, end, this);
      if (stop < end && this.handler !== undefined) this.#hold(bytes, stop, end);
    } catch (error) {
      if (!(error instanceof MessageError)) throw error;
      this.fail(error.code, error.message);
    }
  }

  #halfClosed(handler: ByteStreamHandler): void {
    if (this.#messages.isAtBorder) this.#call(() => handler.halfClosed());
    else this.fail(STATUS.INTERNAL, 'the stream ended within a message');
  }

  /** A copy: a read of the socket is not to be kept for a few bytes of it. */
  #hold(bytes: Buffer, start: number, end: number): void {
    this.#owner.heldBytes += end - start;
    this.#held ??= new ByteStore();
    this.#held.add(bytes, start, end);
    this.#wake();
  }

  #wake(): void {
    if (this.#isWoken || this.#isPaused) return;
    this.#isWoken = true;
    this.#owner.wake(this);
  }

  #call(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    this.#owner.handlerFailed(error);
    this.reset(ERROR.INTERNAL_ERROR);
  }
}
