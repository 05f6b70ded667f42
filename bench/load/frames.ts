import {
  DEFAULT_WINDOW_BYTES,
  FRAME,
  MAX_WINDOW_BYTES,
  numberFrame,
  PREFACE,
  SETTING,
  settingsFrame,
} from '../../src/extproc/transport/wire/frames.ts';

/** What a client sends first: the preface, and windows so large that the server never waits. */
export function clientPreface(): Buffer {
  return Buffer.concat([
    PREFACE,
    settingsFrame([[SETTING.INITIAL_WINDOW_SIZE, MAX_WINDOW_BYTES]]),
    numberFrame(FRAME.WINDOW_UPDATE, 0, MAX_WINDOW_BYTES - DEFAULT_WINDOW_BYTES),
  ]);
}

/** The initial stream window that a SETTINGS payload announces; undefined when it does not. */
export function initialWindowOf(payload: Buffer): number | undefined {
  for (let at = 0; at + 6 <= payload.length; at += 6) {
    if (payload.readUInt16BE(at) === SETTING.INITIAL_WINDOW_SIZE) return payload.readUInt32BE(at + 2);
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
