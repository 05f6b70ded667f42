import type { Log } from '../../../framework/log.ts';
import type { Clock } from '../../../util/clock.ts';
import type { OpenByteStream } from '../transport.ts';
import { CallOpener } from './call-opener.ts';
import type { FloodGuard } from './flood-guard.ts';
import { checkConnection, checkDependency, checkSize, checkWindow } from './frame-checks.ts';
import type { FrameSink } from './frame-reader.ts';
import type { FrameWriter } from './frame-writer.ts';
import {
  ConnectionError,
  DEFAULT_WINDOW_BYTES,
  ERROR,
  FLAG,
  FRAME,
  frame,
  MAX_WINDOW_BYTES,
  numberFrame,
  readUint32,
} from './frames.ts';
import { HeaderBlocks } from './header-blocks.ts';
import { LIMITS } from './limits.ts';
import { initialWindow } from './settings.ts';
import type { StreamOwner, WireStream } from './stream.ts';
import { StreamTable } from './stream-table.ts';

/** What connections are given by their transport. */
export interface SessionServices {
  readonly methods: ReadonlyMap<string, OpenByteStream>;
  readonly maxReceiveBytes: number;
  readonly clock: Clock;
  readonly log: Log | undefined;
}

/** What a session needs of its connection. */
export interface SessionOwner {
  readonly writer: FrameWriter;
  /** Something was written or woken: end the turn of the event loop with `wakeStreams` and a flush. */
  written(): void;
  /** A PING of ours was answered. */
  pinged(payload: Uint8Array): void;
}

const SETTINGS_ACK = frame(FRAME.SETTINGS, FLAG.ACK, 0, Buffer.alloc(0));

/**
 * The protocol of one HTTP/2 connection (RFC 9113): takes frames in order, opens and feeds streams, keeps the windows
 * that all streams share. Throws `ConnectionError` for what ends the connection.
 */
export class Session implements FrameSink, StreamOwner {
  readonly writer: FrameWriter;
  readonly streams = new StreamTable();
  sendWindowBytes = DEFAULT_WINDOW_BYTES;
  heldBytes = 0;
  lastStreamId = 0;
  /** The connection is over: whatever still comes is not looked at. */
  isClosed = false;
  /** The peer was told that no more streams are taken. */
  refusesStreams = false;
  readonly #owner: SessionOwner;
  readonly #services: SessionServices;
  readonly #guard: FloodGuard;
  readonly #blocks: HeaderBlocks;
  readonly #opener: CallOpener;
  readonly #woken: WireStream[] = [];
  #hasSettings = false;
  #peerWindowBytes = DEFAULT_WINDOW_BYTES;
  #receiveWindowBytes: number = LIMITS.connectionWindowBytes;
  /** Stream of the DATA frame being read; `#isEmpty` when it has no content. */
  #current: WireStream | undefined = undefined;
  #isEmpty = false;

  constructor(owner: SessionOwner, services: SessionServices, guard: FloodGuard) {
    this.writer = owner.writer;
    this.#owner = owner;
    this.#services = services;
    this.#guard = guard;
    this.#blocks = new HeaderBlocks((streamId, endsStream) => this.#headers(streamId, endsStream));
    this.#opener = new CallOpener(this, this.#blocks.head, services);
  }

  written(): void {
    this.#owner.written();
  }

  blocked(stream: WireStream): void {
    this.streams.block(stream);
  }

  congested(stream: WireStream): void {
    this.streams.congest(stream);
  }

  wake(stream: WireStream): void {
    this.#woken.push(stream);
    this.written();
  }

  localDone(stream: WireStream): void {
    stream.lingersSinceMs = this.#services.clock.nowMs();
    this.streams.linger(stream);
  }

  closed(stream: WireStream): void {
    if (this.streams.delete(stream) && this.refusesStreams) this.written();
  }

  handlerFailed(error: unknown): void {
    this.#services.log?.error({ err: error }, 'stream handler failed');
  }

