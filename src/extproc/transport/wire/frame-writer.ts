import type { Socket } from 'node:net';
import { DEFAULT_FRAME_BYTES, FLAG, FRAME, FRAME_HEADER_BYTES, writeFrameHeader } from './frames.ts';

const BLOCK_BYTES = 64 * 1024;

/** Blocks that wait for reuse on one connection. */
const MAX_FREE_BLOCKS = 4;

/** Bytes that the kernel has not taken: above the first the writers are to wait, below the second they go on. */
const CONGESTED_BYTES = 256 * 1024;
const RELIEVED_BYTES = 64 * 1024;

/**
 * What leaves one connection: frames are written one behind the other into a block, and the block leaves in one write
 * to the socket when its owner flushes. Blocks are used again once the socket has let go of them. While the kernel
 * takes no more, only full blocks are given to the socket: what waits for a peer that does not read takes the memory
 * of its bytes, however many flushes it came in.
 */
export class FrameWriter {
  readonly #socket: Socket;
  readonly #written: (error?: Error | null) => void;
  readonly #free: Buffer[] = [];
  /** Handed to the socket, in order. */
  readonly #leaving: Buffer[] = [];
  #block: Buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #length = 0;
  /** The last frame, when it is DATA that may grow: where it begins, and its stream. */
  #dataAt = -1;
  #dataStreamId = 0;
  #dataBytes = 0;
  #isCongested = false;
  /** Was to be flushed while the socket had more than it could pass on. */
  #isDeferred = false;

  /** `relieved` is called when there is room again after congestion. */
  constructor(socket: Socket, relieved: () => void) {
    this.#socket = socket;
    this.#written = (error) => {
      const block = this.#leaving.shift();
      if (error) return; // the socket is gone
      if (block !== undefined && this.#free.length < MAX_FREE_BLOCKS) this.#free.push(block);
      if (this.#isDeferred && socket.writableLength === 0) this.#send();
      if (!this.#isCongested || this.waitingBytes > RELIEVED_BYTES) return;
      this.#isCongested = false;
      relieved();
    };
  }

  /** The peer does not read as fast as is written. */
  get isCongested(): boolean {
    return this.#isCongested;
  }

  /** Bytes that have not reached the kernel. */
  get waitingBytes(): number {
    return this.#socket.writableLength + this.#length;
  }

  /** Copies frames, at most a few kB. */
  append(bytes: Uint8Array): void {
    if (this.#length + bytes.length > BLOCK_BYTES) this.#send();
    this.#dataAt = -1;
    this.#block.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /**
   * Begins DATA of `size` bytes, at most 16,384, whose content the caller writes to `block` at the returned position
   * before anything else; grows the frame before when it belongs to the same stream.
   */
  data(streamId: number, size: number): number {
    if (this.#dataAt >= 0 && this.#dataStreamId === streamId) {
      const merged = this.#dataBytes + size;
      if (merged <= DEFAULT_FRAME_BYTES && this.#length + size <= BLOCK_BYTES) {
        writeFrameHeader(this.#block, this.#dataAt, merged, FRAME.DATA, 0, streamId);
        this.#dataBytes = merged;
        return this.#take(size);
      }
    }
    if (this.#length + FRAME_HEADER_BYTES + size > BLOCK_BYTES) this.#send();
    this.#dataAt = this.#length;
    this.#dataStreamId = streamId;
    this.#dataBytes = size;
    writeFrameHeader(this.#block, this.#length, size, FRAME.DATA, 0, streamId);
    return this.#take(FRAME_HEADER_BYTES + size) + FRAME_HEADER_BYTES;
  }

  /** Where `data` tells to write; changes with every call. */
  get block(): Buffer {
    return this.#block;
  }

  /** HEADERS with a block of at most a few hundred bytes. */
  headers(streamId: number, block: Uint8Array, endsStream: boolean): void {
    if (this.#length + FRAME_HEADER_BYTES + block.length > BLOCK_BYTES) this.#send();
    this.#dataAt = -1;
    const flags = FLAG.END_HEADERS | (endsStream ? FLAG.END_STREAM : 0);
    writeFrameHeader(this.#block, this.#length, block.length, FRAME.HEADERS, flags, streamId);
    this.#block.set(block, this.#length + FRAME_HEADER_BYTES);
    this.#length += FRAME_HEADER_BYTES + block.length;
  }

  /** Everything written so far leaves, as soon as the socket has let go of what it was given before. */
  flush(): void {
    if (this.#length === 0) return;
    if (this.#socket.writableLength > 0) this.#isDeferred = true;
    else this.#send();
  }

  /** Everything written so far leaves, and the socket ends. */
  end(): void {
    if (this.#length > 0) this.#send();
    this.#socket.end();
  }

  #take(size: number): number {
    const at = this.#length;
    this.#length += size;
    return at;
  }

  #send(): void {
    const block = this.#block;
    this.#isDeferred = false;
    this.#dataAt = -1;
    this.#leaving.push(block);
    this.#socket.write(this.#length === BLOCK_BYTES ? block : block.subarray(0, this.#length), this.#written);
    this.#block = this.#free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
    this.#length = 0;
    if (this.#socket.writableLength > CONGESTED_BYTES) this.#isCongested = true;
  }
}
