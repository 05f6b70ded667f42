import type { ByteStream, ByteStreamHandler, OpenByteStream } from '../../src/extproc/transport/transport.ts';

/** What happened to one call, in order. */
export type CallEvent = { readonly message: string } | 'half-closed' | 'cancelled';

/** How a method behaves. */
export interface EchoOptions {
  /** Keeps what happens to each call; default true. A flood does not want that. */
  readonly records?: boolean;
  /** Times that each message is sent back; default 1. */
  readonly copies?: number;
}

/** A gRPC method that sends every message back and ends when the peer does; stops reading while it cannot write. */
export class EchoMethod {
  readonly #records: boolean;
  readonly #copies: number;
  /** In the order in which they were opened. */
  readonly calls: EchoCall[] = [];
  opened = 0;
  openCount = 0;
  cancelled = 0;
  /** Given to handlers, of all calls. */
  messages = 0;
  /** Calls that were told of their end more than once, or of anything after it. */
  faults = 0;

  constructor(options: EchoOptions = {}) {
    this.#records = options.records ?? true;
    this.#copies = options.copies ?? 1;
  }

  readonly open: OpenByteStream = (stream) => {
    const call = new EchoCall(this, stream, this.#copies, this.#records);
    this.opened += 1;
    this.openCount += 1;
    if (this.#records) this.calls.push(call);
    return call;
  };
}

/** One call of it. */
export class EchoCall implements ByteStreamHandler {
  readonly #method: EchoMethod;
  readonly stream: ByteStream;
  readonly #copies: number;
  readonly #records: boolean;
  readonly isComplete = false;
  readonly events: CallEvent[] = [];
  isOver = false;

  constructor(method: EchoMethod, stream: ByteStream, copies: number, records: boolean) {
    this.#method = method;
    this.stream = stream;
    this.#copies = copies;
    this.#records = records;
  }

  message(bytes: Buffer, start: number, end: number): void {
    this.#check();
    this.#method.messages += 1;
    const message = bytes.subarray(start, end);
    if (this.#records) this.events.push({ message: message.toString('hex') });
    let hasRoom = true;
    for (let i = 0; i < this.#copies; i += 1) hasRoom = this.stream.write(message);
    if (!hasRoom) this.stream.pause();
  }

  halfClosed(): void {
    this.#check();
    this.#over('half-closed');
    this.stream.end();
  }

  cancelled(): void {
    this.#check();
    this.#method.cancelled += 1;
    this.#over('cancelled');
  }

  drained(): void {
    this.#check();
    this.stream.resume();
  }

  #over(event: CallEvent): void {
    if (this.#records) this.events.push(event);
    this.isOver = true;
    this.#method.openCount -= 1;
  }

  #check(): void {
    if (this.isOver) this.#method.faults += 1;
  }
}
