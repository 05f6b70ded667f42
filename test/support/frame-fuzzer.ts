import { nextInt, type Rng, SeededRng } from '../../src/util/rng.ts';
import {
  continuation,
  data,
  FLAGS,
  goAway,
  grpcMessage,
  headers,
  literalBlock,
  ping,
  priority,
  rawFrame,
  resetStream,
  SETTING,
  SETTINGS_ACK,
  settings,
  TYPE,
  windowUpdate,
} from './http2-frames.ts';
import { grpcRequest } from './raw-http2.ts';

/** Streams that are open at a time; one more and the first is left as it is. */
const OPEN_STREAMS = 8;

/** Frames of a client that is out of its mind: most are plausible, some are damaged, some are noise. Equal seeds, equal frames. */
export class FrameFuzzer {
  readonly #rng: Rng;
  /** Share of frames that are damaged or noise, in [0, 1]: low values get deep, high ones wide. */
  readonly #madness: number;
  readonly #paths: readonly string[];
  #nextId = 1;
  /** Not ended by this side. */
  readonly #open: number[] = [];

  constructor(seed: number, paths: readonly string[]) {
    this.#rng = new SeededRng(seed);
    this.#madness = [0.0005, 0.005, 0.05, 0.5][this.#int(4)] ?? 0;
    this.#paths = paths;
  }

  /** The next frame, or two that belong together. */
  next(): Buffer {
    const frame = this.#plausible();
    if (this.#rng.next() >= this.#madness) return frame;
    return this.#int(3) === 0 ? this.#noise() : this.#damaged(frame);
  }

  /** Somewhere within `length` bytes. */
  border(length: number): number {
    return this.#int(length + 1);
  }

  #int(bound: number): number {
    return nextInt(this.#rng, bound);
  }

  #pick<T>(...values: readonly [T, ...T[]]): T {
    return values[this.#int(values.length)] ?? values[0];
  }

  #bytes(maxBytes: number): Buffer {
    const bytes = Buffer.alloc(this.#int(maxBytes + 1));
    for (let i = 0; i < bytes.length; i += 1) bytes[i] = this.#int(256);
    return bytes;
  }

  /** A stream that is open, unless the server has ended it. */
  #streamId(): number {
    return this.#open[this.#int(this.#open.length)] ?? 1;
  }

  /** The same, for the last frame on it. */
  #lastOf(): number {
    return this.#open.splice(this.#int(this.#open.length), 1)[0] ?? 1;
  }

  #flag(): boolean {
    return this.#int(4) === 0;
  }

  #padding(): { readonly padding?: number } {
    return this.#int(8) === 0 ? { padding: this.#int(256) } : {};
  }

  #plausible(): Buffer {
    const kind = this.#int(100);
    if (kind < 25 || this.#open.length === 0) return this.#request();
    if (kind < 65) return this.#content();
    if (kind < 72) return resetStream(this.#lastOf(), this.#int(14));
    if (kind < 84) return windowUpdate(this.#pick(0, this.#streamId()), 1 + this.#int(1 << 16));
    if (kind < 88) return ping(Buffer.alloc(8, this.#int(256)), this.#flag());
    if (kind < 92) return this.#settings();
    if (kind < 94) return priority(this.#streamId(), 0, this.#int(256));
    if (kind < 96) return rawFrame({ type: 10 + this.#int(246), streamId: this.#int(20) }, this.#bytes(30));
    if (kind < 97) return goAway(this.#int(10), this.#int(14));
    return headers(this.#lastOf(), literalBlock([['x-end', '1']]), { endStream: true });
  }

  #request(): Buffer {
    const id = this.#nextId;
    this.#nextId += 2;
    const path = this.#paths[this.#int(this.#paths.length)] ?? '/';
    const extra = this.#pick<[string, string][]>(
      [],
      [],
      [['grpc-encoding', this.#pick('gzip', 'identity', 'none')]],
      [['grpc-timeout', this.#pick('1S', '1n', '10m', 'soon')]],
      [['x-long', 'x'.repeat(this.#int(9000))]],
      [['content-length', String(this.#int(50))]],
      [['connection', 'close']],
    );
    const block = grpcRequest(path, extra);
    const endStream = this.#int(12) === 0;
    const options = { endStream, ...this.#padding() };
    if (!endStream && this.#open.push(id) > OPEN_STREAMS) this.#open.shift();
    if (this.#int(10) > 0) return headers(id, block, options);
    const border = this.#int(block.length);
    return Buffer.concat([
      headers(id, block.subarray(0, border), { ...options, endHeaders: false }),
      continuation(id, block.subarray(border), true),
    ]);
  }

  #content(): Buffer {
    const endStream = this.#int(12) === 0;
    const options = { endStream, ...this.#padding() };
    const message = grpcMessage(this.#bytes(this.#pick(0, 20, 200)), this.#int(20) === 0);
    const content = this.#int(4) === 0 ? message.subarray(0, this.#int(message.length + 1)) : message;
    return data(endStream ? this.#lastOf() : this.#streamId(), content, options);
  }

  #settings(): Buffer {
    if (this.#flag()) return SETTINGS_ACK;
    return settings([
      [
        this.#pick(SETTING.INITIAL_WINDOW_SIZE, SETTING.HEADER_TABLE_SIZE, SETTING.MAX_HEADER_LIST_SIZE, 99),
        this.#int(1 << 20),
      ],
    ]);
  }

  /** Bytes changed, cut, repeated, or a header that lies about what follows. */
  #damaged(frame: Buffer): Buffer {
    const bytes = Buffer.from(frame);
    switch (this.#int(5)) {
      case 0:
        bytes[this.#int(bytes.length)] = this.#int(256);
        return bytes;
      case 1:
        for (let n = this.#int(8); n >= 0; n -= 1) bytes[this.#int(bytes.length)] = this.#int(256);
        return bytes;
      case 2:
        return bytes.subarray(0, this.#int(bytes.length));
      case 3:
        return Buffer.concat([bytes, bytes]);
      default:
        bytes[3] = this.#int(10);
        bytes[4] = this.#int(256);
        return bytes;
    }
  }

  #noise(): Buffer {
    const type = this.#pick<number>(TYPE.HEADERS, TYPE.DATA, this.#int(10), this.#int(10), this.#int(256));
    const flags = this.#pick(FLAGS.NONE, FLAGS.END_HEADERS, this.#int(256));
    const streamId = this.#pick(0, this.#streamId(), this.#nextId, this.#int(2 ** 31));
    return rawFrame({ type, flags, streamId }, this.#bytes(60));
  }
}
