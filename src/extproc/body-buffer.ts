import { BufferPool } from '../util/buffer-pool.ts';

/** Largest piece of a body sent to the data plane; llm-d-router: pkg/epp/handlers, `bodyByteLimit`. */
export const CHUNK_BYTES = 62_000;

/** Larger bodies are joined in memory that is used again. */
const POOLED_BYTES = 64 * 1024;
const POOL = new BufferPool();

/** A body while it arrives: chunks as received, joined at most once. */
export class BodyBuffer {
  #chunks: Buffer[] = [];
  /** Memory of the joined body, when it goes back to the pool. */
  #pooled: Buffer | undefined = undefined;
  sizeBytes = 0;

  /** Keeps `chunk`, which may not change afterwards. */
  append(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.sizeBytes += chunk.length;
  }

  /** All of it as one buffer, valid until `release`; a body of one chunk is that chunk, not a copy. */
  whole(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [this.#join()];
    return this.#chunks[0] ?? EMPTY;
  }

  /** Lets go of the bytes, whose memory may be used again at once; the size stays. */
  release(): void {
    this.#chunks = [];
    if (this.#pooled === undefined) return;
    POOL.give(this.#pooled);
    this.#pooled = undefined;
  }

  #join(): Buffer {
    if (this.sizeBytes < POOLED_BYTES) return Buffer.concat(this.#chunks, this.sizeBytes);
    const memory = POOL.take(this.sizeBytes);
    this.#pooled = memory;
    let at = 0;
    for (const chunk of this.#chunks) at += chunk.copy(memory, at);
    return memory.subarray(0, at);
  }
}

export const EMPTY: Buffer = Buffer.alloc(0);

/** Cuts a body of several pieces into chunks of `CHUNK_BYTES`; only chunks that cross a border are copied. */
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
    const wanted = Math.min(this.remainingBytes, CHUNK_BYTES);
    this.remainingBytes -= wanted;
    if (wanted === 0) return EMPTY;
    const first = this.#take(wanted);
    if (first.length === wanted) return first;
    const chunk = Buffer.allocUnsafe(wanted);
    chunk.set(first);
    for (let filled = first.length; filled < wanted; ) {
      const part = this.#take(wanted - filled);
      chunk.set(part, filled);
      filled += part.length;
    }
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
    const part = piece.subarray(this.#offset, this.#offset + limit);
    this.#offset += part.length;
    return part;
  }
}
