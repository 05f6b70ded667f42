import {
  ConnectionError,
  ERROR,
  FLAG,
  FRAME,
  FRAME_HEADER_BYTES,
  MAX_WINDOW_BYTES,
  PREFACE,
  readUint32,
} from './frames.ts';

/** Receives frames in order. What it is given is valid during the call only, except `data`, whose bytes are kept. */
export interface FrameSink {
  /** A DATA frame begins: `frameBytes` with its padding, all of it counted by flow control. */
  dataBegins(streamId: number, frameBytes: number): void;
  /** Some of its content, `bytes[start, end)`, which nobody writes to any more. Not called for an empty frame. */
  data(bytes: Buffer, start: number, end: number): void;
  /** Its end; `isLast` when the peer ends the stream with it. */
  dataEnds(isLast: boolean): void;
  /** Any other frame, whole: its payload is `bytes[start, end)`. */
  frame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void;
}

const EMPTY = Buffer.alloc(0);

/**
 * Cuts what a socket gives into frames (RFC 9113, section 4.1). The content of DATA goes on as it arrives and is
 * never copied; other frames are small and are collected when a read cuts them.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #maxFrameBytes: number;
  /** Bytes of the client's preface that were seen. */
  #prefaceSeen = 0;
  /** Beginning of something that a read cut: a frame header, or a whole frame that is not DATA. */
  #cut: Buffer = EMPTY;
  #cutBytes = 0;
  /** In a DATA frame: bytes of content and of padding still to come. */
  #contentLeft = 0;
  #paddingLeft = 0;
  #isInData = false;
  #endsStream = false;

  /** `maxFrameBytes` is what SETTINGS_MAX_FRAME_SIZE told the peer. */
  constructor(sink: FrameSink, maxFrameBytes: number) {
    this.#sink = sink;
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** The client's preface was read whole. */
  get hasPreface(): boolean {
    return this.#prefaceSeen === PREFACE.length;
  }

  /** Takes what was read. Throws `ConnectionError`, also from the sink; then nothing more may be read. */
  read(bytes: Buffer): void {
    let at = this.#prefaceSeen < PREFACE.length ? this.#preface(bytes) : 0;
    while (at < bytes.length) {
      if (this.#isInData) at = this.#content(bytes, at);
      else if (this.#cutBytes > 0) at = this.#collect(bytes, at);
      else at = this.#next(bytes, at);
    }
  }

  #preface(bytes: Buffer): number {
    let at = 0;
    for (; at < bytes.length && this.#prefaceSeen < PREFACE.length; at += 1) {
      if (bytes[at] !== PREFACE[this.#prefaceSeen]) {
        throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'not HTTP/2: want the client preface first');
      }
      this.#prefaceSeen += 1;
    }
    return at;
  }

  /** Takes the frame at `at`; returns where it ends, or the end of `bytes` when it is cut. */
  #next(bytes: Buffer, at: number): number {
    const available = bytes.length - at;
    if (available < FRAME_HEADER_BYTES) return this.#keep(bytes, at, FRAME_HEADER_BYTES);
    const length = this.#length(bytes, at);
    const start = at + FRAME_HEADER_BYTES;
    const end = start + length;
    const flags = bytes[at + 4] ?? 0;
    if (bytes[at + 3] === FRAME.DATA && (flags & FLAG.PADDED) === 0) {
      this.#beginData(bytes, at, length, 0, length);
      return start;
    }
    if (end > bytes.length) return this.#keep(bytes, at, FRAME_HEADER_BYTES + length);
    this.#whole(bytes, at, end);
    return end;
  }

  /** A frame that is here from its header at `at` to `end`. */
  #whole(bytes: Buffer, at: number, end: number): void {
    const type = bytes[at + 3] ?? 0;
    const flags = bytes[at + 4] ?? 0;
    const start = at + FRAME_HEADER_BYTES;
    if (type === FRAME.DATA) {
      const padding = (bytes[start] ?? 0) + 1;
      if (padding > end - start) throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'DATA: padding exceeds it');
      this.#beginData(bytes, at, end - start, padding - 1, end - start - padding);
      if (this.#isInData) this.#content(bytes.subarray(0, end), start + 1);
      return;
    }
    this.#sink.frame(type, flags, streamIdAt(bytes, at), bytes, start, end);
  }

  #beginData(bytes: Buffer, at: number, frameBytes: number, padding: number, content: number): void {
    const streamId = streamIdAt(bytes, at);
    if (streamId === 0) throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'DATA without a stream');
    this.#endsStream = ((bytes[at + 4] ?? 0) & FLAG.END_STREAM) !== 0;
    this.#contentLeft = content;
    this.#paddingLeft = padding;
    this.#isInData = true;
    this.#sink.dataBegins(streamId, frameBytes);
    if (content + padding === 0) this.#endData();
  }

  /** Passes on content and skips padding. */
  #content(bytes: Buffer, start: number): number {
    let at = start;
    if (this.#contentLeft > 0) {
      const end = Math.min(at + this.#contentLeft, bytes.length);
      this.#contentLeft -= end - at;
      this.#sink.data(bytes, at, end);
      at = end;
    }
    if (this.#contentLeft === 0) {
      const skipped = Math.min(this.#paddingLeft, bytes.length - at);
      this.#paddingLeft -= skipped;
      at += skipped;
      if (this.#paddingLeft === 0) this.#endData();
    }
    return at;
  }

  #endData(): void {
    this.#isInData = false;
    this.#sink.dataEnds(this.#endsStream);
  }

  /** Keeps the beginning of something that will have `wantedBytes`. */
  #keep(bytes: Buffer, at: number, wantedBytes: number): number {
    this.#cut = Buffer.allocUnsafe(wantedBytes);
    this.#cutBytes = bytes.copy(this.#cut, 0, at);
    return bytes.length;
  }

  /** Goes on with what was kept; first a header alone, then, unless it begins DATA, the frame. */
  #collect(bytes: Buffer, at: number): number {
    const end = Math.min(at + this.#cut.length - this.#cutBytes, bytes.length);
    this.#cutBytes += bytes.copy(this.#cut, this.#cutBytes, at, end);
    if (this.#cutBytes < this.#cut.length) return end;
    const cut = this.#cut;
    if (cut.length > FRAME_HEADER_BYTES) {
      this.#release();
      this.#whole(cut, 0, cut.length);
      return end;
    }
    const length = this.#length(cut, 0);
    const isPlainData = cut[3] === FRAME.DATA && ((cut[4] ?? 0) & FLAG.PADDED) === 0;
    if (isPlainData || length === 0) {
      this.#release();
      if (isPlainData) this.#beginData(cut, 0, length, 0, length);
      else this.#whole(cut, 0, cut.length);
      return end;
    }
    this.#keep(cut, 0, FRAME_HEADER_BYTES + length);
    return end;
  }

  #release(): void {
    this.#cut = EMPTY;
    this.#cutBytes = 0;
  }

  #length(bytes: Buffer, at: number): number {
    const length = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    if (length > this.#maxFrameBytes) {
      throw new ConnectionError(
        ERROR.FRAME_SIZE_ERROR,
        `frame of ${length} bytes, want at most ${this.#maxFrameBytes}`,
      );
    }
    return length;
  }
}

/** The reserved bit is ignored (RFC 9113, section 4.1). */
function streamIdAt(bytes: Buffer, at: number): number {
  return readUint32(bytes, at + 5) & MAX_WINDOW_BYTES;
}
