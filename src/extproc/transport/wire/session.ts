import type { Log } from '../../../framework/log.ts';
import { CallOpener, type CallServices } from './call-opener.ts';
import { ControlFrames, type ControlOwner } from './control-frames.ts';
import type { FloodGuard } from './flood-guard.ts';
import { checkSize, checkWindow } from './frame-checks.ts';
import type { FrameSink } from './frame-reader.ts';
import type { FrameWriter } from './frame-writer.ts';
import {
  ConnectionError,
  DEFAULT_WINDOW_BYTES,
  ERROR,
  type ErrorNumber,
  FRAME,
  MAX_WINDOW_BYTES,
  numberFrame,
  readUint32,
} from './frames.ts';
import { HeaderBlocks } from './header-blocks.ts';
import { LIMITS } from './limits.ts';
import type { WireStream } from './stream.ts';
import type { StreamOwner } from './stream-owner.ts';
import { StreamTable } from './stream-table.ts';

/** What connections are given by their transport. */
export interface SessionServices extends CallServices {
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

/**
 * The protocol of one HTTP/2 connection (RFC 9113): takes frames in order, opens and feeds streams, keeps the windows
 * that all streams share. Throws `ConnectionError` for what ends the connection.
 */
export class Session implements FrameSink, StreamOwner, ControlOwner {
  readonly writer: FrameWriter;
  readonly streams = new StreamTable();
  sendWindowBytes = DEFAULT_WINDOW_BYTES;
  heldBytes = 0;
  /** The last stream that was taken, or refused for now: what GOAWAY says (RFC 9113, section 6.8). */
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
  readonly #control: ControlFrames;
  readonly #woken: WireStream[] = [];
  /** The last stream that the peer has opened. */
  #highestStreamId = 0;
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
    this.#control = new ControlFrames(this, guard);
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

  brokenOff(stream: WireStream): void {
    this.#guard.count(stream.receiving.hasContent ? 'reset' : 'empty reset');
  }

  pinged(payload: Uint8Array): void {
    this.#owner.pinged(payload);
  }

  windowsChanged(bytes: number): void {
    for (const stream of this.streams.all()) {
      checkWindow(stream.sending.widen(bytes));
      stream.unblock();
    }
  }

  handlerFailed(error: unknown): void {
    this.#services.log?.error({ err: error }, 'stream handler failed');
  }

  /** Streams that were woken go on. */
  wakeStreams(): void {
    for (let stream = this.#woken.shift(); stream !== undefined; stream = this.#woken.shift()) {
      stream.receiving.runHeld();
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
      throw new ConnectionError(ERROR.FLOW_CONTROL_ERROR, 'content beyond the window of the connection');
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.#orphan(streamId, FRAME.DATA);
      return;
    }
    if (stream.isRemoteDone) {
      stream.breakOff(ERROR.STREAM_CLOSED);
      return;
    }
    const { receiving } = stream;
    receiving.windowBytes -= frameBytes;
    if (receiving.windowBytes < 0) {
      stream.breakOff(ERROR.FLOW_CONTROL_ERROR);
      return;
    }
    receiving.hasContent = true;
    this.#isEmpty = frameBytes === 0;
    this.#current = stream;
  }

  data(bytes: Buffer, start: number, end: number): void {
    this.#current?.receiving.receive(bytes, start, end);
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
      default:
        this.#control.read(type, flags, streamId, bytes, start, end);
    }
  }

  /** Settings come first, and nothing comes between the frames of a header block. */
  #checkOrder(type: number): void {
    if (!this.#control.hasSettings && type !== FRAME.SETTINGS) {
      throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'no SETTINGS after the preface');
    }
    if (this.#blocks.isOpen !== (type === FRAME.CONTINUATION)) {
      throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'CONTINUATION out of place');
    }
  }

  #grant(stream: WireStream): void {
    const { receiving } = stream;
    if (stream.isRemoteDone || stream.isLocalDone || !receiving.isReadOut) return;
    const used = LIMITS.streamWindowBytes - receiving.windowBytes;
    if (used < LIMITS.streamWindowBytes / 2) return;
    receiving.windowBytes += used;
    this.writer.append(numberFrame(FRAME.WINDOW_UPDATE, stream.id, used));
  }

  /** A frame for a stream that is not there; one that is over may still have frames under way (section 5.1). */
  #orphan(streamId: number, type: number): void {
    if (streamId === 0 || streamId > this.#highestStreamId || streamId % 2 === 0) {
      throw new ConnectionError(ERROR.PROTOCOL_ERROR, `frame ${type} for a stream that was never opened`);
    }
    this.#guard.count('late');
    if (type === FRAME.DATA) this.#reset(streamId, ERROR.STREAM_CLOSED);
  }

  #reset(streamId: number, code: ErrorNumber): void {
    this.writer.append(numberFrame(FRAME.RST_STREAM, streamId, code));
  }

  /** A header block is complete. Whatever becomes of it, the tables need it decoded. */
  #headers(streamId: number, endsStream: boolean): void {
    const known = this.streams.get(streamId);
    const isNew = streamId > this.#highestStreamId;
    const isWhole = this.#blocks.decode(!isNew);
    if (known !== undefined) {
      const isWrong = !isWhole || !endsStream || this.#blocks.head.isMalformed;
      if (known.isRemoteDone) known.breakOff(ERROR.STREAM_CLOSED);
      else if (isWrong) known.breakOff(ERROR.PROTOCOL_ERROR);
      else known.peerEnded();
      return;
    }
    if (streamId % 2 === 0) throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'a client opens odd streams');
    if (!isNew) {
      this.#lateHeaders(streamId, endsStream);
      return;
    }
    this.#highestStreamId = streamId;
    if (!this.refusesStreams) this.lastStreamId = streamId;
    if (this.refusesStreams || this.streams.size >= LIMITS.concurrentStreams) {
      this.#guard.count('idle');
      this.#reset(streamId, ERROR.REFUSED_STREAM);
      return;
    }
    const stream = this.#opener.create(streamId, this.#control.streamWindowBytes);
    this.streams.add(stream);
    this.#opener.open(stream, isWhole);
    if (endsStream) stream.peerEnded();
  }

  /** Trailers may be under way to a stream that was refused; a stream that the peer has ended gets none. */
  #lateHeaders(streamId: number, endsStream: boolean): void {
    this.#guard.count('late');
    const hasEnded = this.streams.hasEnded(streamId);
    if (!hasEnded && endsStream && !this.#blocks.head.isMalformed) return;
    const code = hasEnded ? ERROR.STREAM_CLOSED : ERROR.PROTOCOL_ERROR;
    throw new ConnectionError(code, 'HEADERS for a stream that is over');
  }

  #peerReset(streamId: number): void {
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.#orphan(streamId, FRAME.RST_STREAM);
      return;
    }
    stream.lost();
    this.brokenOff(stream);
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
    const window = stream.sending.widen(bytes);
    if (bytes === 0) stream.breakOff(ERROR.PROTOCOL_ERROR);
    else if (window > MAX_WINDOW_BYTES) stream.breakOff(ERROR.FLOW_CONTROL_ERROR);
    else stream.unblock();
  }
}
