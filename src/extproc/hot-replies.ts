import type { Direction } from './messages.ts';

/**
 * The replies that nearly every message gets, written without the message objects and conversions of `codec.ts`, which
 * is the oracle of the tests: a chunk of 200 bytes costs 0.05 µs here and 0.57 µs there.
 */

/** Tags: field number << 3 | 2 (length-delimited), and | 0 for the flag; all fit one byte. */
const REQUEST_BODY = 0x1a;
const RESPONSE_BODY = 0x22;
const BODY_RESPONSE = 0x0a;
const BODY_MUTATION = 0x1a;
const STREAMED_RESPONSE = 0x1a;
const STREAMED_BODY = 0x0a;
const END_OF_STREAM = 0x10;

const UNCHANGED_REQUEST_HEADERS: Uint8Array = Buffer.from([0x0a, 0]);
const UNCHANGED_RESPONSE_HEADERS: Uint8Array = Buffer.from([0x12, 0]);

/** Answers headers without changing any. The bytes are shared and must not be changed. */
export function unchangedHeadersBytes(direction: Direction): Uint8Array {
  return direction === 'request' ? UNCHANGED_REQUEST_HEADERS : UNCHANGED_RESPONSE_HEADERS;
}

/** One piece of a body in full duplex mode: `body` inside five nested messages, whose lengths are known beforehand. */
export function streamedBodyBytes(direction: Direction, body: Uint8Array, endOfStream: boolean): Buffer {
  const bodyField = body.length === 0 ? 0 : 1 + varintSize(body.length) + body.length;
  const streamed = bodyField + (endOfStream ? 2 : 0);
  const mutation = 1 + varintSize(streamed) + streamed;
  const common = 1 + varintSize(mutation) + mutation;
  const response = 1 + varintSize(common) + common;
  const bytes = Buffer.allocUnsafe(1 + varintSize(response) + response);
  let at = writeField(bytes, 0, direction === 'request' ? REQUEST_BODY : RESPONSE_BODY, response);
  at = writeField(bytes, at, BODY_RESPONSE, common);
  at = writeField(bytes, at, BODY_MUTATION, mutation);
  at = writeField(bytes, at, STREAMED_RESPONSE, streamed);
  if (body.length > 0) {
    at = writeField(bytes, at, STREAMED_BODY, body.length);
    bytes.set(body, at);
    at += body.length;
  }
  if (endOfStream) {
    bytes[at] = END_OF_STREAM;
    bytes[at + 1] = 1;
  }
  return bytes;
}

/** Bytes that `value`, at most 2^31 - 1, takes as a varint. */
function varintSize(value: number): number {
  let size = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) size += 1;
  return size;
}

/** Writes a tag and a length; returns where the content begins. */
function writeField(bytes: Buffer, start: number, tag: number, length: number): number {
  bytes[start] = tag;
  let at = start + 1;
  let rest = length;
  for (; rest > 0x7f; rest >>>= 7) {
    bytes[at] = (rest & 0x7f) | 0x80;
    at += 1;
  }
  bytes[at] = rest;
  return at + 1;
}
