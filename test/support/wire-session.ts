import type { ByteStream } from '../../src/extproc/transport/transport.ts';
import { FloodGuard } from '../../src/extproc/transport/wire/flood-guard.ts';
import { FrameReader } from '../../src/extproc/transport/wire/frame-reader.ts';
import { FrameWriter } from '../../src/extproc/transport/wire/frame-writer.ts';
import { Session, type SessionOwner } from '../../src/extproc/transport/wire/session.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeSocket } from './fake-socket.ts';
import { FrameParser, headers, PREFACE, type RawFrame, settings } from './http2-frames.ts';
import { type Fields, grpcRequest } from './raw-http2.ts';
import { RecordingHandler } from './wire-stream.ts';

/** The method that its calls are for. */
export const METHOD = '/test.Service/Method';

/** One call of it. */
export interface SessionCall {
  readonly stream: ByteStream;
  readonly handler: RecordingHandler;
}

/** A session whose peer, socket and clock are the test. */
export class FakeSession implements SessionOwner {
  readonly clock = new FakeClock();
  readonly guard = new FloodGuard();
  readonly socket = new FakeSocket();
  readonly writer = new FrameWriter(this.socket.socket, () => {});
  /** Calls that were opened, oldest first. */
  readonly calls: SessionCall[] = [];
  readonly errors: object[] = [];
  readonly pings: string[] = [];
  readonly session: Session;
  /** Called with each call as it is opened. */
  onOpen: (call: SessionCall) => void = () => {};
  readonly #reader: FrameReader;
  readonly #parser = new FrameParser();

  constructor() {
    const open = (stream: ByteStream) => {
      const call = { stream, handler: new RecordingHandler() };
      this.calls.push(call);
      this.onOpen(call);
      return call.handler;
    };
    const log = {
      error: (fields: object) => this.errors.push(fields),
      warn() {},
      info() {},
      debug() {},
      trace() {},
    };
    this.session = new Session(
      this,
      {
        methods: new Map([[METHOD, open]]),
        maxReceiveBytes: 4 << 20,
        clock: this.clock,
        log: { ...log, isLevelEnabled: () => false },
      },
      this.guard,
    );
    this.#reader = new FrameReader(this.session, 65_536);
    this.#reader.read(Buffer.concat([PREFACE, settings()]));
    this.answers();
  }

  written(): void {}

  pinged(payload: Uint8Array): void {
    this.pings.push(Buffer.from(payload).toString());
  }

  /** One read, and the end of its turn: what is answered. Throws as the session does. */
  read(...frames: readonly Uint8Array[]): RawFrame[] {
    this.#reader.read(Buffer.concat(frames));
    return this.answers();
  }

  /** Opens a stream. */
  open(
    streamId: number,
    options: { readonly endStream?: boolean; readonly extra?: Fields } = {},
  ): RawFrame[] {
    const { endStream = false, extra = [] } = options;
    return this.read(headers(streamId, grpcRequest(METHOD, extra), { endStream }));
  }

  /** Ends the turn: what has been written. */
  answers(): RawFrame[] {
    this.session.wakeStreams();
    this.session.grantConnection();
    this.writer.flush();
    this.socket.callBack();
    return this.#parser.push(this.socket.take());
  }

  /** Fresh events of a call. */
  events(call: number): string[] {
    return this.calls[call]?.handler.take() ?? ['no such call'];
  }
}
