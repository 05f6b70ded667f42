import type { Socket } from 'node:net';
import {
  DEFAULT_FRAME_BYTES,
  DEFAULT_WINDOW_BYTES,
  FLAG,
  FRAME,
  FRAME_HEADER_BYTES,
  frame,
  MAX_WINDOW_BYTES,
  numberFrame,
  writeFrameHeader,
} from '../../src/extproc/transport/wire/frames.ts';
import { clientPreface, type HeaderBlocks, initialWindowOf } from './frames.ts';
import { OutputBuffer } from './output-buffer.ts';

const GRPC_PREFIX_BYTES = 5;
const NOTHING = Buffer.alloc(0);

/** What happens on a call. */
export interface CallHandler {
  /** One message at `bytes[start, end)`, valid during the call only. */
  message(bytes: Buffer, start: number, end: number): void;
  /** The last byte passed to `send` has gone out, after flow control kept some back. */
  unblocked(): void;
  /** The server ended the call or reset it; last call. */
  ended(isReset: boolean): void;
}

/** One open call. */
export class Call {
  readonly id: number;
  readonly handler: CallHandler;
  sendWindow: number;
  /** What flow control keeps back. */
  readonly blocked: Buffer[] = [];
  isHalfClosed = false;
  /** Beginning of a message whose end has not arrived. */
  partial: Buffer = NOTHING;

  constructor(id: number, handler: CallHandler, sendWindow: number) {
    this.id = id;
    this.handler = handler;
    this.sendWindow = sendWindow;
  }
}

/**
 * A gRPC client on a bare socket, for load: messages go out as bytes prepared before, everything that one turn of
 * the event loop causes leaves in one write, and what comes in is not copied unless it is cut. About a tenth of the
 * CPU of a client on `node:http2`, so that the server is what is measured. Trusts the server; not for anything else.
 */
export class GrpcConnection {
  readonly #output: OutputBuffer;
  readonly #blocks: HeaderBlocks;
  readonly #calls = new Map<number, Call>();
  #leftover: Buffer = NOTHING;
  #nextId = 1;
  #initialWindow: number = DEFAULT_WINDOW_BYTES;
  #sendWindow: number = DEFAULT_WINDOW_BYTES;
  #toGrant = 0;

  constructor(socket: Socket, blocks: HeaderBlocks) {
    this.#output = new OutputBuffer(socket);
    this.#blocks = blocks;
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('close', () => this.#endAll());
    this.#output.append(clientPreface());
  }

  get openCalls(): number {
    return this.#calls.size;
  }

  open(handler: CallHandler): Call {
    const call = new Call(this.#nextId, handler, this.#initialWindow);
    const block = this.#nextId === 1 ? this.#blocks.first : this.#blocks.next;
    this.#nextId += 2;
    this.#calls.set(call.id, call);
    this.#appendHeader(block.length, FRAME.HEADERS, FLAG.END_HEADERS, call.id);
    this.#output.append(block);
    return call;
  }

  /**
   * Sends messages that are framed already (`framed`); keeps what flow control does not let go yet. The caller may
   * change the first `volatileBytes` as soon as this returns, the others never.
   */
  send(call: Call, framedMessages: Buffer, volatileBytes: number): void {
    if (call.blocked.length === 0) this.#sendNow(call, framedMessages, volatileBytes);
    else call.blocked.push(volatileBytes > 0 ? Buffer.from(framedMessages) : framedMessages);
  }

  /** No more messages follow. Only when nothing is blocked, which answers prove. */
  halfClose(call: Call): void {
    if (call.isHalfClosed) return;
    call.isHalfClosed = true;
    this.#appendHeader(0, FRAME.DATA, FLAG.END_STREAM, call.id);
  }

  #sendNow(call: Call, bytes: Buffer, volatileBytes: number): void {
    let at = 0;
    while (at < bytes.length) {
      const size = Math.min(bytes.length - at, DEFAULT_FRAME_BYTES, call.sendWindow, this.#sendWindow);
      if (size <= 0) {
        const rest = bytes.subarray(at);
        call.blocked.unshift(at < volatileBytes ? Buffer.from(rest) : rest);
        return;
      }
      this.#appendHeader(size, FRAME.DATA, 0, call.id);
      this.#output.append(bytes.subarray(at, at + size));
      call.sendWindow -= size;
      this.#sendWindow -= size;
      at += size;
    }
  }

  #appendHeader(length: number, type: number, flags: number, streamId: number): void {
    const at = this.#output.reserve(FRAME_HEADER_BYTES);
    writeFrameHeader(this.#output.buffer, at, length, type, flags, streamId);
  }

  #receive(bytes: Buffer): void {
    const buffer = this.#leftover.length === 0 ? bytes : Buffer.concat([this.#leftover, bytes]);
    let at = 0;
    while (buffer.length - at >= FRAME_HEADER_BYTES) {
      const length = buffer.readUIntBE(at, 3);
      const end = at + FRAME_HEADER_BYTES + length;
      if (end > buffer.length) break;
      this.#frame(buffer, at, end);
      at = end;
    }
    this.#leftover = at === buffer.length ? NOTHING : Buffer.from(buffer.subarray(at));
  }

  #frame(buffer: Buffer, at: number, end: number): void {
    const flags = buffer[at + 4] ?? 0;
    const streamId = buffer.readUInt32BE(at + 5) & MAX_WINDOW_BYTES;
    const start = at + FRAME_HEADER_BYTES;
    switch (buffer[at + 3] ?? -1) {
      case FRAME.DATA: {
        this.#grant(end - start);
        const call = this.#calls.get(streamId);
        if (call === undefined) return;
        this.#messages(call, buffer, { start, end });
        if ((flags & FLAG.END_STREAM) !== 0) this.#end(call, false);
        return;
      }
      case FRAME.HEADERS: {
        const call = this.#calls.get(streamId);
        if (call !== undefined && (flags & FLAG.END_STREAM) !== 0) this.#end(call, false);
        return;
      }
      case FRAME.RST_STREAM: {
        const call = this.#calls.get(streamId);
        if (call !== undefined) this.#end(call, true);
        return;
      }
      case FRAME.SETTINGS:
        if ((flags & FLAG.ACK) === 0) this.#settings(buffer.subarray(start, end));
        return;
      case FRAME.PING:
        if ((flags & FLAG.ACK) === 0) {
          this.#output.append(frame(FRAME.PING, FLAG.ACK, 0, buffer.subarray(start, end)));
        }
        return;
      case FRAME.WINDOW_UPDATE:
        this.#widen(streamId, buffer.readUInt32BE(start) & MAX_WINDOW_BYTES);
        return;
      default:
    }
  }

