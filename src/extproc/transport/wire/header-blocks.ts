import { checkDependency } from './frame-checks.ts';
import { ConnectionError, ERROR, FLAG } from './frames.ts';
import { HpackDecoder, HpackError } from './hpack/decoder.ts';
import { LIMITS } from './limits.ts';
import { RequestHead } from './request-head.ts';

/** SETTINGS_HEADER_TABLE_SIZE of a peer that was told nothing else. */
const TABLE_BYTES = 4096;

const EMPTY = Buffer.alloc(0);

/** Called when a block is complete; it must be decoded, whatever becomes of its stream. */
export type BlockComplete = (streamId: number, endsStream: boolean) => void;

/** Puts header blocks together out of HEADERS and CONTINUATION (RFC 9113, sections 4.3, 6.2 and 6.10). */
export class HeaderBlocks {
  /** Fields of the block that was decoded last. */
  readonly head = new RequestHead();
  readonly #complete: BlockComplete;
  readonly #decoder = new HpackDecoder({
    maxTableBytes: TABLE_BYTES,
    maxListBytes: LIMITS.headerListBytes,
  });
  #streamId = 0;
  #endsStream = false;
  #isOpen = false;
  #frames = 0;
  #bytes: Buffer = EMPTY;
  #start = 0;
  #end = 0;

  constructor(complete: BlockComplete) {
    this.#complete = complete;
  }

  /** The next frame must be CONTINUATION. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** HEADERS with the payload `bytes[start, end)`. */
  begin(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId === 0) throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'HEADERS without a stream');
    let first = start;
    let last = end;
    if ((flags & FLAG.PADDED) !== 0) {
      last -= bytes[first] ?? 0;
      first += 1;
    }
    if ((flags & FLAG.PRIORITY) !== 0) {
      checkDependency(streamId, bytes, first);
      first += 5;
    }
    if (first > last) throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'HEADERS: padding exceeds them');
    this.#streamId = streamId;
    this.#endsStream = (flags & FLAG.END_STREAM) !== 0;
    this.#frames = 0;
    this.#bytes = bytes;
    this.#start = first;
    this.#end = last;
    this.#isOpen = (flags & FLAG.END_HEADERS) === 0;
    if (this.#isOpen) this.#keep();
    else this.#complete(streamId, this.#endsStream);
  }

  /** CONTINUATION. */
  go(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId !== this.#streamId) {
      throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'CONTINUATION of another stream');
    }
    this.#frames += 1;
    const size = this.#end - this.#start + end - start;
    if (size > LIMITS.headerBlockBytes || this.#frames > LIMITS.continuations) {
      throw new ConnectionError(ERROR.ENHANCE_YOUR_CALM, 'header block too long');
    }
    this.#bytes = Buffer.concat([this.#bytes, bytes.subarray(start, end)]);
    this.#end = this.#bytes.length;
    if ((flags & FLAG.END_HEADERS) === 0) return;
    this.#isOpen = false;
    this.#complete(streamId, this.#endsStream);
  }

  /**
   * Decodes the complete block into `head`; false when it has more than `LIMITS.headerListBytes`. Throws
   * `ConnectionError`: without the table nothing later can be read.
   */
  decode(isTrailers: boolean): boolean {
    this.head.reset(isTrailers);
    const bytes = this.#bytes;
    this.#bytes = EMPTY;
    try {
      return this.#decoder.decode(bytes, this.#start, this.#end, this.head);
    } catch (error) {
      if (!(error instanceof HpackError)) throw error;
      throw new ConnectionError(ERROR.COMPRESSION_ERROR, `header block: ${error.message}`);
    }
  }

  #keep(): void {
    this.#bytes = Buffer.from(this.#bytes.subarray(this.#start, this.#end));
    this.#start = 0;
    this.#end = this.#bytes.length;
  }
}