  /** Streams that were woken go on. */
  wakeStreams(): void {
    for (let stream = this.#woken.shift(); stream !== undefined; stream = this.#woken.shift()) {
      stream.runHeld();
      this.#grant(stream);
    }
  }

  /** Gives the peer its window back, in large pieces, unless too much of what it sent could not be passed on. */
  grantConnection(): void {
    const used = LIMITS.connectionWindowBytes - this.#receiveWindowBytes;
    if (used < LIMITS.connectionWindowBytes / 4 || this.heldBytes >= LIMITS.heldBytes) return;
    this.#receiveWindowBytes += used;
    this.writer.append(numberFrame(FRAME.WINDOW_UPDATE, 0, used));
  }

  /** Every call is over. */
  cancelAll(): void {
    this.isClosed = true;
    for (const stream of this.streams.all()) stream.lost();
  }

  dataBegins(streamId: number, frameBytes: number): void {
    this.#current = undefined;
    if (this.isClosed) return;
    this.#checkOrder(FRAME.DATA);
    this.#receiveWindowBytes -= frameBytes;
    if (this.#receiveWindowBytes < 0) {
      throw new ConnectionError(
        ERROR.FLOW_CONTROL_ERROR,
        'more content than the connection has a window for',
      );
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.#orphan(streamId, FRAME.DATA);
      return;
    }
    if (stream.isRemoteDone) {
      stream.reset(ERROR.STREAM_CLOSED);
      return;
    }
    stream.receiveWindowBytes -= frameBytes;
    if (stream.receiveWindowBytes < 0) {
      stream.reset(ERROR.FLOW_CONTROL_ERROR);
      return;
    }
    stream.hasContent = true;
    this.#isEmpty = frameBytes === 0;
    this.#current = stream;
  }

  data(bytes: Buffer, start: number, end: number): void {
    this.#current?.receive(bytes, start, end);
  }

  dataEnds(isLast: boolean): void {
    const stream = this.#current;
    this.#current = undefined;
    if (stream === undefined) return;
    if (isLast) {
      stream.peerEnded();
      return;
    }
    if (this.#isEmpty) this.#guard.count('idle');
    this.#grant(stream);
  }

  frame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (this.isClosed) return;
    this.#checkOrder(type);
    switch (type) {
      case FRAME.HEADERS:
        this.#blocks.begin(flags, streamId, bytes, start, end);
        return;
      case FRAME.CONTINUATION:
        this.#blocks.go(flags, streamId, bytes, start, end);
        return;
      case FRAME.WINDOW_UPDATE:
        checkSize(type, end - start, 4);
        this.#windowUpdate(streamId, readUint32(bytes, start) & MAX_WINDOW_BYTES);
        return;
      case FRAME.RST_STREAM:
        checkSize(type, end - start, 4);
        this.#peerReset(streamId);
        return;
      case FRAME.SETTINGS:
        checkConnection(type, streamId);
        this.#settings(flags, bytes, start, end);
        return;
      case FRAME.PING:
        checkConnection(type, streamId);
        checkSize(type, end - start, 8);
        this.#ping(flags, bytes.subarray(start, end));
        return;
      case FRAME.GOAWAY:
        checkConnection(type, streamId);
        if (end - start < 8) throw new ConnectionError(ERROR.FRAME_SIZE_ERROR, 'GOAWAY of less than 8 bytes');
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
        this.#guard.count('idle');
    }
  }

