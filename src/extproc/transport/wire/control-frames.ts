import type { FloodGuard } from './flood-guard.ts';
import { checkConnection, checkDependency, checkSize } from './frame-checks.ts';
import type { FrameWriter } from './frame-writer.ts';
import { ConnectionError, DEFAULT_WINDOW_BYTES, ERROR, FLAG, FRAME, frame } from './frames.ts';
import { initialWindow } from './settings.ts';

/** What control frames need of their session. */
export interface ControlOwner {
  readonly writer: FrameWriter;
  /** Every stream may be sent so many bytes more, or less when negative. */
  windowsChanged(bytes: number): void;
  /** A PING of ours was answered. */
  pinged(payload: Uint8Array): void;
}

const SETTINGS_ACK = frame(FRAME.SETTINGS, FLAG.ACK, 0, Buffer.alloc(0));

/** Frames that carry nothing of a call: checked, counted, and answered where that is due. */
export class ControlFrames {
  readonly #owner: ControlOwner;
  readonly #guard: FloodGuard;
  /** The peer's SETTINGS were read, which come before everything else (RFC 9113, section 3.4). */
  hasSettings = false;
  /** Window that the peer gives to a stream when it opens. */
  streamWindowBytes = DEFAULT_WINDOW_BYTES;

  constructor(owner: ControlOwner, guard: FloodGuard) {
    this.#owner = owner;
    this.#guard = guard;
  }

  /** One frame with the payload `bytes[start, end)`, of any type that is no stream's. Throws `ConnectionError`. */
  read(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case FRAME.SETTINGS:
        checkConnection(type, streamId);
        this.#guard.count('idle');
        this.#settings(flags, bytes, start, end);
        return;
      case FRAME.PING:
        checkConnection(type, streamId);
        checkSize(type, end - start, 8);
        this.#guard.count('idle');
        if ((flags & FLAG.ACK) !== 0) this.#owner.pinged(bytes.subarray(start, end));
        else this.#owner.writer.append(frame(FRAME.PING, FLAG.ACK, 0, bytes.subarray(start, end)));
        return;
      case FRAME.GOAWAY:
        checkConnection(type, streamId);
        if (end - start < 8) throw new ConnectionError(ERROR.FRAME_SIZE_ERROR, 'GOAWAY of less than 8 bytes');
        this.#guard.count('idle');
        return;
      case FRAME.PRIORITY:
        if (streamId === 0) throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'PRIORITY without a stream');
        checkSize(type, end - start, 5);
        checkDependency(streamId, bytes, start);
        this.#guard.count('idle');
        return;
      case FRAME.PUSH_PROMISE:
        throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'PUSH_PROMISE of a client');
      default:
        this.#guard.count('idle'); // unknown, and ignored (RFC 9113, section 5.5)
    }
  }

  #settings(flags: number, bytes: Buffer, start: number, end: number): void {
    if ((flags & FLAG.ACK) !== 0) {
      checkSize(FRAME.SETTINGS, end - start, 0);
      return;
    }
    this.hasSettings = true;
    const window = initialWindow(bytes, start, end) ?? this.streamWindowBytes;
    const wider = window - this.streamWindowBytes;
    this.streamWindowBytes = window;
    this.#owner.writer.append(SETTINGS_ACK);
    if (wider === 0) return;
    this.#guard.count('window');
    this.#owner.windowsChanged(wider);
  }
}
