import { BufferPool } from '../util/buffer-pool.ts';

/** Largest piece of a body sent to the data plane; llm-d-router: pkg/epp/handlers, `bodyByteLimit`. */
export const CHUNK_BYTES = 62_000;

/** No bytes. */
export const EMPTY: Buffer = Buffer.alloc(0);

/** Pieces of at least this size are sent as they are, smaller ones together: a message costs more than copying less. */
const ALONE_BYTES = 16 * 1024;

/** Larger bodies are joined in memory that is used again. */
const POOLED_BYTES = 64 * 1024;
const POOL = new BufferPool();

const NO_CHUNKS: readonly Buffer[] = [];

/** A body while it arrives: chunks as received, which go on as they are, and all of it together for those who read it. */
export class BodyBuffer {
  #first: Buffer = EMPTY;
  /** All chunks when there are several. */
  #chunks: Buffer[] | undefined = undefined;
  /** The chunks in one; undefined until asked for. */
  #joined: Buffer | undefined = undefined;
  /** Memory of `#joined`, when it goes back to the pool. */
  #pooled: Buffer | undefined = undefined;
  sizeBytes = 0;

  /** Keeps `chunk`, which may not change afterwards. Not after `whole`. */
  append(chunk: Buffer): void {
    if (chunk.length === 0) return;
    if (this.sizeBytes === 0) this.#first = chunk;
    else if (this.#chunks === undefined) this.#chunks = [this.#first, chunk];
    else this.#chunks.push(chunk);
    this.sizeBytes += chunk.length;
  }

  /** All of it as one buffer, valid until `release`; a body of one chunk is that chunk, not a copy. */
  whole(): Buffer {
    if (this.#chunks === undefined) return this.#first;
    this.#joined ??= this.#join(this.#chunks);
    return this.#joined;
  }

  /** The chunks as received; they stay what they are after `release`. */
  chunks(): readonly Buffer[] {
    if (this.#chunks !== undefined) return this.#chunks;
    return this.sizeBytes === 0 ? NO_CHUNKS : [this.#first];
  }

  /**
   * `pieces` with those parts that lie in `whole()` replaced by what was received, so that they stay what they are after
   * `release`.
   */
  lasting(pieces: readonly Uint8Array[]): readonly Uint8Array[] {
    const joined = this.#joined;
    const chunks = this.#chunks;
    if (joined === undefined || chunks === undefined) return pieces;
    const lasting: Uint8Array[] = [];
    for (const piece of pieces) {
      const start = piece.byteOffset - joined.byteOffset;
      if (piece.buffer !== joined.buffer || start < 0 || start + piece.length > joined.length) {
        lasting.push(piece);
      } else {
        slicesOf(chunks, start, start + piece.length, lasting);
      }
    }
    return lasting;
  }

  /** Lets go of the bytes: the memory of `whole()` may be used again at once; the size stays. */
  release(): void {
    this.#first = EMPTY;
    this.#chunks = undefined;
    this.#joined = undefined;
    if (this.#pooled === undefined) return;
    POOL.give(this.#pooled);
    this.#pooled = undefined;
  }

  #join(chunks: readonly Buffer[]): Buffer {
    if (this.sizeBytes < POOLED_BYTES) return Buffer.concat(chunks, this.sizeBytes);
    const memory = POOL.take(this.sizeBytes);
    this.#pooled = memory;
    let at = 0;
    for (const chunk of chunks) at += chunk.copy(memory, at);
    return memory.subarray(0, at);
  }
}

/** Appends to `into` what lies in [from, to) of `chunks` laid end to end. */
function slicesOf(chunks: readonly Buffer[], from: number, to: number, into: Uint8Array[]): void {
  let at = 0;
  for (const chunk of chunks) {
    const start = Math.max(0, from - at);
    const end = Math.min(chunk.length, to - at);
    if (start < end) into.push(chunk.subarray(start, end));
    at += chunk.length;
  }
}

/**
 * Cuts a body into chunks of at most `CHUNK_BYTES`: full ones where it is one piece. Of several, long pieces are cut
 * evenly and only runs of short ones are copied, together.
 */
export class Chunker {
  readonly #pieces: readonly Uint8Array[];
  #piece = 0;
  #offset = 0;
  /** Bytes not yet returned by `next`. */
  remainingBytes = 0;

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces;
    for (const piece of pieces) this.remainingBytes += piece.length;
  }

  /** The next chunk, empty when nothing is left. */
  next(): Uint8Array {
    if (this.remainingBytes === 0) return EMPTY;
    const first = this.#take(CHUNK_BYTES);
    this.remainingBytes -= first.length;
    if (first.length >= ALONE_BYTES || this.remainingBytes === 0) return first;
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, first.length + this.remainingBytes));
    chunk.set(first);
    let filled = first.length;
    while (filled < chunk.length) {
      const part = this.#take(chunk.length - filled);
      chunk.set(part, filled);
      filled += part.length;
    }
    this.remainingBytes -= filled - first.length;
    return chunk;
  }

  /** At least one and at most `limit` bytes out of one piece; callers ask only for bytes that are there. */
  #take(limit: number): Uint8Array {
    let piece = this.#pieces[this.#piece] ?? EMPTY;
    while (this.#offset === piece.length) {
      this.#piece += 1;
      this.#offset = 0;
      piece = this.#pieces[this.#piece] ?? EMPTY;
    }
    const left = piece.length - this.#offset;
    const isOnly = this.#pieces.length === 1;
    const size = isOnly ? Math.min(left, limit) : Math.ceil(left / Math.ceil(left / limit));
    const part = size === piece.length ? piece : piece.subarray(this.#offset, this.#offset + size);
    this.#offset += size;
    return part;
  }
}
