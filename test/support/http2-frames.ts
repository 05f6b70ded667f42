/**
 * Frames of HTTP/2 as a test writes and reads them, well-formed or not (RFC 9113 §4, §6). Numbers and bytes are written
 * a second time on purpose, none is taken from `src/extproc/transport/wire/`: a wrong one there must not agree with itself.
 */

export const TYPE = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

export const FLAGS = { NONE: 0, END_STREAM: 1, ACK: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 32 } as const;

/** RFC 9113 §7. */
export const CODE = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  SETTINGS_TIMEOUT: 4,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  ENHANCE_YOUR_CALM: 11,
} as const;

/** RFC 9113 §6.5.2. */
export const SETTING = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
} as const;

export const PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

const HEADER_BYTES = 9;

const NOTHING = Buffer.alloc(0);

/** One frame as it was read. */
export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** Any frame, also one that no peer may send: `length` says another length than the payload has. */
export function rawFrame(
  frame: { type: number; flags?: number; streamId?: number; length?: number },
  payload: Uint8Array = NOTHING,
): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUIntBE(frame.length ?? payload.length, 0, 3);
  header[3] = frame.type;
  header[4] = frame.flags ?? 0;
  header.writeUInt32BE((frame.streamId ?? 0) >>> 0, 5);
  return Buffer.concat([header, payload]);
}

/** Identifiers and values, in order. */
export type SettingPairs = readonly (readonly [id: number, value: number])[];

export function settings(pairs: SettingPairs = []): Buffer {
  const payload = Buffer.alloc(pairs.length * 6);
  pairs.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  });
  return rawFrame({ type: TYPE.SETTINGS }, payload);
}

export const SETTINGS_ACK: Buffer = rawFrame({ type: TYPE.SETTINGS, flags: FLAGS.ACK });

/** What a HEADERS frame may say besides its block. */
export interface HeadersOptions {
  /** Default false. */
  readonly endStream?: boolean;
  /** Default true. */
  readonly endHeaders?: boolean;
  /** Bytes of padding; undefined for none. */
  readonly padding?: number;
}

export function headers(streamId: number, block: Uint8Array, options: HeadersOptions = {}): Buffer {
  const { endStream = false, endHeaders = true, padding } = options;
  const flags =
    (endStream ? FLAGS.END_STREAM : 0) |
    (endHeaders ? FLAGS.END_HEADERS : 0) |
    (padding === undefined ? 0 : FLAGS.PADDED);
  return rawFrame({ type: TYPE.HEADERS, flags, streamId }, padded(block, padding));
}

export function continuation(streamId: number, block: Uint8Array, endHeaders: boolean): Buffer {
  const flags = endHeaders ? FLAGS.END_HEADERS : 0;
  return rawFrame({ type: TYPE.CONTINUATION, flags, streamId }, block);
}

/** What a DATA frame may say besides its content. */
export interface DataOptions {
  /** Default false. */
  readonly endStream?: boolean;
  /** Bytes of padding; undefined for none. */
  readonly padding?: number;
}

export function data(streamId: number, content: Uint8Array, options: DataOptions = {}): Buffer {
  const { endStream = false, padding } = options;
  const flags = (endStream ? FLAGS.END_STREAM : 0) | (padding === undefined ? 0 : FLAGS.PADDED);
  return rawFrame({ type: TYPE.DATA, flags, streamId }, padded(content, padding));
}

export function ping(opaque: Uint8Array = Buffer.alloc(8), isAck = false): Buffer {
  return rawFrame({ type: TYPE.PING, flags: isAck ? FLAGS.ACK : 0 }, opaque);
}

export function resetStream(streamId: number, code: number): Buffer {
  return rawFrame({ type: TYPE.RST_STREAM, streamId }, uint32(code));
}

export function windowUpdate(streamId: number, increment: number): Buffer {
  return rawFrame({ type: TYPE.WINDOW_UPDATE, streamId }, uint32(increment));
}

export function goAway(lastStreamId: number, code: number): Buffer {
  return rawFrame({ type: TYPE.GOAWAY }, Buffer.concat([uint32(lastStreamId), uint32(code)]));
}

/** PRIORITY: stream it depends on and weight. */
export function priority(streamId: number, dependsOn: number, weight = 15): Buffer {
  return rawFrame({ type: TYPE.PRIORITY, streamId }, Buffer.concat([uint32(dependsOn), Buffer.of(weight)]));
}

/** One message with its prefix, as gRPC frames it. */
export function grpcMessage(message: Uint8Array, isCompressed = false): Buffer {
  return Buffer.concat([Buffer.of(isCompressed ? 1 : 0), uint32(message.length), message]);
}

/** `fields` as HPACK literals without indexing and without Huffman coding (RFC 7541 §6.2.2). */
export function literalBlock(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(
    fields.map(([name, value]) => Buffer.concat([Buffer.of(0), literal(name), literal(value)])),
  );
}

/** An HPACK integer in the low `prefixBits` of a byte whose high bits are `pattern` (RFC 7541 §5.1). */
export function hpackInteger(pattern: number, prefixBits: number, value: number): Buffer {
  const limit = 2 ** prefixBits - 1;
  if (value < limit) return Buffer.of(pattern | value);
  const bytes = [pattern | limit];
  let rest = value - limit;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

/** A string without Huffman coding (RFC 7541 §5.2). */
export function literal(text: string): Buffer {
  return Buffer.concat([hpackInteger(0, 7, text.length), Buffer.from(text, 'latin1')]);
}

function padded(content: Uint8Array, padding: number | undefined): Uint8Array {
  if (padding === undefined) return content;
  return Buffer.concat([Buffer.of(padding), content, Buffer.alloc(padding)]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** Cuts what arrives into frames. */
export class FrameParser {
  #kept: Buffer = NOTHING;

  push(bytes: Buffer): RawFrame[] {
    const all = this.#kept.length === 0 ? bytes : Buffer.concat([this.#kept, bytes]);
    const frames: RawFrame[] = [];
    let at = 0;
    while (all.length - at >= HEADER_BYTES) {
      const end = at + HEADER_BYTES + all.readUIntBE(at, 3);
      if (end > all.length) break;
      frames.push({
        type: all[at + 3] ?? 0,
        flags: all[at + 4] ?? 0,
        streamId: all.readUInt32BE(at + 5) & 0x7fff_ffff,
        payload: all.subarray(at + HEADER_BYTES, end),
      });
      at = end;
    }
    this.#kept = all.subarray(at);
    return frames;
  }
}
