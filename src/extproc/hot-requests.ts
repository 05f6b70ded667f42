import { decodeRequest, type HeaderValue, type ProcessingRequest } from './codec.ts';

/**
 * Reads the messages that every exchange has — headers and body chunks — on their bytes; `codec.ts` reads all others
 * and whatever looks unusual, and is the oracle of the tests.
 */

/** Tags of the parts of an exchange: field number << 3 | 2. */
const REQUEST_HEADERS = 0x12;
const RESPONSE_HEADERS = 0x1a;
const REQUEST_BODY = 0x22;
const RESPONSE_BODY = 0x2a;
/** Fields of the nested messages. */
const FIELD_1_BYTES = 0x0a;
const FIELD_2_BYTES = 0x12;
const FIELD_3_BYTES = 0x1a;
const FIELD_2_VARINT = 0x10;
const FIELD_3_VARINT = 0x18;

/** Thrown and caught here: the message is not of the usual form. */
class UnusualError extends Error {}
const UNUSUAL = new UnusualError('not of the usual form');

/** Where the reader is; one is enough, as reading never waits. */
const cursor: { bytes: Buffer; at: number } = { bytes: Buffer.alloc(0), at: 0 };

/** One message of the data plane. Throws as `decodeRequest` does. Chunks are views of `bytes`. */
export function readRequest(bytes: Buffer): ProcessingRequest {
  try {
    return readUsual(bytes) ?? decodeRequest(bytes);
  } catch (error) {
    if (error === UNUSUAL) return decodeRequest(bytes);
    throw error;
  }
}

function readUsual(bytes: Buffer): ProcessingRequest | undefined {
  const tag = bytes[0];
  if (tag !== REQUEST_HEADERS && tag !== RESPONSE_HEADERS && tag !== REQUEST_BODY && tag !== RESPONSE_BODY) {
    return undefined;
  }
  cursor.bytes = bytes;
  cursor.at = 1;
  const end = readEnd(bytes.length);
  const part =
    tag === REQUEST_HEADERS
      ? { requestHeaders: readHeaders(end) }
      : tag === RESPONSE_HEADERS
        ? { responseHeaders: readHeaders(end) }
        : tag === REQUEST_BODY
          ? { requestBody: readBody(end) }
          : { responseBody: readBody(end) };
  if (end === bytes.length) return part;
  const rest = decodeRequest(bytes.subarray(end));
  if (hasPart(rest)) return undefined; // a second part would win or merge: the codec knows
  return { ...rest, ...part };
}

function hasPart(message: ProcessingRequest): boolean {
  return (
    message.requestHeaders !== undefined ||
    message.responseHeaders !== undefined ||
    message.requestBody !== undefined ||
    message.responseBody !== undefined ||
    message.requestTrailers !== undefined ||
    message.responseTrailers !== undefined
  );
}

function readBody(end: number): { body?: Buffer; endOfStream?: boolean } {
  const message: { body?: Buffer; endOfStream?: boolean } = {};
  while (cursor.at < end) {
    const tag = next();
    if (tag === FIELD_1_BYTES && message.body === undefined) {
      const stop = readEnd(end);
      message.body = cursor.bytes.subarray(cursor.at, stop);
      cursor.at = stop;
    } else if (tag === FIELD_2_VARINT) message.endOfStream = readFlag();
    else throw UNUSUAL;
  }
  return message;
}

function readHeaders(end: number): { headers?: { headers: HeaderValue[] }; endOfStream?: boolean } {
  const message: { headers?: { headers: HeaderValue[] }; endOfStream?: boolean } = {};
  while (cursor.at < end) {
    const tag = next();
    if (tag === FIELD_1_BYTES && message.headers === undefined) {
      const stop = readEnd(end);
      const headers: HeaderValue[] = [];
      while (cursor.at < stop) {
        if (next() !== FIELD_1_BYTES) throw UNUSUAL;
        headers.push(readHeader(readEnd(stop)));
      }
      message.headers = { headers };
    } else if (tag === FIELD_3_VARINT) message.endOfStream = readFlag();
    else throw UNUSUAL;
  }
  return message;
}

/** A value given as bytes is decoded here; as bytes it would only be decoded later. */
function readHeader(end: number): HeaderValue {
  let key = '';
  let value = '';
  let raw = '';
  while (cursor.at < end) {
    const tag = next();
    if (tag !== FIELD_1_BYTES && tag !== FIELD_2_BYTES && tag !== FIELD_3_BYTES) throw UNUSUAL;
    const stop = readEnd(end);
    const text = cursor.bytes.toString('utf8', cursor.at, stop);
    cursor.at = stop;
    if (tag === FIELD_1_BYTES) key = text;
    else if (tag === FIELD_2_BYTES) value = text;
    else raw = text;
  }
  return { key, value: raw === '' ? value : raw };
}

function next(): number {
  const byte = cursor.bytes[cursor.at] ?? 0;
  cursor.at += 1;
  return byte;
}

/** 0 and 1 are the usual forms. */
function readFlag(): boolean {
  const byte = next();
  if (byte > 1) throw UNUSUAL;
  return byte === 1;
}

/** Reads a length; returns where the content ends, at most `limit`. */
function readEnd(limit: number): number {
  let length = 0;
  for (let shift = 0; ; shift += 7) {
    if (shift > 28 || cursor.at >= limit) throw UNUSUAL;
    const byte = next();
    length += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
  }
  const end = cursor.at + length;
  if (end > limit) throw UNUSUAL;
  return end;
}