  #messages(call: Call, frameBytes: Buffer, payload: { readonly start: number; readonly end: number }): void {
    let { start: at, end } = payload;
    let buffer = frameBytes;
    if (call.partial.length > 0) {
      buffer = Buffer.concat([call.partial, frameBytes.subarray(at, end)]);
      at = 0;
      end = buffer.length;
      call.partial = NOTHING;
    }
    while (end - at >= GRPC_PREFIX_BYTES) {
      const messageEnd = at + GRPC_PREFIX_BYTES + buffer.readUInt32BE(at + 1);
      if (messageEnd > end) break;
      call.handler.message(buffer, at + GRPC_PREFIX_BYTES, messageEnd);
      at = messageEnd;
    }
    if (at < end) call.partial = Buffer.from(buffer.subarray(at, end));
  }

  #settings(payload: Buffer): void {
    const window = initialWindowOf(payload);
    if (window !== undefined) {
      for (const call of this.#calls.values()) call.sendWindow += window - this.#initialWindow;
      this.#initialWindow = window;
    }
    this.#output.append(frame(FRAME.SETTINGS, FLAG.ACK, 0, NOTHING));
    for (const call of this.#calls.values()) this.#unblock(call);
  }

  #widen(streamId: number, bytes: number): void {
    const call = this.#calls.get(streamId);
    if (call !== undefined) {
      call.sendWindow += bytes;
      this.#unblock(call);
    } else if (streamId === 0) {
      this.#sendWindow += bytes;
      for (const other of this.#calls.values()) this.#unblock(other);
    }
  }

  #unblock(call: Call): void {
    while (call.sendWindow > 0 && this.#sendWindow > 0) {
      const next = call.blocked.shift();
      if (next === undefined) return;
      this.#sendNow(call, next, 0);
      if (call.blocked.length === 0) call.handler.unblocked();
    }
  }

  /** Gives windows back in large pieces: an update per frame would be work that Envoy does not cause either. */
  #grant(bytes: number): void {
    this.#toGrant += bytes;
    if (this.#toGrant < MAX_WINDOW_BYTES >>> 2) return;
    this.#output.append(numberFrame(FRAME.WINDOW_UPDATE, 0, this.#toGrant));
    this.#toGrant = 0;
  }

  #end(call: Call, isReset: boolean): void {
    this.#calls.delete(call.id);
    if (!isReset) this.halfClose(call);
    call.handler.ended(isReset);
  }

  #endAll(): void {
    for (const call of [...this.#calls.values()]) this.#end(call, true);
  }
}

/** One message with the prefix of gRPC: not compressed, length. */
export function framed(message: Uint8Array): Buffer {
  const bytes = Buffer.alloc(GRPC_PREFIX_BYTES + message.length);
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, GRPC_PREFIX_BYTES);
  return bytes;
}
