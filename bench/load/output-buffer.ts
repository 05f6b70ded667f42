import type { Socket } from 'node:net';

const BLOCK_BYTES = 256 * 1024;

/** Collects what is to be sent and writes it when the running turn of the event loop is over. */
export class OutputBuffer {
  readonly #socket: Socket;
  /** Blocks whose bytes have left and that can be filled again. */
  readonly #free: Buffer[] = [];
  #block: Buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #length = 0;
  #isScheduled = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Where `reserve` and `append` write; changes with each of them. */
  get buffer(): Buffer {
    return this.#block;
  }

  /** Position in `buffer` of `size` bytes to be written at once by the caller. */
  reserve(size: number): number {
    if (this.#length + size > BLOCK_BYTES) this.#flush();
    this.#schedule();
    const at = this.#length;
    this.#length += size;
    return at;
  }

  append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#length === BLOCK_BYTES) this.#flush();
      const size = Math.min(bytes.length - at, BLOCK_BYTES - this.#length);
      this.#block.set(size === bytes.length ? bytes : bytes.subarray(at, at + size), this.#length);
      this.#length += size;
      at += size;
    }
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    const block = this.#block;
    const length = this.#length;
    this.#length = 0;
    if (length === 0 || this.#socket.destroyed) return;
    this.#socket.write(block.subarray(0, length), () => void this.#free.push(block));
    this.#block = this.#free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
  }
}
