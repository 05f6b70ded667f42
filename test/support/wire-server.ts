import { expect } from 'vitest';
import type { ByteStreamHandler } from '../../src/extproc/transport/transport.ts';
import { WireTransport } from '../../src/extproc/transport/wire/transport.ts';
import type { Log } from '../../src/framework/log.ts';
import { EchoMethod } from './echo-method.ts';
import { FakeClock } from './fake-clock.ts';
import { GrpcView } from './grpc-view.ts';
import { SETTING, TYPE } from './http2-frames.ts';
import { type RawClientOptions, RawHttp2Client } from './raw-http2.ts';
import { serveTransport, type TransportServer } from './transport-server.ts';

/** Methods of a wire server. */
export const ECHO = '/test.Echo/Echo';
/** Reads nothing. */
export const DEAF = '/test.Echo/Deaf';

/** Largest message that it takes. */
export const MAX_RECEIVE_BYTES = 1 << 20;

/** What a server tells its clients at the start. */
export interface ServerLimits {
  readonly concurrentStreams: number;
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  readonly frameBytes: number;
}

/** RFC 9113 §6.5.2, for what a server does not say. */
const DEFAULTS: ServerLimits = {
  concurrentStreams: Number.POSITIVE_INFINITY,
  streamWindowBytes: 65_535,
  connectionWindowBytes: 65_535,
  frameBytes: 16_384,
};

/** The wire transport behind a port, with a clock that the test moves and a connection that minds its own business. */
export class WireServer implements AsyncDisposable {
  readonly clock: FakeClock;
  readonly echo: EchoMethod;
  readonly #server: TransportServer;
  readonly #bystander: RawHttp2Client;
  readonly #log: CountingLog;
  #bystanderId = 1;

  private constructor(
    server: TransportServer,
    bystander: RawHttp2Client,
    parts: { readonly clock: FakeClock; readonly echo: EchoMethod; readonly log: CountingLog },
  ) {
    this.#server = server;
    this.#bystander = bystander;
    this.clock = parts.clock;
    this.echo = parts.echo;
    this.#log = parts.log;
  }

  /** `copies`: how often each message comes back. */
  static async start(copies = 1): Promise<WireServer> {
    const clock = new FakeClock();
    const echo = new EchoMethod({ records: false, copies });
    const deaf: ByteStreamHandler = {
      isComplete: false,
      message: () => {
        throw new Error('a paused stream was given a message');
      },
      halfClosed: () => {},
      cancelled: () => {},
      drained: () => {},
    };
    const methods = new Map([[ECHO, echo.open]]).set(DEAF, (stream) => {
      stream.pause();
      return deaf;
    });
    const log = new CountingLog();
    const options = { methods, maxReceiveBytes: MAX_RECEIVE_BYTES };
    const server = await serveTransport(new WireTransport(options, clock, log));
    const bystander = await RawHttp2Client.connect(server.port, { answersPings: true });
    bystander.open(1, ECHO);
    return new WireServer(server, bystander, { clock, echo, log });
  }

  /** Calls of ECHO that are open, without the bystander's. */
  get openCalls(): number {
    return this.echo.openCount - 1;
  }

  /** Bytes that wait in this process for clients that do not read. */
  get unsentBytes(): number {
    return this.#server.unsentBytes;
  }

  get connections(): number {
    return this.#server.connections - 1;
  }

  connect(options: RawClientOptions = {}): Promise<RawHttp2Client> {
    return RawHttp2Client.connect(this.#server.port, options);
  }

  /** Connects, and waits for what the server says first. */
  async handshake(options: RawClientOptions = {}): Promise<[RawHttp2Client, ServerLimits]> {
    const client = await this.connect(options);
    const limits: { -readonly [K in keyof ServerLimits]: number } = { ...DEFAULTS };
    const { payload } = await client.next(({ type }) => type === TYPE.SETTINGS);
    for (let at = 0; at < payload.length; at += 6) {
      const value = payload.readUInt32BE(at + 2);
      const id = payload.readUInt16BE(at);
      if (id === SETTING.MAX_CONCURRENT_STREAMS) limits.concurrentStreams = value;
      if (id === SETTING.INITIAL_WINDOW_SIZE) limits.streamWindowBytes = value;
      if (id === SETTING.MAX_FRAME_SIZE) limits.frameBytes = value;
    }
    const update = await client.next(({ type }) => type === TYPE.WINDOW_UPDATE);
    limits.connectionWindowBytes += update.payload.readUInt32BE();
    return [client, limits];
  }

  /** A stream that is open since before goes on, a connection made now is served, no handler was told too much, and no fault is ours. */
  async expectHealthy(): Promise<void> {
    const text = Buffer.from(`still here ${this.#bystanderId}`);
    this.#bystanderId += 1;
    this.#bystander.message(1, text);
    const isEcho = ({ type, payload }: { type: number; payload: Buffer }) =>
      type === TYPE.DATA && payload.includes(text);
    await this.#bystander.next(isEcho);
    const view = new GrpcView();
    await using fresh = await this.connect({ onFrame: (frame) => view.take(frame) });
    fresh.open(1, ECHO);
    fresh.message(1, text, { endStream: true });
    await expect.poll(() => view.stream(1).grpcStatus, { timeout: 5000, interval: 2 }).toBe('0');
    expect(this.echo.faults).toBe(0);
    expect(this.#log.errors).toEqual([]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bystander[Symbol.asyncDispose]();
    await this.#server[Symbol.asyncDispose]();
  }
}

/** Keeps what an operator would have to look at. */
class CountingLog implements Log {
  readonly errors: object[] = [];

  error(fields: object, message: string): void {
    this.errors.push({ ...fields, message });
  }

  warn(): void {}

  info(): void {}

  debug(): void {}

  trace(): void {}

  isLevelEnabled(): boolean {
    return false;
  }
}

/** Sends batches until the server gives up or `count` were sent; says how many it took. */
export async function flood(
  client: RawHttp2Client,
  count: number,
  batch: (i: number) => Uint8Array,
): Promise<number> {
  for (let i = 0; i < count; i += 1) {
    if (client.isClosed || client.hasGoneAway) return i;
    await client.flush(batch(i));
  }
  return count;
}
