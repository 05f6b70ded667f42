import type { ByteStream, ByteStreamHandler } from '../../src/extproc/transport/transport.ts';
import { FrameWriter } from '../../src/extproc/transport/wire/frame-writer.ts';
import { MessageReader } from '../../src/extproc/transport/wire/message-reader.ts';
import { WireStream } from '../../src/extproc/transport/wire/stream.ts';
import type { StreamOwner } from '../../src/extproc/transport/wire/stream-owner.ts';
import { FakeSocket } from './fake-socket.ts';
import { FrameParser, type RawFrame } from './http2-frames.ts';

/** A connection whose windows, socket and turns belong to the test. */
export class FakeStreamOwner implements StreamOwner {
  readonly socket = new FakeSocket();
  readonly writer = new FrameWriter(this.socket.socket, () => {
    const waiting = [...this.congestedStreams];
    this.congestedStreams.clear();
    for (const stream of waiting) stream.relieved();
  });
  sendWindowBytes = 0x7fff_ffff;
  heldBytes = 0;
  /** Calls of `written`. */
  writtenCalls = 0;
  readonly blockedStreams = new Set<WireStream>();
  readonly congestedStreams = new Set<WireStream>();
  readonly lingering: WireStream[] = [];
  readonly closedStreams: WireStream[] = [];
  readonly offenders: WireStream[] = [];
  readonly errors: unknown[] = [];
  readonly #woken: WireStream[] = [];
  readonly #parser = new FrameParser();

  written(): void {
    this.writtenCalls += 1;
  }

  blocked(stream: WireStream): void {
    this.blockedStreams.add(stream);
  }

  congested(stream: WireStream): void {
    this.congestedStreams.add(stream);
  }

  wake(stream: WireStream): void {
    this.#woken.push(stream);
  }

  localDone(stream: WireStream): void {
    this.lingering.push(stream);
  }

  closed(stream: WireStream): void {
    this.closedStreams.push(stream);
  }

  brokenOff(stream: WireStream): void {
    this.offenders.push(stream);
  }

  handlerFailed(error: unknown): void {
    this.errors.push(error);
  }

  /** Ends the turn for those who were woken; says how many they were. */
  runWoken(): number {
    const woken = this.#woken.splice(0);
    for (const stream of woken) stream.receiving.runHeld();
    return woken.length;
  }

  /** Frames that have left since the last call. */
  frames(): RawFrame[] {
    this.writer.flush();
    this.socket.callBack();
    return this.#parser.push(this.socket.take());
  }

  /** A window for blocked streams. */
  widen(bytes: number): void {
    this.sendWindowBytes += bytes;
    const waiting = [...this.blockedStreams];
    this.blockedStreams.clear();
    for (const stream of waiting) stream.unblock();
  }
}

/** A handler that keeps what it is told, and does with it what the test says. */
export class RecordingHandler implements ByteStreamHandler {
  readonly events: string[] = [];
  isComplete = false;
  onEvent: (event: string) => void = () => {};

  message(bytes: Buffer, start: number, end: number): void {
    this.#record(`message ${bytes.toString('latin1', start, end)}`);
  }

  halfClosed(): void {
    this.#record('half-closed');
  }

  cancelled(): void {
    this.#record('cancelled');
  }

  drained(): void {
    this.#record('drained');
  }

  /** What happened since the last call. */
  take(): string[] {
    return this.events.splice(0);
  }

  #record(event: string): void {
    this.events.push(event);
    this.onEvent(event);
  }
}

/** What a stream of a test is made with. */
export interface StreamOptions {
  readonly owner?: FakeStreamOwner;
  readonly id?: number;
  /** Window for what leaves; default as good as none. */
  readonly sendBytes?: number;
  /** `content-length`; default none. */
  readonly declaredBytes?: number;
  /** Largest message; default 1 MiB. */
  readonly maxMessageBytes?: number;
}

/** A stream with a handler, on a connection of its own. */
export function openStream(options: StreamOptions = {}) {
  const { owner = new FakeStreamOwner(), id = 1, sendBytes = 0x7fff_ffff, declaredBytes = -1 } = options;
  const reader = new MessageReader(options.maxMessageBytes ?? 1 << 20, '');
  const stream = new WireStream(id, owner, reader, {
    send: sendBytes,
    receive: 1 << 20,
    declared: declaredBytes,
  });
  const handler = new RecordingHandler();
  stream.attach(handler);
  const bytes: ByteStream = stream;
  return { owner, stream, handler, bytes };
}
