import type { Socket } from 'node:net';

/**
 * The outgoing side of one gRPC stream: whole messages as bytes, no framing. A stream always ends with status OK:
 * a refusal is a message of its own (ext-proc specification, section 2.6).
 */
export interface ByteStream {
  /**
   * Queues one message; the bytes may not be changed afterwards. False when what waits to leave is enough: the
   * message is taken all the same, `drained` follows. Ignored after `end` and after `cancelled`.
   */
  write(message: Uint8Array): boolean;
  /**
   * Queues one message given in three parts, so that a body need not be copied to have something put around it:
   * `before[0, beforeBytes)`, `body`, `after`. `before` and `after` may be used again at once. Else as `write`.
   */
  writeAround(before: Uint8Array, beforeBytes: number, body: Uint8Array, after: Uint8Array): boolean;
  /** No `message` and no `halfClosed` until `resume`; what the peer sends waits, in the end at the peer. */
  pause(): void;
  resume(): void;
  /** Ends with OK once everything written has left. No further call to the handler follows. */
  end(): void;
}

/** The incoming side of one gRPC stream. Calls never overlap; the handler must not throw. */
export interface ByteStreamHandler {
  /** Nothing more is expected: that the peer sends no more and that it is gone are the same now. */
  readonly isComplete: boolean;
  /** One whole message, `bytes[start, end)`. The receiver may keep the bytes and must not change them. */
  message(bytes: Buffer, start: number, end: number): void;
  /** The peer sends no more; it still reads. */
  halfClosed(): void;
  /** The stream was reset or its connection lost, also while paused. Last call, at most once. */
  cancelled(): void;
  /** After a `write` that returned false: there is room again. */
  drained(): void;
}

/** Called for each new stream of a method; reading starts when it returns. */
export type OpenByteStream = (stream: ByteStream) => ByteStreamHandler;

/** gRPC over connections that others accept. Knows methods by path, nothing of what their messages mean. */
export interface Transport {
  /** Takes over a connected socket; a TLS socket must have negotiated `h2`. */
  accept(socket: Socket): void;
  /** Tells every peer to open no more streams (GOAWAY); resolves when the open ones have ended. */
  drain(): Promise<void>;
  /** Ends every connection at once; open streams are cancelled. */
  close(): void;
}

/** What a transport is built with. */
export interface TransportOptions {
  /** Methods by path, such as `/package.Service/Method`; others are answered UNIMPLEMENTED. */
  readonly methods: ReadonlyMap<string, OpenByteStream>;
  /** Largest message taken, in bytes; a larger one ends its stream with RESOURCE_EXHAUSTED. */
  readonly maxReceiveBytes: number;
}
