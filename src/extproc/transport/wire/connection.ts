import type { Socket } from 'node:net';
import type { Log } from '../../../framework/log.ts';
import type { Clock } from '../../../util/clock.ts';
import type { OpenByteStream } from '../transport.ts';
import { CallOpener } from './call-opener.ts';
import { FloodGuard } from './flood-guard.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import {
  ConnectionError,
  DEFAULT_WINDOW_BYTES,
  ERROR,
  FLAG,
  FRAME,
  frame,
  goAwayFrame,
  MAX_WINDOW_BYTES,
  numberFrame,
  readUint32,
} from './frames.ts';
import { HeaderBlocks } from './header-blocks.ts';
import { LIMITS, serverPreface } from './limits.ts';
import { initialWindow } from './settings.ts';
import type { StreamOwner, WireStream } from './stream.ts';

/** What a connection is given by its transport. */
export interface ConnectionServices {
  readonly methods: ReadonlyMap<string, OpenByteStream>;
  readonly maxReceiveBytes: number;
  readonly clock: Clock;
  readonly log: Log | undefined;
  readonly closed: (connection: WireConnection) => void;
}

const ACK = frame(FRAME.SETTINGS, FLAG.ACK, 0, Buffer.alloc(0));
const KEEPALIVE_PING = frame(FRAME.PING, 0, 0, Buffer.from('alive?  '));
/** Its answer proves that the peer has read the GOAWAY before it (RFC 9113, section 6.8). */
const DRAIN_PING = frame(FRAME.PING, 0, 0, Buffer.from('leaving '));

type Phase = 'open' | 'announced' | 'draining' | 'closed';

/**
 * One HTTP/2 connection of a gRPC client (RFC 9113): reads frames, gives them to streams, keeps the windows that all
 * streams share. Everything that one read of the socket causes leaves in one write.
 */
export class WireConnection implements FrameSink, StreamOwner {
  readonly writer: FrameWriter;
  sendWindowBytes = DEFAULT_WINDOW_BYTES;
  heldBytes = 0;
  readonly #socket: Socket;
  readonly #services: ConnectionServices;
  readonly #reader: FrameReader;
  readonly #blocks: HeaderBlocks;
  readonly #opener: CallOpener;
  readonly #guard = new FloodGuard();
  readonly #streams = new Map<number, WireStream>();
  /** Streams that this side is done with and the peer is not, the longest first. */
  readonly #lingering = new Set<WireStream>();
  readonly #blocked = new Set<WireStream>();
  readonly #congested = new Set<WireStream>();
  readonly #woken: WireStream[] = [];
  readonly #openedAtMs: number;
  /** Ids of streams that ended last, in a ring. */
  readonly #recent = new Uint32Array(64);
  #recentAt = 0;
  #phase: Phase = 'open';
  #lastStreamId = 0;
  #hasSettings = false;
  #peerWindowBytes = DEFAULT_WINDOW_BYTES;
  #receiveWindowBytes: number = LIMITS.connectionWindowBytes;
  #toGrantBytes = 0;
  /** Stream of the DATA frame being read. */
  #current: WireStream | undefined = undefined;
  #isEmpty = false;
  #isInTurn = false;
  #isScheduled = false;
  #isReading = true;
  #lastReadMs: number;
  #pingSentMs = Number.NaN;
  #closingSinceMs = Number.NaN;

