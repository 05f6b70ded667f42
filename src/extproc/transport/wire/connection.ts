import type { Socket } from 'node:net';
import { FloodGuard } from './flood-guard.ts';
import { FrameReader } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import {
  ConnectionError,
  ERROR,
  FRAME,
  FRAME_HEADER_BYTES,
  frame,
  goAwayFrame,
  MAX_WINDOW_BYTES,
} from './frames.ts';
import { LIMITS, serverPreface } from './limits.ts';
import { Session, type SessionOwner, type SessionServices } from './session.ts';

/** What a connection is given by its transport. */
export interface ConnectionServices extends SessionServices {
  readonly closed: (connection: WireConnection) => void;
}

const KEEPALIVE_PING = frame(FRAME.PING, 0, 0, Buffer.from('alive?  '));
/** Its answer proves that the peer has read the GOAWAY before it (RFC 9113, section 6.8). */
const DRAIN_PING = frame(FRAME.PING, 0, 0, Buffer.from('leaving '));

/**
 * `announced`: the peer was told to open no more streams; `draining`: it knows, and the connection ends with the last
 * stream; `closed`: it ends as soon as what was written has left.
 */
type Phase = 'open' | 'announced' | 'draining' | 'closed';

/**
 * The life of one connection, from its socket to its end: reads, writes, waits and gives up; what the frames mean is
 * the session's. Everything that one read of the socket causes leaves in one write.
 */
export class WireConnection implements SessionOwner {
  readonly writer: FrameWriter;
  readonly #socket: Socket;
  readonly #services: ConnectionServices;
  readonly #session: Session;
  readonly #reader: FrameReader;
  readonly #guard = new FloodGuard();
  readonly #openedAtMs: number;
  #phase: Phase = 'open';
  /** Since when the phase is `announced` or `closed`. */
  #phaseSinceMs = 0;
  /** The peer broke the protocol; it may not read either. */
  #isGivenUp = false;
  #isInTurn = false;
  #isScheduled = false;
  #isReading = true;
  #lastReadMs: number;
  /** A keep-alive PING is out since then; NaN when none is. */
  #pingSentMs = Number.NaN;

  constructor(socket: Socket, services: ConnectionServices) {
    this.#socket = socket;
    this.#services = services;
    this.#openedAtMs = services.clock.nowMs();
    this.#lastReadMs = this.#openedAtMs;
    this.writer = new FrameWriter(socket, () => this.#relieved());
    this.#session = new Session(this, services, this.#guard);
    this.#reader = new FrameReader(this.#session, LIMITS.frameBytes);
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => this.#lost());
    this.writer.append(serverPreface());
    this.written();
  }

  /** Tells the peer to open no more streams; the connection ends with the open ones. */
  drain(): void {
    if (this.#phase !== 'open') return;
    this.#enter('announced');
    this.writer.append(goAwayFrame(MAX_WINDOW_BYTES, ERROR.NO_ERROR, 'shutting down'));
    this.writer.append(DRAIN_PING);
    this.written();
  }

  /** Ends at once. */
  close(): void {
    this.#socket.destroy();
    this.#lost();
  }

  /** Once a second: whatever has waited too long. */
  tick(nowMs: number): void {
    this.#guard.forgive();
    if (this.#phase === 'closed') {
      const isLeaving = !this.#isGivenUp && this.writer.waitingBytes > 0;
      const limitMs = isLeaving ? LIMITS.lastBytesMs : LIMITS.goAwayMs;
      if (nowMs - this.#phaseSinceMs >= limitMs) this.#socket.destroy();
      return;
    }
    if (!this.#reader.hasPreface && nowMs - this.#openedAtMs >= LIMITS.prefaceMs) {
      this.close();
      return;
    }
    if (this.#phase === 'announced' && nowMs - this.#phaseSinceMs >= LIMITS.announceMs) this.#announced();
    for (const stream of this.#session.streams.overdue(nowMs - LIMITS.lingerMs)) stream.expire();
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

  pinged(payload: Uint8Array): void {
    const isDrain = Buffer.compare(payload, DRAIN_PING.subarray(FRAME_HEADER_BYTES)) === 0;
    if (this.#phase === 'announced' && isDrain) this.#announced();
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
    this.#session.wakeStreams();
    this.#isInTurn = false;
    if (this.#phase === 'closed') return;
    this.#session.grantConnection();
    this.writer.flush();
    if (this.#phase === 'draining' && this.#session.streams.size === 0) {
      this.#end();
    } else if (this.#isReading && this.writer.waitingBytes > LIMITS.backlogBytes) {
      this.#isReading = false;
      this.#socket.pause();
    }
  }

  /** The socket has taken most of what waited. */
  #relieved(): void {
    this.#isInTurn = true;
    this.#session.streams.relieve();
    this.#settle();
    if (this.#isReading || this.writer.waitingBytes > LIMITS.backlogBytes) return;
    this.#isReading = true;
    this.#socket.resume();
  }

  /**
   * A peer that is not heard is asked, and given up when it stays silent. So is one whose backlog has been too high to
   * read from it for as long.
   */
  #keepAlive(nowMs: number): void {
    if (this.#lastReadMs < this.#pingSentMs) {
      if (nowMs - this.#pingSentMs >= LIMITS.keepAliveTimeoutMs) this.close();
      return;
    }
    this.#pingSentMs = Number.NaN;
    if (nowMs - this.#lastReadMs < LIMITS.keepAliveMs) return;
    this.#pingSentMs = nowMs;
    this.writer.append(KEEPALIVE_PING);
  }

  /** The peer knows that it may open no more streams. */
  #announced(): void {
    this.#enter('draining');
    this.#session.refusesStreams = true;
    this.writer.append(goAwayFrame(this.#session.lastStreamId, ERROR.NO_ERROR, 'shutting down'));
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
    this.writer.append(goAwayFrame(this.#session.lastStreamId, error.code, error.message));
    this.#isGivenUp = true;
    this.#end();
  }

  /** Everything written still leaves; a peer that does not close then is cut off by `tick`. */
  #end(): void {
    this.#enter('closed');
    this.writer.end();
    this.#session.cancelAll();
  }

  #lost(): void {
    this.#enter('closed');
    this.#session.cancelAll();
    this.#services.closed(this);
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.#phaseSinceMs = this.#services.clock.nowMs();
  }
}
