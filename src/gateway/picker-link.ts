import type { ProcessingRequest } from '../extproc/codec.ts';
import { metadataOf, type ServedMetadata } from './metadata.ts';
import type { Processor, ProcessorListener, ProcessorStream } from './processor.ts';

/** How a picker left an exchange before it was over: it ended the stream with OK, or the stream failed. */
export type Departure = 'ended' | 'failed';

/** An exchange's stream to the picker, for as long as the picker takes part. */
export class PickerLink {
  /** Sent with every message that follows. */
  readonly metadata: ServedMetadata;
  #stream: ProcessorStream | undefined;
  #isPaused = false;

  constructor(metadata: ServedMetadata) {
    this.metadata = metadata;
  }

  /** False without a picker and after it has left. */
  get isActive(): boolean {
    return this.#stream !== undefined;
  }

  open(
    processor: Processor,
    listener: Pick<ProcessorListener, 'onMessage'> & { onGone(how: Departure): void },
  ): void {
    const gone = (how: Departure) => {
      if (this.#stream === undefined) return;
      this.#stream = undefined;
      listener.onGone(how);
    };
    this.#stream = processor.open({
      onMessage: (message) => listener.onMessage(message),
      onEnd: () => gone('ended'),
      onFailure: () => gone('failed'),
    });
  }

  /** False when the sender should wait for `whenDrained`. */
  send(message: ProcessingRequest): boolean {
    if (this.#stream === undefined) return true;
    const metadataContext = metadataOf(this.metadata);
    return this.#stream.send(metadataContext === undefined ? message : { ...message, metadataContext });
  }

  whenDrained(callback: () => void): void {
    this.#stream?.whenDrained(callback);
  }

  /** Takes no message until `subscribe`'s callback is called. */
  pauseUntil(subscribe: (resume: () => void) => void): void {
    const stream = this.#stream;
    if (stream === undefined || this.#isPaused) return;
    this.#isPaused = true;
    stream.pause();
    subscribe(() => {
      this.#isPaused = false;
      stream.resume();
    });
  }

  /** The exchange is complete: half-close, as Envoy does, and let the picker end the stream. */
  halfClose(): void {
    this.#stream?.halfClose();
    this.#stream = undefined;
  }

  /** The exchange was cut. */
  cancel(): void {
    this.#stream?.cancel();
    this.#stream = undefined;
  }
}
