/** Frame types of HTTP/2 that the client reads or writes (RFC 9113, section 6). */
export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  RST_STREAM: 3,
  SETTINGS: 4,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
} as const;

export const FRAME_HEADER_BYTES = 9;
export const FLAG_END_STREAM = 1;
export const FLAG_ACK = 1;
export const FLAG_END_HEADERS = 4;

const SETTING_INITIAL_WINDOW_SIZE = 4;
export const MAX_WINDOW = 0x7fff_ffff;

/** A whole frame of its own. */
export function frame(type: number, flags: number, streamId: number, payload: Buffer): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES + payload.length);
  writeFrameHeader(bytes, 0, { length: payload.length, type, flags, streamId });
  payload.copy(bytes, FRAME_HEADER_BYTES);
  return bytes;
}

/** Writes the nine bytes that begin a frame; returns the position behind them. */
export function writeFrameHeader(
  bytes: Buffer,
  at: number,
  header: {
    readonly length: number;
    readonly type: number;
    readonly flags: number;
    readonly streamId: number;
  },
): number {
  bytes.writeUIntBE(header.length, at, 3);
  bytes[at + 3] = header.type;
  bytes[at + 4] = header.flags;
  bytes.writeUInt32BE(header.streamId, at + 5);
  return at + FRAME_HEADER_BYTES;
}

/** What a client sends first: the preface, and windows so large that the server never waits. */
export function clientPreface(): Buffer {
  const settings = Buffer.alloc(6);
  settings.writeUInt16BE(SETTING_INITIAL_WINDOW_SIZE, 0);
  settings.writeUInt32BE(MAX_WINDOW, 2);
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'),
    frame(FRAME.SETTINGS, 0, 0, settings),
    windowUpdate(MAX_WINDOW - 65_535),
  ]);
}

/** Grants the peer more bytes on the connection. */
export function windowUpdate(bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frame(FRAME.WINDOW_UPDATE, 0, 0, payload);
}

/** The initial stream window that a SETTINGS payload announces; undefined when it does not. */
export function initialWindowOf(payload: Buffer): number | undefined {
  for (let at = 0; at + 6 <= payload.length; at += 6) {
    if (payload.readUInt16BE(at) === SETTING_INITIAL_WINDOW_SIZE) return payload.readUInt32BE(at + 2);
  }
  return undefined;
}

/** Header blocks of the calls of one connection. */
export interface HeaderBlocks {
  /** Of its first call. */
  readonly first: Buffer;
  /** Of every other. */
  readonly next: Buffer;
}

/**
 * Header blocks (HPACK, RFC 7541) of a gRPC call, as Envoy sends them: the first of a connection fills the dynamic
 * table, the others are indices into it.
 */
export function callHeaderBlocks(path: string, authority: string, scheme: 'http' | 'https'): HeaderBlocks {
  const post = 0x83; // :method POST, static
  const secure = scheme === 'https' ? 0x87 : 0x86; // :scheme, static
  const literal = (nameIndex: number, value: string) => [
    Buffer.from([0x40 | nameIndex, value.length]),
    Buffer.from(value, 'latin1'),
  ];
  const te = Buffer.from('te', 'latin1');
  const first = Buffer.concat([
    Buffer.from([post, secure]),
    ...literal(4, path),
    ...literal(1, authority),
    ...literal(31, 'application/grpc'), // content-type
    Buffer.from([0x40, te.length]),
    te,
    Buffer.from([8]),
    Buffer.from('trailers', 'latin1'),
  ]);
  // the table's newest entry has index 62: te, content-type, :authority, :path
  return { first, next: Buffer.from([post, secure, 0x80 | 65, 0x80 | 64, 0x80 | 63, 0x80 | 62]) };
}
