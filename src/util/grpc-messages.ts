import { gunzipSync, inflateSync } from 'node:zlib';

/** Compressed flag and length stand before each message. */
const HEAD_BYTES = 5;
const NOTHING = Buffer.alloc(0);

/** Why a message cannot be had from the bytes of a gRPC body. */
export class GrpcMessageError extends Error {
  override readonly name = 'GrpcMessageError';
  /** The message is, or would become, longer than allowed. */
  readonly isTooLong: boolean;

  constructor(message: string, isTooLong = false) {
    super(message);
    this.isTooLong = isTooLong;
  }
}

/**
 * The first message of a whole gRPC body: a view of `body`, or its own memory when it was compressed with `encoding`
 * (`grpc-encoding`: `gzip` and `deflate` are known). `maxBytes`: limit of a decompressed message. Throws
 * `GrpcMessageError`.
 */
export function firstGrpcMessage(body: Buffer, encoding: string, maxBytes: number): Buffer {
  if (body.length < HEAD_BYTES) {
    throw new GrpcMessageError(`frame of ${body.length} bytes, which is less than its head`);
  }
  const flag = body[0] ?? 0;
  const length = body.readUInt32BE(1);
  const end = HEAD_BYTES + length;
  if (end > body.length) {
    throw new GrpcMessageError(`message of ${length} bytes, of which ${body.length - HEAD_BYTES} are there`);
  }
  const message = body.subarray(HEAD_BYTES, end);
  if (flag === 0) return message;
  if (flag !== 1) throw new GrpcMessageError(`frame with flag ${flag}`);
  return decompressGrpc(message, encoding, maxBytes);
}

/** A message without its compression. Throws `GrpcMessageError`. */
export function decompressGrpc(message: Buffer, encoding: string, maxBytes: number): Buffer {
  try {
    if (encoding === 'gzip') return gunzipSync(message, { maxOutputLength: maxBytes });
    if (encoding === 'deflate') return inflateSync(message, { maxOutputLength: maxBytes });
  } catch (error) {
    const isTooLong = error instanceof RangeError;
    throw new GrpcMessageError(
      isTooLong ? `message of more than ${maxBytes} bytes` : `message is not ${encoding}`,
      isTooLong,
    );
  }
  throw new GrpcMessageError(`compressed frame with encoding '${encoding.slice(0, 40)}'`);
}

/** Takes one message; `message` is valid during the call. */
export type GrpcMessageSink = (message: Buffer, isCompressed: boolean) => void;

/**
 * Puts the messages of a gRPC body together from its chunks. A message that lies whole in a chunk is not copied; one
 * longer than `maxBytes` is passed over. Never throws: bytes that are no frames end what is read.
 */
export class GrpcFrameAssembler {
  readonly #maxBytes: number;
  readonly #sink: GrpcMessageSink;
  readonly #head = Buffer.alloc(HEAD_BYTES);
  #headBytes = 0;
  /** Bytes of the message under way that have not come. */
  #missing = 0;
  /** What has come of it, when it is kept. */
  #kept: Buffer = NOTHING;
  #keptBytes = 0;
  #isKept = false;
  #isBroken = false;

  constructor(maxBytes: number, sink: GrpcMessageSink) {
    this.#maxBytes = maxBytes;
    this.#sink = sink;
  }

  /** The next bytes of the body. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.#isBroken) {
      if (this.#missing === 0) at = this.#readHead(chunk, at);
      else at = this.#readMessage(chunk, at);
    }
  }

  /** Reads on in the head, and the message behind it when that is all there. */
  #readHead(chunk: Buffer, from: number): number {
    const taken = Math.min(HEAD_BYTES - this.#headBytes, chunk.length - from);
    chunk.copy(this.#head, this.#headBytes, from, from + taken);
    this.#headBytes += taken;
    const at = from + taken;
    if (this.#headBytes < HEAD_BYTES) return at;
    this.#headBytes = 0;
    const length = this.#head.readUInt32BE(1);
    if ((this.#head[0] ?? 0) > 1) {
      this.#isBroken = true;
      return at;
    }
    if (length <= chunk.length - at) {
      if (length <= this.#maxBytes) this.#deliver(chunk.subarray(at, at + length));
      return at + length;
    }
    this.#missing = length;
    this.#isKept = length <= this.#maxBytes;
    this.#keptBytes = 0;
    if (this.#isKept && this.#kept.length < length) this.#kept = Buffer.allocUnsafe(length);
    return at;
  }

  #readMessage(chunk: Buffer, from: number): number {
    const taken = Math.min(this.#missing, chunk.length - from);
    if (this.#isKept) {
      chunk.copy(this.#kept, this.#keptBytes, from, from + taken);
      this.#keptBytes += taken;
    }
    this.#missing -= taken;
    if (this.#missing === 0 && this.#isKept) this.#deliver(this.#kept.subarray(0, this.#keptBytes));
    return from + taken;
  }

  #deliver(message: Buffer): void {
    this.#sink(message, this.#head[0] === 1);
  }
}
