import type { Socket } from 'node:net';

interface Write {
  readonly bytes: Uint8Array;
  readonly done: (error?: Error) => void;
}

/** What is written to a socket, taken by a kernel that the test is: at once, or when it is told to. */
export class FakeSocket {
  readonly #waiting: Write[] = [];
  readonly #taken: Buffer[] = [];
  /** Takes every write at once; calls back when the test says so. */
  isFluent: boolean;
  readonly #callbacks: (() => void)[] = [];
  /** Writes so far. */
  writes = 0;
  /** What `net.Socket` calls so. */
  writableLength = 0;
  hasEnded = false;

  constructor(isFluent = true) {
    this.isFluent = isFluent;
  }

  /** For those who take a socket and use of it no more than is here. */
  get socket(): Socket {
    return this as unknown as Socket; // write, end and writableLength are all that a FrameWriter uses
  }

  write(bytes: Uint8Array, done: (error?: Error) => void): boolean {
    this.writes += 1;
    this.#waiting.push({ bytes, done });
    this.writableLength += bytes.length;
    if (this.isFluent) this.#takeOne();
    return this.writableLength === 0;
  }

  end(): void {
    this.hasEnded = true;
  }

  /** Bytes taken since the last call. */
  take(): Buffer {
    return Buffer.concat(this.#taken.splice(0));
  }

  /** The kernel takes the oldest writes, all by default, and says so. */
  drain(count = this.#waiting.length): void {
    for (let i = 0; i < count && this.#waiting.length > 0; i += 1) {
      this.#takeOne();
      this.callBack();
    }
    this.callBack();
  }

  /** Says that what was taken was taken. */
  callBack(): void {
    for (const callback of this.#callbacks.splice(0)) callback();
  }

  /** The connection breaks: writes fail. */
  break(): void {
    for (const { done } of this.#waiting.splice(0)) done(new Error('broken'));
  }

  /** Copies not before now: whoever wrote may not have changed the bytes since. */
  #takeOne(): void {
    const write = this.#waiting.shift();
    if (write === undefined) return;
    this.#taken.push(Buffer.from(write.bytes));
    this.writableLength -= write.bytes.length;
    this.#callbacks.push(write.done);
  }
}
