/** In place of a chunk that has left. */
const SPENT = new Uint8Array(0);

/** Their places are given up in lots of at least so many: a queue need never become empty. */
const SPENT_CHUNKS = 64;

/**
 * Messages that wait for the peer's window, in order. What can leave at once is never copied here; only what has to
 * wait is, so that the memory it came in is free again.
 */
export class SendQueue {
  #chunks: Uint8Array[] = [];
  /** Chunks before it have left, and so many bytes of the one there. */
  #first = 0;
  #offset = 0;
  /** From here on chunks belong to others. */
  #borrowedFrom = 0;
  /** Bytes that wait. */
  bytes = 0;

  /** Adds the parts of one message; they may not be changed before `own` is called. */
  borrow(...parts: readonly Uint8Array[]): void {
    this.#borrowedFrom = this.#chunks.length;
    for (const part of parts) {
      if (part.length === 0) continue;
      this.#chunks.push(part);
      this.bytes += part.length;
    }
  }

  /** Copies what was borrowed and still waits. */
  own(): void {
    for (let i = Math.max(this.#first, this.#borrowedFrom); i < this.#chunks.length; i += 1) {
      const chunk = this.#chunks[i];
      if (chunk === undefined) return;
      const isCut = i === this.#first && this.#offset > 0;
      this.#chunks[i] = Buffer.from(isCut ? chunk.subarray(this.#offset) : chunk);
      if (isCut) this.#offset = 0;
    }
    this.#borrowedFrom = this.#chunks.length;
  }

  /** Moves the first `size` bytes, which must be there, to `target` at `start`. */
  take(target: Uint8Array, start: number, size: number): void {
    let at = start;
    for (let left = size; left > 0; ) {
      const chunk = this.#chunks[this.#first];
      if (chunk === undefined) throw new RangeError(`${left} bytes more than wait`);
      const part = Math.min(left, chunk.length - this.#offset);
      target.set(chunk.subarray(this.#offset, this.#offset + part), at);
      this.#offset += part;
      at += part;
      left -= part;
      if (this.#offset === chunk.length) {
        this.#chunks[this.#first] = SPENT;
        this.#first += 1;
        this.#offset = 0;
      }
    }
    this.bytes -= size;
    if (this.bytes === 0) this.clear();
    else if (this.#first >= SPENT_CHUNKS && this.#first * 2 >= this.#chunks.length) this.#forget();
  }

  #forget(): void {
    this.#chunks.splice(0, this.#first);
    this.#borrowedFrom = Math.max(0, this.#borrowedFrom - this.#first);
    this.#first = 0;
  }

  /** Drops everything. */
  clear(): void {
    this.#chunks = [];
    this.#first = 0;
    this.#offset = 0;
    this.#borrowedFrom = 0;
    this.bytes = 0;
  }
}

/** Bytes put together in memory that grows in doubles, and taken from its beginning. */
export class ByteStore {
  /** What is there is `bytes[start, end)`; bytes once there are never written to again. */
  bytes: Buffer = Buffer.allocUnsafe(1024);
  start = 0;
  end = 0;

  get length(): number {
    return this.end - this.start;
  }

  /** Copies `bytes[start, end)` behind what is there. */
  add(bytes: Buffer, start: number, end: number): void {
    if (this.end + end - start > this.bytes.length) {
      const grown = Buffer.allocUnsafe((this.length + end - start) * 2);
      this.end = this.bytes.copy(grown, 0, this.start, this.end);
      this.start = 0;
      this.bytes = grown;
    }
    this.end += bytes.copy(this.bytes, this.end, start, end);
  }
}
