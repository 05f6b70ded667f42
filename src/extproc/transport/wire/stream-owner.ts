import type { FrameWriter } from './frame-writer.ts';
import type { WireStream } from './stream.ts';

/** What a stream needs of its connection. */
export interface StreamOwner {
  readonly writer: FrameWriter;
  /** Bytes that the peer takes on the connection. */
  sendWindowBytes: number;
  /** Bytes in memory that cannot go on: received for streams that are paused, or kept back by the peer's windows. */
  heldBytes: number;
  /** Something was written: flush it when this turn of the event loop is over. */
  written(): void;
  /** Call `unblock` when the connection has a window again. */
  blocked(stream: WireStream): void;
  /** Call `relieved` when the socket is less full. */
  congested(stream: WireStream): void;
  /** Call `runHeld` after what is running now. */
  wake(stream: WireStream): void;
  /** This side is done; the peer may not be. */
  localDone(stream: WireStream): void;
  /** Both sides are done: the stream is to be forgotten. */
  closed(stream: WireStream): void;
  /** The peer broke the stream off, or a rule on it. Throws `ConnectionError` when it does so too often. */
  brokenOff(stream: WireStream): void;
  /** A handler threw. */
  handlerFailed(error: unknown): void;
}