  /** Settings come first, and nothing comes between the frames of a header block. */
  #checkOrder(type: number): void {
    if (!this.#hasSettings && type !== FRAME.SETTINGS) {
      throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'no SETTINGS after the preface');
    }
    if (this.#blocks.isOpen !== (type === FRAME.CONTINUATION)) {
      throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'CONTINUATION out of place');
    }
  }

  #grant(stream: WireStream): void {
    if (stream.isRemoteDone || stream.isLocalDone || !stream.isReadOut) return;
    const used = LIMITS.streamWindowBytes - stream.receiveWindowBytes;
    if (used < LIMITS.streamWindowBytes / 2) return;
    stream.receiveWindowBytes += used;
    this.writer.append(numberFrame(FRAME.WINDOW_UPDATE, stream.id, used));
  }

  /** A frame for a stream that is not there; one that is over may still have frames under way (section 5.1). */
  #orphan(streamId: number, type: number): void {
    if (streamId === 0 || streamId > this.lastStreamId || streamId % 2 === 0) {
      throw new ConnectionError(ERROR.PROTOCOL_ERROR, `frame ${type} for a stream that was never opened`);
    }
    this.#guard.count('late');
    if (type === FRAME.DATA) this.#refuse(streamId, ERROR.STREAM_CLOSED);
  }

  #refuse(streamId: number, code: number): void {
    this.writer.append(numberFrame(FRAME.RST_STREAM, streamId, code));
  }

  /** A header block is complete. Whatever becomes of it, the tables need it decoded. */
  #headers(streamId: number, endsStream: boolean): void {
    const known = this.streams.get(streamId);
    const isWhole = this.#blocks.decode(known !== undefined);
    if (known !== undefined) {
      const isWrong = !isWhole || !endsStream || this.#blocks.head.isMalformed;
      if (known.isRemoteDone) known.reset(ERROR.STREAM_CLOSED);
      else if (isWrong) known.reset(ERROR.PROTOCOL_ERROR);
      else known.peerEnded();
      return;
    }
    if (streamId % 2 === 0) throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'a client opens odd streams');
    if (streamId <= this.lastStreamId) {
      const code = this.streams.hasEnded(streamId) ? ERROR.STREAM_CLOSED : ERROR.PROTOCOL_ERROR;
      throw new ConnectionError(code, 'HEADERS for a stream that is over');
    }
    if (this.refusesStreams || this.streams.size >= LIMITS.concurrentStreams) {
      if (!this.refusesStreams) this.lastStreamId = streamId;
      this.#guard.count('idle');
      this.#refuse(streamId, ERROR.REFUSED_STREAM);
      return;
    }
    this.lastStreamId = streamId;
    const stream = this.#opener.create(streamId, this.#peerWindowBytes);
    this.streams.add(stream);
    this.#opener.open(stream, isWhole);
    if (endsStream) stream.peerEnded();
  }

  #peerReset(streamId: number): void {
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.#orphan(streamId, FRAME.RST_STREAM);
      return;
    }
    stream.lost();
    this.#guard.count(stream.hasContent ? 'reset' : 'empty reset');
  }

  #windowUpdate(streamId: number, bytes: number): void {
    if (streamId === 0) {
      if (bytes === 0) throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
      this.sendWindowBytes += bytes;
      checkWindow(this.sendWindowBytes);
      this.streams.unblock(() => this.sendWindowBytes > 0);
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.#orphan(streamId, FRAME.WINDOW_UPDATE);
      return;
    }
    stream.sendWindowBytes += bytes;
    if (bytes === 0) stream.reset(ERROR.PROTOCOL_ERROR);
    else if (stream.sendWindowBytes > MAX_WINDOW_BYTES) stream.reset(ERROR.FLOW_CONTROL_ERROR);
    else stream.unblock();
  }

  #settings(flags: number, bytes: Buffer, start: number, end: number): void {
    this.#guard.count('idle');
    if ((flags & FLAG.ACK) !== 0) {
      checkSize(FRAME.SETTINGS, end - start, 0);
      return;
    }
    this.#hasSettings = true;
    const window = initialWindow(bytes, start, end) ?? this.#peerWindowBytes;
    const wider = window - this.#peerWindowBytes;
    this.#peerWindowBytes = window;
    this.writer.append(SETTINGS_ACK);
    if (wider === 0) return;
    for (const stream of this.streams.all()) {
      stream.sendWindowBytes += wider;
      checkWindow(stream.sendWindowBytes);
      stream.unblock();
    }
  }

  #ping(flags: number, payload: Uint8Array): void {
    this.#guard.count('idle');
    if ((flags & FLAG.ACK) !== 0) this.#owner.pinged(payload);
    else this.writer.append(frame(FRAME.PING, FLAG.ACK, 0, payload));
  }
}
