import { inflateSync, unzipSync } from 'node:zlib';

/** Gives the bytes back as they were. Throws `RangeError` when there are more than `maxBytes`, others when malformed. */
export type Decompress = (bytes: Buffer, maxBytes: number) => Buffer;

/** What `grpc-accept-encoding` says. */
export const ACCEPTED_ENCODINGS = 'identity,deflate,gzip';

/** For messages in this `grpc-encoding`; undefined for one that is not known and for none. */
export function decompressor(encoding: string): Decompress | undefined {
  if (encoding === 'gzip') return (bytes, maxOutputLength) => unzipSync(bytes, { maxOutputLength });
  if (encoding === 'deflate') return (bytes, maxOutputLength) => inflateSync(bytes, { maxOutputLength });
  return undefined;
}
