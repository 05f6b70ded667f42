import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import {
  data as dataFrame,
  FLAGS,
  FrameParser,
  grpcMessage,
  headers as headersFrame,
  literalBlock,
  PREFACE,
  ping as pingFrame,
  type RawFrame,
  SETTINGS_ACK,
  type SettingPairs,
  settings as settingsFrame,
  TYPE,
} from './http2-frames.ts';

/** Longest wait for something that is sure to come, also on a busy machine. */
const WAIT_LIMIT_MS = 5000;

/** Fields of a request, in order. */
export type Fields = readonly (readonly [string, string])[];

/** What a gRPC client sends first, for the method at `path`; `extra` comes after. */
export function grpcRequest(path: string, extra: Fields = []): Buffer {
  return literalBlock([
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', 'test'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
    ...extra,
  ]);
}

/** What a client does at the start. */
export interface RawClientOptions {
  /** Sends preface and SETTINGS at once; default true. */
  readonly handshake?: boolean;
  /** Answers SETTINGS of the server; default as `handshake`. */
  readonly acknowledges?: boolean;
  /** Answers PING of the server; default false. */
  readonly answersPings?: boolean;
  readonly settings?: SettingPairs;
  /** Called for each frame as it arrives. */
  readonly onFrame?: (frame: RawFrame) => void;
}

/** A GOAWAY that was received. */
export interface GoAway {
  readonly lastStreamId: number;
  readonly code: number;
  readonly reason: string;
}

