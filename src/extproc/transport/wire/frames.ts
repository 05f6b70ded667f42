/** Frames of HTTP/2 as bytes (RFC 9113, sections 4 and 6): numbers, and what a server writes. */

/** Frame types (RFC 9113, section 6). */
export const FRAME = {
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

/** Flags; which of them a frame may carry depends on its type. */
export const FLAG = { END_STREAM: 0x1, ACK: 0x1, END_HEADERS: 0x4, PADDED: 0x8, PRIORITY: 0x20 } as const;

/** Error codes of RST_STREAM and GOAWAY (RFC 9113, section 7). */
export const ERROR = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  SETTINGS_TIMEOUT: 0x4,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  ENHANCE_YOUR_CALM: 0xb,
} as const;
export type ErrorNumber = (typeof ERROR)[keyof typeof ERROR];

/** Settings (RFC 9113, section 6.5.2). */
export const SETTING = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
} as const;

export const FRAME_HEADER_BYTES = 9;

/** What a client sends first (RFC 9113, section 3.4). */
export const PREFACE: Uint8Array = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** Windows are 31 bits (RFC 9113, section 6.9.1). */
export const MAX_WINDOW_BYTES = 0x7fff_ffff;

/** Window of every stream and connection until the peer says otherwise (RFC 9113, section 6.9.2). */
export const DEFAULT_WINDOW_BYTES = 65_535;

/** Frame size that every peer takes (RFC 9113, section 4.2), and the largest that one may ask for. */
export const DEFAULT_FRAME_BYTES = 16_384;
export const MAX_FRAME_BYTES = 0xff_ffff;

/** The peer broke the protocol so that the connection cannot go on (RFC 9113, section 5.4.1): GOAWAY with `code`. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  readonly code: ErrorNumber;

  constructor(code: ErrorNumber, message: string) {
    super(message);
    this.code = code;
  }
}

/** Reads 32 bits at `at`. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) |
      ((bytes[at + 1] ?? 0) << 16) |
      ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0)) >>>
    0
  );
}

/** Writes 32 bits at `at`. */
export function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = (value >>> 16) & 0xff;
  bytes[at + 2] = (value >>> 8) & 0xff;
  bytes[at + 3] = value & 0xff;
}

/** Writes the nine bytes before a payload of `length` bytes. */
export function writeFrameHeader(
  bytes: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  bytes[at] = length >>> 16;
  bytes[at + 1] = (length >>> 8) & 0xff;
  bytes[at + 2] = length & 0xff;
  bytes[at + 3] = type;
  bytes[at + 4] = flags;
  writeUint32(bytes, at + 5, streamId);
}

/** A whole frame. */
export function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES + payload.length);
  writeFrameHeader(bytes, 0, payload.length, type, flags, streamId);
  bytes.set(payload, FRAME_HEADER_BYTES);
  return bytes;
}

/** A frame whose payload is `values`, 32 bits each: RST_STREAM, WINDOW_UPDATE, and the beginning of GOAWAY. */
export function numberFrame(type: number, streamId: number, ...values: readonly number[]): Buffer {
  const payload = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) writeUint32(payload, i * 4, value);
  return frame(type, 0, streamId, payload);
}

/** SETTINGS with the given pairs of identifier and value. */
export function settingsFrame(settings: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(settings.length * 6);
  settings.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  });
  return frame(FRAME.SETTINGS, 0, 0, payload);
}

/** GOAWAY: `reason` is for whoever reads the peer's log (RFC 9113, section 6.8). */
export function goAwayFrame(lastStreamId: number, code: ErrorNumber, reason: string): Buffer {
  const payload = Buffer.alloc(8 + reason.length);
  writeUint32(payload, 0, lastStreamId);
  writeUint32(payload, 4, code);
  payload.write(reason, 8, 'latin1');
  return frame(FRAME.GOAWAY, 0, 0, payload);
}
