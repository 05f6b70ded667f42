import { DEFAULT_FRAME_BYTES, writeUint32 } from './frames.ts';
import { RESPONSE_HEADERS } from './grpc.ts';
import { PREFIX_BYTES } from './message-reader.ts';
import { SendQueue } from './send-queue.ts';
import type { StreamOwner } from './stream-owner.ts';

/** What leaves one stream: messages, in order, as far as the peer's windows go; the rest waits. Fixed shape. */
export class SendHalf {
  readonly #id: number;
  readonly #owner: StreamOwner;
  /** Bytes that the peer takes on the stream; negative when it has narrowed its window. */
  #windowBytes: number;
  /** The answer has begun. */
  hasHeaders = false;
  /** Kept back by the peer's windows. */
  #queue: SendQueue | undefined = undefined;

  constructor(id: number, owner: StreamOwner, windowBytes: number) {
    this.#id = id;
    this.#owner = owner;
    this.#windowBytes = windowBytes;
  }

  /** The peer takes so many bytes more, or less; returns how many then. Nothing leaves before `pump`. */
  widen(bytes: number): number {
    this.#windowBytes += bytes;
    return this.#windowBytes;
  }

  /** Bytes that wait for a window. */
  get queuedBytes(): number {
    return this.#queue === undefined ? 0 : this.#queue.bytes;
  }

  /** One message, in parts as `ByteStream.writeAround` has them; all of them may be used again at once. */
  message(before: Uint8Array, beforeBytes: number, body: Uint8Array, after: Uint8Array): void {
    const owner = this.#owner;
    const { writer } = owner;
    if (!this.hasHeaders) {
      this.hasHeaders = true;
      writer.headers(this.#id, RESPONSE_HEADERS, false);
    }
    const messageBytes = beforeBytes + body.length + after.length;
    const size = PREFIX_BYTES + messageBytes;
    const room = Math.min(DEFAULT_FRAME_BYTES, this.#windowBytes, owner.sendWindowBytes);
    if (size > room || this.queuedBytes > 0) {
      this.#enqueue(before.subarray(0, beforeBytes), body, after);
      return;
    }
    let at = writer.data(this.#id, size);
    const { block } = writer;
    block[at] = 0;
    writeUint32(block, at + 1, messageBytes);
    at += PREFIX_BYTES;
    for (let i = 0; i < beforeBytes; i += 1) block[at + i] = before[i] ?? 0;
    block.set(body, at + beforeBytes);
    if (after.length > 0) block.set(after, at + beforeBytes + body.length);
    this.#windowBytes -= size;
    owner.sendWindowBytes -= size;
  }

  /** Sends of what waits as much as the windows allow. */
  pump(): void {
    const queue = this.#queue;
    if (queue === undefined) return;
    const owner = this.#owner;
    for (;;) {
      const room = Math.min(queue.bytes, DEFAULT_FRAME_BYTES, this.#windowBytes, owner.sendWindowBytes);
      if (room <= 0) return;
      const at = owner.writer.data(this.#id, room);
      queue.take(owner.writer.block, at, room);
      this.#windowBytes -= room;
      owner.sendWindowBytes -= room;
      owner.heldBytes -= room;
    }
  }

  /** Drops what waits. */
  clear(): void {
    if (this.#queue === undefined) return;
    this.#owner.heldBytes -= this.#queue.bytes;
    this.#queue.clear();
  }

  /** Goes through the queue: what can leave at once does, and only the rest is copied. */
  #enqueue(before: Uint8Array, body: Uint8Array, after: Uint8Array): void {
    const messageBytes = before.length + body.length + after.length;
    const head = Buffer.allocUnsafe(PREFIX_BYTES + before.length);
    head[0] = 0;
    writeUint32(head, 1, messageBytes);
    head.set(before, PREFIX_BYTES);
    this.#queue ??= new SendQueue();
    this.#queue.borrow(head, body, after);
    this.#owner.heldBytes += PREFIX_BYTES + messageBytes;
    this.pump();
    this.#queue.own();
  }
}
