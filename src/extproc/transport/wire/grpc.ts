import { ACCEPTED_ENCODINGS } from './compression.ts';
import { encodeHeaders } from './hpack/encoder.ts';

/** gRPC's side of the protocol: what headers and trailers of a call say (gRPC over HTTP/2). */

/** Status codes that a transport itself gives. */
export const STATUS = {
  OK: 0,
  DEADLINE_EXCEEDED: 4,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
} as const;
export type StatusCode = (typeof STATUS)[keyof typeof STATUS];

/** Of `grpc-message`: it may quote the peer, and header blocks fit into one frame. */
const MAX_STATUS_CHARS = 512;

const CONTENT_TYPE = ['content-type', 'application/grpc'] as const;

/** Header block of every call that is answered with messages. */
export const RESPONSE_HEADERS: Uint8Array = encodeHeaders([[':status', '200'], CONTENT_TYPE]);

/** Trailers of a call that went well. */
export const OK_TRAILERS: Uint8Array = encodeHeaders([['grpc-status', '0']]);

/** Trailers of one that did not, `message` shortened to 512 characters; with `isOnly` they are the whole answer. */
export function trailers(code: StatusCode, message: string, isOnly: boolean): Buffer {
  const status = [
    ['grpc-status', String(code)],
    ['grpc-message', percentEncode(message.slice(0, MAX_STATUS_CHARS))],
  ] as const;
  if (!isOnly) return encodeHeaders(status);
  return encodeHeaders([
    [':status', '200'],
    CONTENT_TYPE,
    ['grpc-accept-encoding', ACCEPTED_ENCODINGS],
    ...status,
  ]);
}

/** Header block of an answer to something that is no gRPC call. */
export function httpAnswer(status: 405 | 415 | 431): Buffer {
  return encodeHeaders([[':status', String(status)]]);
}

/** `grpc-timeout` in milliseconds, undefined when malformed. */
export function timeoutMs(text: string): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text);
  const unit = match?.[2];
  if (match === null || unit === undefined) return undefined;
  return Number(match[1]) * (UNIT_MS[unit] ?? Number.NaN);
}

const UNIT_MS: { readonly [unit: string]: number } = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** Bytes outside printable ASCII, and `%`, as `%XX` of their UTF-8 form. */
function percentEncode(text: string): string {
  let encoded = '';
  for (const byte of Buffer.from(text)) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}