  constructor(socket: Socket, services: ConnectionServices) {
    this.#socket = socket;
    this.#services = services;
    this.#openedAtMs = services.clock.nowMs();
    this.#lastReadMs = this.#openedAtMs;
    this.writer = new FrameWriter(socket, () => this.#relieved());
    this.#reader = new FrameReader(this, LIMITS.frameBytes);
    this.#blocks = new HeaderBlocks((streamId, endsStream) => this.#headers(streamId, endsStream));
    this.#opener = new CallOpener(this, this.#blocks.head, services);
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => this.#lost());
    this.writer.append(serverPreface());
    this.written();
  }

  /** Streams that have not ended on both sides. */
  get openStreams(): number {
    return this.#streams.size;
  }

  /** No new streams; the connection ends when the open ones have. */
  drain(): void {
    if (this.#phase !== 'open') return;
    this.#phase = 'announced';
    this.#closingSinceMs = this.#services.clock.nowMs();
    this.writer.append(goAwayFrame(MAX_WINDOW_BYTES, ERROR.NO_ERROR, 'shutting down'));
    this.writer.append(DRAIN_PING);
    this.written();
  }

  /** Ends at once. */
  close(): void {
    this.#phase = 'closed';
    this.#socket.destroy();
    this.#lost();
  }

  /** Once a second: whatever has waited too long. */
  tick(nowMs: number): void {
    this.#guard.forgive();
    if (this.#phase === 'closed') {
      if (nowMs - this.#closingSinceMs >= LIMITS.goAwayMs) this.#socket.destroy();
      return;
    }
    if (!this.#reader.hasPreface && nowMs - this.#openedAtMs >= LIMITS.prefaceMs) {
      this.close();
      return;
    }
    if (this.#phase === 'announced' && nowMs - this.#closingSinceMs >= LIMITS.announceMs) this.#drained();
    for (const stream of this.#lingering) {
      if (nowMs - stream.lingersSinceMs < LIMITS.lingerMs) break;
      this.writer.append(numberFrame(FRAME.RST_STREAM, stream.id, ERROR.NO_ERROR));
      stream.lost();
    }
    this.#keepAlive(nowMs);
    this.written();
  }

  written(): void {
    if (this.#isInTurn || this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#settle();
    });
  }

  blocked(stream: WireStream): void {
    this.#blocked.add(stream);
  }

  congested(stream: WireStream): void {
    this.#congested.add(stream);
  }

  wake(stream: WireStream): void {
    this.#woken.push(stream);
    this.written();
  }

  localDone(stream: WireStream): void {
    stream.lingersSinceMs = this.#services.clock.nowMs();
    this.#lingering.add(stream);
  }

  closed(stream: WireStream): void {
    if (!this.#streams.delete(stream.id)) return;
    this.#lingering.delete(stream);
    this.#blocked.delete(stream);
    this.#congested.delete(stream);
    this.#recent[this.#recentAt] = stream.id;
    this.#recentAt = (this.#recentAt + 1) % this.#recent.length;
    if (this.#phase === 'draining' && this.#streams.size === 0) this.written();
  }

  handlerFailed(error: unknown): void {
    this.#services.log?.error({ err: error }, 'stream handler failed');
  }

  dataBegins(streamId: number, frameBytes: number): void {
    this.#current = undefined;
    if (this.#phase === 'closed') return;
    this.#checkOrder(FRAME.DATA);
    this.#receiveWindowBytes -= frameBytes;
    if (this.#receiveWindowBytes < 0) {
      throw new ConnectionError(
        ERROR.FLOW_CONTROL_ERROR,
        'more content than the connection has a window for',
      );
    }
    this.#toGrantBytes += frameBytes;
    const stream = this.#streams.get(streamId);
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
    stream.consumedBytes += frameBytes;
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
    this.#grantStream(stream);
  }

  frame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (this.#phase === 'closed') return;
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
        this.#windowUpdate(streamId, readUint32(bytes, start));
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
        this.#priority(streamId, bytes, start, end);
        return;
      case FRAME.PUSH_PROMISE:
        throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'PUSH_PROMISE of a client');
      default:
        this.#guard.count('idle');
    }
  }

  #read(bytes: Buffer): void {
    if (this.#phase === 'closed') return;
    this.#isInTurn = true;
    this.#lastReadMs = this.#services.clock.nowMs();
    try {
      this.#reader.read(bytes);
    } catch (error) {
      this.#fault(error);
    }
    this.#settle();
  }

  /** Ends a turn: what was woken goes on, windows are given back, and everything written leaves. */
  #settle(): void {
    this.#isInTurn = true;
    for (let stream = this.#woken.shift(); stream !== undefined; stream = this.#woken.shift()) {
      stream.runHeld();
      this.#grantStream(stream);
    }
    this.#isInTurn = false;
    if (this.#toGrantBytes >= LIMITS.connectionWindowBytes / 4 && this.heldBytes < LIMITS.heldBytes) {
      this.writer.append(numberFrame(FRAME.WINDOW_UPDATE, 0, this.#toGrantBytes));
      this.#receiveWindowBytes += this.#toGrantBytes;
      this.#toGrantBytes = 0;
    }
    this.writer.flush();
    if (this.#phase === 'draining' && this.#streams.size === 0) this.#end();
    if (this.#isReading && this.writer.waitingBytes > LIMITS.backlogBytes) {
      this.#isReading = false;
      this.#socket.pause();
    }
  }

  #relieved(): void {
    this.#isInTurn = true;
    const congested = [...this.#congested];
    this.#congested.clear();
    for (const stream of congested) stream.relieved();
    this.#settle();
    if (this.#isReading) return;
    this.#isReading = true;
    this.#socket.resume();
  }

  #grantStream(stream: WireStream): void {
    if (stream.isRemoteDone || stream.isLocalDone || !stream.isReadOut) return;
    const used = LIMITS.streamWindowBytes - stream.receiveWindowBytes;
    if (used < LIMITS.streamWindowBytes / 2) return;
    stream.receiveWindowBytes += used;
    this.writer.append(numberFrame(FRAME.WINDOW_UPDATE, stream.id, used));
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

  /** A frame for a stream that is not there. */
  #orphan(streamId: number, type: number): void {
    if (streamId === 0 || streamId > this.#lastStreamId || streamId % 2 === 0) {
      throw new ConnectionError(ERROR.PROTOCOL_ERROR, `frame ${type} for a stream that was never opened`);
    }
    this.#guard.count('idle');
    if (type !== FRAME.DATA) return;
    this.writer.append(numberFrame(FRAME.RST_STREAM, streamId, ERROR.STREAM_CLOSED));
  }

  /** A header block is complete. */
  #headers(streamId: number, endsStream: boolean): void {
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) {
      const isRefused = this.#blocks.decode(true) === false;
      if (stream.isRemoteDone) stream.reset(ERROR.STREAM_CLOSED);
      else if (isRefused || !endsStream || this.#blocks.head.isMalformed) stream.reset(ERROR.PROTOCOL_ERROR);
      else stream.peerEnded();
      return;
    }
    if (streamId % 2 === 0) throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'a client opens odd streams');
    if (streamId <= this.#lastStreamId) {
      const code = this.#recent.includes(streamId) ? ERROR.STREAM_CLOSED : ERROR.PROTOCOL_ERROR;
      throw new ConnectionError(code, 'HEADERS for a stream that is over');
    }
    const isWhole = this.#blocks.decode(false);
    if (this.#phase === 'draining') {
      this.writer.append(numberFrame(FRAME.RST_STREAM, streamId, ERROR.REFUSED_STREAM));
      return;
    }
    this.#lastStreamId = streamId;
    if (this.#streams.size >= LIMITS.concurrentStreams) {
      this.#guard.count('idle');
      this.writer.append(numberFrame(FRAME.RST_STREAM, streamId, ERROR.REFUSED_STREAM));
      return;
    }
    const opened = this.#opener.create(streamId, this.#peerWindowBytes);
    this.#streams.set(streamId, opened);
    this.#opener.open(opened, isWhole);
    if (endsStream) opened.peerEnded();
  }

  #peerReset(streamId: number): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) {
      this.#orphan(streamId, FRAME.RST_STREAM);
      return;
    }
    stream.lost();
    this.#guard.count(stream.hasContent ? 'reset' : 'empty reset');
  }

  #windowUpdate(streamId: number, value: number): void {
    const bytes = value & MAX_WINDOW_BYTES;
    if (streamId === 0) {
      if (bytes === 0) throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
      this.sendWindowBytes += bytes;
      if (this.sendWindowBytes > MAX_WINDOW_BYTES) throw windowOverflow();
      this.#unblock();
      return;
    }
    const stream = this.#streams.get(streamId);
    if (stream === undefined) {
      this.#orphan(streamId, FRAME.WINDOW_UPDATE);
      return;
    }
    stream.sendWindowBytes += bytes;
    if (bytes === 0) stream.reset(ERROR.PROTOCOL_ERROR);
    else if (stream.sendWindowBytes > MAX_WINDOW_BYTES) stream.reset(ERROR.FLOW_CONTROL_ERROR);
    else stream.unblock();
  }

  /** Those that waited longest first; one that is blocked again goes behind the others. */
  #unblock(): void {
    const waiting = [...this.#blocked];
    this.#blocked.clear();
    for (const stream of waiting) {
      if (this.sendWindowBytes > 0) stream.unblock();
      else this.#blocked.add(stream);
    }
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
    this.writer.append(ACK);
    if (wider === 0) return;
    for (const stream of [...this.#streams.values()]) {
      stream.sendWindowBytes += wider;
      if (stream.sendWindowBytes > MAX_WINDOW_BYTES) throw windowOverflow();
      stream.unblock();
    }
  }

  #ping(flags: number, payload: Uint8Array): void {
    this.#guard.count('idle');
    if ((flags & FLAG.ACK) === 0) {
      this.writer.append(frame(FRAME.PING, FLAG.ACK, 0, payload));
    } else if (this.#phase === 'announced' && Buffer.compare(payload, DRAIN_PING.subarray(9)) === 0) {
      this.#drained();
    }
  }

  /** Checked and not followed (RFC 9113, section 5.3.2). */
  #priority(streamId: number, bytes: Buffer, start: number, end: number): void {
    this.#guard.count('idle');
    if (streamId === 0) throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'PRIORITY without a stream');
    if (end - start !== 5) throw new ConnectionError(ERROR.FRAME_SIZE_ERROR, 'PRIORITY: want 5 bytes');
    if ((readUint32(bytes, start) & MAX_WINDOW_BYTES) === streamId) {
      throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'a stream that depends on itself');
    }
  }

  #keepAlive(nowMs: number): void {
    if (!Number.isNaN(this.#pingSentMs) && this.#lastReadMs < this.#pingSentMs) {
      if (nowMs - this.#pingSentMs >= LIMITS.keepAliveTimeoutMs) this.close();
      return;
    }
    this.#pingSentMs = Number.NaN;
    if (nowMs - this.#lastReadMs < LIMITS.keepAliveMs) return;
    this.#pingSentMs = nowMs;
    this.writer.append(KEEPALIVE_PING);
  }

  /** The peer knows that it may open no more streams. */
  #drained(): void {
    this.#phase = 'draining';
    this.writer.append(goAwayFrame(this.#lastStreamId, ERROR.NO_ERROR, 'shutting down'));
    this.written();
  }

  /** Tells the peer why, and ends the connection with all its streams. */
  #fault(thrown: unknown): void {
    const isPeers = thrown instanceof ConnectionError;
    const error = isPeers ? thrown : new ConnectionError(ERROR.INTERNAL_ERROR, 'internal error');
    const peer = `${this.#socket.remoteAddress ?? ''}:${this.#socket.remotePort ?? ''}`;
    if (isPeers)
      this.#services.log?.warn({ peer, code: error.code }, `connection given up: ${error.message}`);
    else this.#services.log?.error({ peer, err: thrown }, 'connection failed');
    this.writer.append(goAwayFrame(this.#lastStreamId, error.code, error.message));
    this.writer.flush();
    this.#end();
  }

  /** Everything written still leaves; a peer that does not close is cut off by `tick`. */
  #end(): void {
    this.#phase = 'closed';
    this.#closingSinceMs = this.#services.clock.nowMs();
    this.#socket.end();
    this.#cancelAll();
  }

  #lost(): void {
    this.#phase = 'closed';
    this.#cancelAll();
    this.#services.closed(this);
  }

  #cancelAll(): void {
    for (const stream of [...this.#streams.values()]) stream.lost();
  }
}

function windowOverflow(): ConnectionError {
  return new ConnectionError(ERROR.FLOW_CONTROL_ERROR, `window above ${MAX_WINDOW_BYTES}`);
}

function checkConnection(type: number, streamId: number): void {
  if (streamId !== 0) throw new ConnectionError(ERROR.PROTOCOL_ERROR, `frame ${type} on a stream`);
}

function checkSize(type: number, got: number, want: number): void {
  if (got === want) return;
  throw new ConnectionError(ERROR.FRAME_SIZE_ERROR, `frame ${type} of ${got} bytes, want ${want}`);
}
