import { HpackDecoder } from '../../src/extproc/transport/wire/hpack/decoder.ts';
import { FLAGS, type RawFrame, TYPE } from './http2-frames.ts';

/** What a gRPC client sees of one stream. */
export interface StreamView {
  /** `:status`; '' before headers. */
  httpStatus: string;
  /** Without parameters and `+proto`: gRPC leaves both to the server. */
  contentType: string;
  /** Whole messages, in hexadecimal. */
  readonly messages: string[];
  /** `grpc-status` of trailers, or of headers that are the whole answer; undefined when there was none. */
  grpcStatus: string | undefined;
  /** The server sent END_STREAM. */
  hasEnded: boolean;
  /** Error code of RST_STREAM that came before END_STREAM. */
  resetCode: number | undefined;
  /** Bytes at the end that are no whole message. */
  restBytes: number;
}

const MAX_TABLE_BYTES = 4096;
const PREFIX_BYTES = 5;

/** Puts the frames of one connection together to what they mean for each stream. */
export class GrpcView {
  readonly #decoder = new HpackDecoder({ maxTableBytes: MAX_TABLE_BYTES, maxListBytes: 1 << 20 });
  readonly #streams = new Map<number, StreamView>();
  readonly #rests = new Map<number, Buffer>();
  #block: Buffer = Buffer.alloc(0);
  #endsStream = false;

  stream(id: number): StreamView {
    let view = this.#streams.get(id);
    if (view === undefined) {
      view = {
        httpStatus: '',
        contentType: '',
        messages: [],
        grpcStatus: undefined,
        hasEnded: false,
        resetCode: undefined,
        restBytes: 0,
      };
      this.#streams.set(id, view);
    }
    return view;
  }

  /** The server says no more on this stream. */
  isOver(id: number): boolean {
    const { hasEnded, resetCode } = this.stream(id);
    return hasEnded || resetCode !== undefined;
  }

  take({ type, flags, streamId, payload }: RawFrame): void {
    if (type === TYPE.DATA) {
      this.#content(streamId, unpadded(flags, payload));
      if ((flags & FLAGS.END_STREAM) !== 0) this.stream(streamId).hasEnded = true;
    } else if (type === TYPE.HEADERS) {
      this.#block = unpadded(flags, payload);
      this.#endsStream = (flags & FLAGS.END_STREAM) !== 0;
    } else if (type === TYPE.CONTINUATION) {
      this.#block = Buffer.concat([this.#block, payload]);
    } else if (type === TYPE.RST_STREAM) {
      const view = this.stream(streamId);
      if (!view.hasEnded) view.resetCode ??= payload.readUInt32BE();
    }
    const isHeader = type === TYPE.HEADERS || type === TYPE.CONTINUATION;
    if (isHeader && (flags & FLAGS.END_HEADERS) !== 0) this.#headers(streamId);
  }

  #headers(streamId: number): void {
    const view = this.stream(streamId);
    const header = (name: string, value: string) => {
      if (name === ':status') view.httpStatus = value;
      else if (name === 'content-type') view.contentType = value.replace(/[+;].*$/, '');
      else if (name === 'grpc-status') view.grpcStatus = value;
    };
    this.#decoder.decode(this.#block, 0, this.#block.length, { header });
    if (this.#endsStream) view.hasEnded = true;
  }

  #content(streamId: number, content: Buffer): void {
    const view = this.stream(streamId);
    const bytes = Buffer.concat([this.#rests.get(streamId) ?? Buffer.alloc(0), content]);
    let at = 0;
    while (bytes.length - at >= PREFIX_BYTES) {
      const end = at + PREFIX_BYTES + bytes.readUInt32BE(at + 1);
      if (end > bytes.length) break;
      view.messages.push(bytes.toString('hex', at + PREFIX_BYTES, end));
      at = end;
    }
    this.#rests.set(streamId, bytes.subarray(at));
    view.restBytes = bytes.length - at;
  }
}

function unpadded(flags: number, payload: Buffer): Buffer {
  return (flags & FLAGS.PADDED) === 0 ? payload : payload.subarray(1, payload.length - (payload[0] ?? 0));
}