/** A client of HTTP/2 that sends what it is told and keeps what it gets. Windows are nobody's care but the test's. */
export class RawHttp2Client implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #parser = new FrameParser();
  readonly #acknowledges: boolean;
  readonly #answersPings: boolean;
  readonly #onFrame: ((frame: RawFrame) => void) | undefined;
  /** Every frame received, oldest first. */
  readonly frames: RawFrame[] = [];
  #taken = 0;
  #wakeUp: () => void = () => {};
  #isClosed = false;
  #hasGoneAway = false;
  readonly #closed: Promise<void>;

  private constructor(socket: Socket, options: RawClientOptions) {
    this.#socket = socket;
    this.#acknowledges = options.acknowledges ?? options.handshake ?? true;
    this.#answersPings = options.answersPings ?? false;
    this.#onFrame = options.onFrame;
    socket.on('data', (bytes) => this.#received(bytes));
    socket.on('error', () => {}); // a server that is flooded may reset
    this.#closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#isClosed = true;
        this.#wakeUp();
        resolve();
      });
    });
  }

  /** Connects to a port of loopback. */
  static async connect(port: number, options: RawClientOptions = {}): Promise<RawHttp2Client> {
    const { handshake = true, settings = [] } = options;
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    const client = new RawHttp2Client(socket, options);
    if (handshake) client.send(PREFACE, settingsFrame(settings));
    return client;
  }

  /** The server has closed the connection, or it broke. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The server has said that it gives up. */
  get hasGoneAway(): boolean {
    return this.#hasGoneAway;
  }

  /** Sends all at once; false when bytes pile up. */
  send(...parts: readonly Uint8Array[]): boolean {
    return this.#socket.destroyed || this.#socket.write(Buffer.concat(parts));
  }

  /** As `send`, and waits until the bytes have left or the connection is over. */
  async flush(...parts: readonly Uint8Array[]): Promise<void> {
    if (this.#socket.destroyed) return;
    await new Promise<void>((resolve) => this.#socket.write(Buffer.concat(parts), () => resolve()));
  }

  /** Opens a gRPC stream. */
  open(streamId: number, path: string, extra: Fields = []): void {
    this.send(headersFrame(streamId, grpcRequest(path, extra)));
  }

  /** Sends one gRPC message in one DATA frame. */
  message(streamId: number, message: Uint8Array, options: { readonly endStream?: boolean } = {}): void {
    this.send(dataFrame(streamId, grpcMessage(message), options));
  }

  /** Reads no more from the socket; what the server sends fills the buffers of the kernel, then its own. */
  stopReading(): void {
    this.#socket.pause();
  }

  resumeReading(): void {
    this.#socket.resume();
  }

  /** Next frame for which `matches`, in order of arrival, each given once; rejects when none comes. */
  async next(matches: (frame: RawFrame) => boolean, timeoutMs = WAIT_LIMIT_MS): Promise<RawFrame> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      for (; this.#taken < this.frames.length; this.#taken += 1) {
        const frame = this.frames[this.#taken];
        if (frame !== undefined && matches(frame)) {
          this.#taken += 1;
          return frame;
        }
      }
      if (this.#isClosed) throw new Error(`connection closed, ${this.#summary()}`);
      if (!(await this.#more(deadline)))
        throw new Error(`no such frame in ${timeoutMs} ms, ${this.#summary()}`);
    }
  }

  /** First RST_STREAM of the stream: its error code. */
  async reset(streamId: number, timeoutMs = WAIT_LIMIT_MS): Promise<number> {
    const isIt = (frame: RawFrame) => frame.type === TYPE.RST_STREAM && frame.streamId === streamId;
    const frame = this.frames.find(isIt) ?? (await this.next(isIt, timeoutMs));
    return frame.payload.readUInt32BE();
  }

  /** First GOAWAY with an error, or any when `withError` is false. */
  async goneAway(
    options: { readonly withError?: boolean; readonly timeoutMs?: number } = {},
  ): Promise<GoAway> {
    const { withError = true, timeoutMs = WAIT_LIMIT_MS } = options;
    const isIt = ({ type, payload }: RawFrame) =>
      type === TYPE.GOAWAY && (!withError || payload.readUInt32BE(4) !== 0);
    const { payload } = this.frames.find(isIt) ?? (await this.next(isIt, timeoutMs));
    return {
      lastStreamId: payload.readUInt32BE(),
      code: payload.readUInt32BE(4),
      reason: payload.toString('latin1', 8),
    };
  }

  /** Resolves when the server has closed the connection; rejects when it has not. */
  async closed(timeoutMs = WAIT_LIMIT_MS): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!this.#isClosed) {
      if (!(await this.#more(deadline))) throw new Error(`not closed in ${timeoutMs} ms, ${this.#summary()}`);
    }
  }

  /** A round trip: all that was sent before has been taken in. */
  async roundTrip(timeoutMs = WAIT_LIMIT_MS): Promise<void> {
    const opaque = Buffer.alloc(8);
    opaque.writeUInt32BE(this.#pings);
    this.#pings += 1;
    this.send(pingFrame(opaque));
    const isIt = (frame: RawFrame) =>
      frame.type === TYPE.PING && frame.flags === FLAGS.ACK && frame.payload.equals(opaque);
    await this.next(isIt, timeoutMs);
  }
  #pings = 0x7e57_0000;

  /** Breaks the connection off without a word. */
  destroy(): void {
    this.#socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    await this.#closed;
  }

  #received(bytes: Buffer): void {
    for (const frame of this.#parser.push(bytes)) {
      this.frames.push(frame);
      if (frame.type === TYPE.GOAWAY) this.#hasGoneAway = true;
      if (this.#acknowledges && frame.type === TYPE.SETTINGS && (frame.flags & FLAGS.ACK) === 0) {
        this.send(SETTINGS_ACK);
      }
      if (this.#answersPings && frame.type === TYPE.PING && frame.flags === 0) {
        this.send(pingFrame(frame.payload, true));
      }
      this.#onFrame?.(frame);
    }
    this.#wakeUp();
  }

  /** Resolves when something has happened, with false at `deadline`. */
  #more(deadline: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => finish(false), Math.max(0, deadline - performance.now()));
      const finish = (hasMore: boolean) => {
        clearTimeout(timer);
        this.#wakeUp = () => {};
        resolve(hasMore);
      };
      this.#wakeUp = () => finish(true);
    });
  }

  #summary(): string {
    const last = this.frames.slice(-8).map(({ type, flags, streamId, payload }) => {
      return `type ${type} flags ${flags} stream ${streamId} ${payload.subarray(0, 40).toString('hex')}`;
    });
    return `got ${this.frames.length} frames, last:\n${last.join('\n')}`;
  }
}
