import type { ByteStreamHandler } from '../transport.ts';
import { ERROR, type ErrorNumber } from './frames.ts';
import { STATUS, type StatusCode } from './grpc.ts';
import { MessageError, type MessageReader, type MessageSink } from './message-reader.ts';
import { ByteStore } from './send-queue.ts';
import type { StreamOwner } from './stream-owner.ts';

/** What a receiving half needs of its stream. */
export interface ReceiveOwner {
  /** The call cannot be read further. */
  fail(code: StatusCode, message: string): void;
  /** The peer broke a rule. */
  breakOff(code: ErrorNumber): void;
  /** A call to the handler threw. */
  handlerFailed(error: unknown): void;
  /** Call `runHeld` after what is running now. */
  wake(): void;
}

/** What one stream receives: content in, messages and the end out to the handler, unless it pauses. Fixed shape. */
export class ReceiveHalf implements MessageSink {
  readonly #stream: ReceiveOwner;
  readonly #owner: StreamOwner;
  readonly #messages: MessageReader;
  /** Undefined before the call is opened and once it has ended here: then content is dropped. */
  handler: ByteStreamHandler | undefined = undefined;
  /** Bytes that the peer may send. */
  windowBytes: number;
  /** A frame of content was received. */
  hasContent = false;
  /** Content to come by `content-length`; NaN when that was not said. */
  #declaredLeft: number;
  #hasEnded = false;
  /** The handler was told that the peer sends no more. */
  #isHalfClosed = false;
  #isPaused = false;
  #isWoken = false;
  /** Received while paused. */
  #held: ByteStore | undefined = undefined;

  /** `declaredBytes` is -1 when there is no `content-length`. */
  constructor(
    stream: ReceiveOwner,
    owner: StreamOwner,
    messages: MessageReader,
    limits: { readonly windowBytes: number; readonly declaredBytes: number },
  ) {
    this.#stream = stream;
    this.#owner = owner;
    this.#messages = messages;
    this.windowBytes = limits.windowBytes;
    this.#declaredLeft = limits.declaredBytes < 0 ? Number.NaN : limits.declaredBytes;
  }

  /** Nothing received waits for `resume`. */
  get isReadOut(): boolean {
    return this.#held === undefined;
  }

  /** Less content came than was declared. */
  get isShort(): boolean {
    return this.#declaredLeft > 0;
  }

  /** Content, which may be kept. */
  receive(bytes: Buffer, start: number, end: number): void {
    this.#declaredLeft -= end - start;
    if (this.#declaredLeft < 0) {
      this.#stream.breakOff(ERROR.PROTOCOL_ERROR);
      return;
    }
    if (this.handler === undefined) return;
    if (this.#isPaused || this.#held !== undefined) {
      this.#hold(bytes, start, end);
      return;
    }
    const stop = this.#deliver(bytes, start, end);
    if (stop < end && this.handler !== undefined) this.#hold(bytes, stop, end);
  }

  /** The peer sends no more. */
  end(): void {
    this.#hasEnded = true;
    if (this.handler === undefined || this.#isPaused || this.#held !== undefined) return;
    // A client that breaks a call off may end its side first: a reset in the same read tells.
    if (this.handler.isComplete) this.#halfClosed(this.handler);
    else this.#wake();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#wake();
  }

  take(bytes: Buffer, start: number, end: number): boolean {
    const { handler } = this;
    if (handler === undefined) return true;
    try {
      handler.message(bytes, start, end);
    } catch (error) {
      this.#stream.handlerFailed(error);
    }
    return !this.#isPaused;
  }

  /** Passes on what was held back, and the end, unless paused again. */
  runHeld(): void {
    this.#isWoken = false;
    if (this.handler === undefined || this.#isPaused) return;
    if (this.#held !== undefined) this.#deliverHeld(this.#held);
    if (this.handler === undefined || this.#isPaused || this.#held !== undefined) return;
    if (this.#hasEnded) this.#halfClosed(this.handler);
  }

  /** The call is over: no further call to the handler. */
  release(): void {
    this.handler = undefined;
    if (this.#held === undefined) return;
    this.#owner.heldBytes -= this.#held.length;
    this.#held = undefined;
  }

  /** Returns where reading stopped. */
  #deliver(bytes: Buffer, start: number, end: number): number {
    try {
      return this.#messages.read(bytes, start, end, this);
    } catch (error) {
      if (!(error instanceof MessageError)) throw error;
      this.#stream.fail(error.code, error.message);
      return end;
    }
  }

  /** What is held stays where it is when the handler pauses again: it may do so after every message. */
  #deliverHeld(held: ByteStore): void {
    const stop = this.#deliver(held.bytes, held.start, held.end);
    if (this.#held === undefined) return; // the call has ended
    this.#owner.heldBytes -= stop - held.start;
    held.start = stop;
    if (held.length === 0) this.#held = undefined;
  }

  #halfClosed(handler: ByteStreamHandler): void {
    if (this.#isHalfClosed) return;
    this.#isHalfClosed = true;
    if (!this.#messages.isAtBorder) {
      this.#stream.fail(STATUS.INTERNAL, 'the stream ended within a message');
      return;
    }
    try {
      handler.halfClosed();
    } catch (error) {
      this.#stream.handlerFailed(error);
    }
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
    this.#stream.wake();
  }
}
