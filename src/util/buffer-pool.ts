/**
 * Large buffers for reuse: memory fresh from the system costs more to touch first than most work done in it. Sizes are
 * powers of two; a few of each wait, never more than `KEPT_BYTES` in all.
 */
export class BufferPool {
  readonly #free = new Map<number, Buffer[]>();
  #keptBytes = 0;

  /** Bytes that wait for reuse. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** A buffer of at least `bytes`, with whatever was in it. */
  take(bytes: number): Buffer {
    const size = Math.max(MIN_BYTES, 2 ** Math.ceil(Math.log2(bytes)));
    const buffer = this.#free.get(size)?.pop();
    if (buffer === undefined) return Buffer.allocUnsafeSlow(size);
    this.#keptBytes -= size;
    return buffer;
  }

  /** Takes back what `take` gave, whole; nobody may look at it any more. */
  give(buffer: Buffer): void {
    const size = buffer.length;
    if (size < MIN_BYTES || this.#keptBytes + size > KEPT_BYTES) return;
    const list = this.#free.get(size);
    if (list === undefined) this.#free.set(size, [buffer]);
    else list.push(buffer);
    this.#keptBytes += size;
  }
}

/** Below this, memory comes from pools of the runtime's own. */
const MIN_BYTES = 64 * 1024;
const KEPT_BYTES = 32 * 1024 * 1024;
