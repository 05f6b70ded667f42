import { decompressor } from './compression.ts';
import { STATUS, type StatusCode } from './grpc.ts';

/** What keeps a stream from being read further; ends it with `code`. */
export class MessageError extends Error {
  override readonly name = 'MessageError';
  readonly code: StatusCode;

  constructor(code: StatusCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Compression flag and length before each message. */
export const PREFIX_BYTES = 5;

/**
 * Memory for a message that does not lie in one piece: so much at first, and then so many times what is there, as bytes
 * really arrive and not as they are claimed. A message of 64 kB in frames of 16 kB is put together in one go; a peer that
 * claims more than it sends makes us reserve little.
 */
const FIRST_BYTES = 4096;
const GROWTH = 16;

const EMPTY = Buffer.alloc(0);

/** Takes messages out of a stream's content. */
export interface MessageSink {
  /** One whole message, `bytes[start, end)`; returns false to be given no more for now. */
  take(bytes: Buffer, start: number, end: number): boolean;
}

/**
 * Length-prefixed messages out of a stream's content (gRPC over HTTP/2, "Length-Prefixed-Message"). A message that
 * lies whole in what was read is passed on where it is; one that is cut is put together in memory of its own, once.
 */
export class MessageReader {
  readonly #maxMessageBytes: number;
  /** Value of `grpc-encoding`; '' for none. */
  readonly #encoding: string;
  #prefixSeen = 0;
  #isCompressed = false;
  #length = 0;
  #message: Buffer = EMPTY;
  #messageBytes = 0;

  constructor(maxMessageBytes: number, encoding: string) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#encoding = encoding;
  }

  /** Between two messages. */
  get isAtBorder(): boolean {
    return this.#prefixSeen === 0;
  }

  /**
   * Takes `bytes[start, end)`, which may be kept. Returns where it stopped: `end`, or earlier when `sink` said so.
   * Throws `MessageError`.
   */
  read(bytes: Buffer, start: number, end: number, sink: MessageSink): number {
    let at = start;
    while (at < end) {
      if (this.#prefixSeen < PREFIX_BYTES) {
        at = this.#prefix(bytes, at, end);
        if (this.#prefixSeen < PREFIX_BYTES) return end;
      }
      const missing = this.#length - this.#messageBytes;
      if (this.#messageBytes === 0 && missing <= end - at) {
        at += missing;
        if (!this.#deliver(bytes, at - missing, at, sink)) return at;
        continue;
      }
      const stop = Math.min(end, at + missing);
      this.#reserve(stop - at);
      this.#messageBytes += bytes.copy(this.#message, this.#messageBytes, at, stop);
      at = stop;
      if (this.#messageBytes === this.#length && !this.#deliver(this.#message, 0, this.#length, sink))
        return at;
    }
    return at;
  }

  #prefix(bytes: Buffer, start: number, end: number): number {
    let at = start;
    for (; at < end && this.#prefixSeen < PREFIX_BYTES; at += 1) {
      const byte = bytes[at] ?? 0;
      if (this.#prefixSeen === 0) {
        if (byte > 1) throw new MessageError(STATUS.INTERNAL, `message flag ${byte}, want 0 or 1`);
        this.#isCompressed = byte === 1;
        this.#length = 0;
      } else {
        this.#length = this.#length * 256 + byte;
      }
      this.#prefixSeen += 1;
    }
    if (this.#prefixSeen === PREFIX_BYTES) this.#checkLength(this.#length);
    return at;
  }

  #checkLength(length: number): void {
    if (length <= this.#maxMessageBytes) return;
    throw new MessageError(
      STATUS.RESOURCE_EXHAUSTED,
      `message of ${length} bytes, want at most ${this.#maxMessageBytes}`,
    );
  }

  #reserve(more: number): void {
    const wanted = this.#messageBytes + more;
    if (wanted <= this.#message.length) return;
    const size = Math.min(this.#length, Math.max(FIRST_BYTES, wanted * GROWTH));
    const grown = Buffer.allocUnsafe(size);
    this.#message.copy(grown, 0, 0, this.#messageBytes);
    this.#message = grown;
  }

  #deliver(bytes: Buffer, start: number, end: number, sink: MessageSink): boolean {
    this.#prefixSeen = 0;
    this.#message = EMPTY;
    this.#messageBytes = 0;
    if (!this.#isCompressed) return sink.take(bytes, start, end);
    const message = this.#decompress(bytes.subarray(start, end));
    return sink.take(message, 0, message.length);
  }

  #decompress(bytes: Buffer): Buffer {
    const decompress = decompressor(this.#encoding);
    if (decompress === undefined) {
      throw new MessageError(STATUS.INTERNAL, 'compressed message without grpc-encoding');
    }
    try {
      return decompress(bytes, this.#maxMessageBytes);
    } catch (error) {
      if (error instanceof RangeError) this.#checkLength(this.#maxMessageBytes + 1);
      throw new MessageError(STATUS.INTERNAL, `cannot decompress a message of ${bytes.length} bytes`);
    }
  }
}
