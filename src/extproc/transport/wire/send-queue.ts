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
        this.#first += 1;
        this.#offset = 0;
      }
    }
    this.bytes -= size;
    if (this.bytes === 0) this.clear();
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

/** Bytes put together in memory that grows in doubles. */
export class ByteStore {
  bytes: Buffer = Buffer.allocUnsafe(1024);
  /** Bytes of `bytes` in use. */
  length = 0;

  /** Copies `bytes[start, end)` behind what is there. */
  add(bytes: Buffer, start: number, end: number): void {
    const wanted = this.length + end - start;
    if (wanted > this.bytes.length) {
      const grown = Buffer.allocUnsafe(wanted * 2);
      this.bytes.copy(grown, 0, 0, this.length);
      this.bytes = grown;
    }
    this.length += bytes.copy(this.bytes, this.length, start, end);
  }
}
