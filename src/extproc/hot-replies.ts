import type { Headers } from '../framework/headers.ts';
import type { Direction } from './messages.ts';
import { DESTINATION_HEADER, LB_NAMESPACE } from './metadata.ts';

/**
 * The replies that nearly every message gets, written without the message objects and conversions of `codec.ts`, which
 * is the oracle of the tests.
 */

/** Tags: field number << 3 | 2 (length-delimited), or | 0 for flags and numbers; all fit one byte. */
const REQUEST_HEADERS = 0x0a;
const RESPONSE_HEADERS = 0x12;
const REQUEST_BODY = 0x1a;
const RESPONSE_BODY = 0x22;
const DYNAMIC_METADATA = 0x42;
/** In `HeadersResponse` and `BodyResponse`. */
const COMMON_RESPONSE = 0x0a;
/** In `CommonResponse`. */
const HEADER_MUTATION = 0x12;
const BODY_MUTATION = 0x1a;
const CLEAR_ROUTE_CACHE = 0x28;
/** In `HeaderMutation`. */
const SET_HEADERS = 0x0a;
const REMOVE_HEADERS = 0x12;
/** In `HeaderValueOption`. */
const HEADER = 0x0a;
const APPEND_ACTION = 0x18;
const KEEP_EMPTY_VALUE = 0x20;
/** In `HeaderValue`. */
const KEY = 0x0a;
const RAW_VALUE = 0x1a;
/** In `Struct`, its entries and `Value`. */
const FIELDS = 0x0a;
const ENTRY_KEY = 0x0a;
const ENTRY_VALUE = 0x12;
const STRING_VALUE = 0x1a;
const STRUCT_VALUE = 0x2a;
/** In `BodyMutation` and `StreamedBodyResponse`. */
const STREAMED_RESPONSE = 0x1a;
const STREAMED_BODY = 0x0a;
const END_OF_STREAM = 0x10;

const OVERWRITE_IF_EXISTS_OR_ADD = 2;
const CONTENT_LENGTH = 'content-length';
const NOTHING: Uint8Array = Buffer.alloc(0);
const END: Uint8Array = Buffer.from([END_OF_STREAM, 1]);
const UNCHANGED_REQUEST_HEADERS: Uint8Array = Buffer.from([REQUEST_HEADERS, 0]);
const UNCHANGED_RESPONSE_HEADERS: Uint8Array = Buffer.from([RESPONSE_HEADERS, 0]);

/** Room for the headers of one reply; those that need more are the codec's. */
const ROOM = 8192;
const LAST_ASCII = 0x7f;

/** Answers headers without changing any. The bytes are shared and must not be changed. */
export function unchangedHeadersBytes(direction: Direction): Uint8Array {
  return direction === 'request' ? UNCHANGED_REQUEST_HEADERS : UNCHANGED_RESPONSE_HEADERS;
}

/** What follows the body of a piece in its message. Shared, not to be changed. */
export function pieceTail(endOfStream: boolean): Uint8Array {
  return endOfStream ? END : NOTHING;
}

/** Writes replies into memory of its own, which is valid until the next call; one writer serves all streams. */
export class ReplyWriter {
  /** What the last call wrote, from the start. */
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(ROOM);
  #at = 0;

  /**
   * What stands before the body in a message that carries one piece of a body in full duplex mode, with `pieceTail`
   * after it: five nested messages, whose lengths are known beforehand. Returns its length.
   */
  pieceHead(direction: Direction, bodyBytes: number, endOfStream: boolean): number {
    const streamed = (bodyBytes === 0 ? 0 : fieldSize(bodyBytes)) + (endOfStream ? END.length : 0);
    const mutation = fieldSize(streamed);
    const common = fieldSize(mutation);
    this.#at = 0;
    this.#field(direction === 'request' ? REQUEST_BODY : RESPONSE_BODY, fieldSize(common));
    this.#field(COMMON_RESPONSE, common);
    this.#field(BODY_MUTATION, mutation);
    this.#field(STREAMED_RESPONSE, streamed);
    if (bodyBytes > 0) this.#field(STREAMED_BODY, bodyBytes);
    return this.#at;
  }

  /** Answers response headers with what changed in them. Returns the length; -1 when it is for the codec to write. */
  changedHeaders(headers: Headers): number {
    const mutation = mutationSize(headers, '', '');
    if (mutation > ROOM / 2) return -1;
    const common = fieldSize(mutation);
    this.#at = 0;
    this.#field(RESPONSE_HEADERS, fieldSize(common));
    this.#field(COMMON_RESPONSE, common);
    this.#field(HEADER_MUTATION, mutation);
    return this.#mutation(headers, '', '') ? this.#at : -1;
  }

  /**
   * Answers request headers with the destination, as header and as metadata, what changed in the headers, and the
   * length of the body that goes on ('' to say none). Returns the length; -1 when it is for the codec to write.
   */
  decision(headers: Headers, destination: string, contentLength: string): number {
    const mutation = mutationSize(headers, destination, contentLength);
    const value = fieldSize(destination.length);
    const entry = fieldSize(DESTINATION_HEADER.length) + fieldSize(value);
    const struct = fieldSize(fieldSize(entry));
    const namespace = fieldSize(LB_NAMESPACE.length) + fieldSize(struct);
    if (mutation + namespace > ROOM / 2) return -1;
    const common = fieldSize(mutation) + 2;
    this.#at = 0;
    this.#field(REQUEST_HEADERS, fieldSize(common));
    this.#field(COMMON_RESPONSE, common);
    this.#field(HEADER_MUTATION, mutation);
    if (!this.#mutation(headers, destination, contentLength)) return -1;
    this.#flag(CLEAR_ROUTE_CACHE, 1);
    this.#field(DYNAMIC_METADATA, fieldSize(namespace));
    this.#field(FIELDS, namespace);
    this.#text(ENTRY_KEY, LB_NAMESPACE);
    this.#field(ENTRY_VALUE, struct);
    this.#field(STRUCT_VALUE, fieldSize(entry));
    this.#field(FIELDS, entry);
    this.#text(ENTRY_KEY, DESTINATION_HEADER);
    this.#field(ENTRY_VALUE, value);
    this.#text(STRING_VALUE, destination);
    return this.#at;
  }

  /** False when a text is not plain ASCII. */
  #mutation(headers: Headers, destination: string, contentLength: string): boolean {
    for (const name of headers.changedNames) {
      if (!isSet(name, destination, contentLength)) continue;
      if (!this.#setHeader(name, headers.get(name) ?? '')) return false;
    }
    if (destination !== '' && !this.#setHeader(DESTINATION_HEADER, destination)) return false;
    if (contentLength !== '' && !this.#setHeader(CONTENT_LENGTH, contentLength)) return false;
    for (const name of headers.removedNames) {
      if (isReplaced(name, destination, contentLength)) continue;
      if (!this.#text(REMOVE_HEADERS, name)) return false;
    }
    return true;
  }

  #setHeader(name: string, value: string): boolean {
    this.#field(SET_HEADERS, optionSize(name, value));
    this.#field(HEADER, headerSize(name, value));
    if (!this.#text(KEY, name)) return false;
    if (value !== '' && !this.#text(RAW_VALUE, value)) return false;
    this.#flag(APPEND_ACTION, OVERWRITE_IF_EXISTS_OR_ADD);
    if (value === '') this.#flag(KEEP_EMPTY_VALUE, 1);
    return true;
  }

  #flag(tag: number, value: number): void {
    this.bytes[this.#at] = tag;
    this.bytes[this.#at + 1] = value;
    this.#at += 2;
  }

  /** False when it is not ASCII, so that its size is another than was said. */
  #text(tag: number, text: string): boolean {
    const { length } = text;
    this.#field(tag, length);
    const { bytes } = this;
    const at = this.#at;
    for (let i = 0; i < length; i += 1) {
      const unit = text.charCodeAt(i);
      if (unit > LAST_ASCII) return false;
      bytes[at + i] = unit;
    }
    this.#at = at + length;
    return true;
  }

  /** Writes a tag and the length of what follows. */
  #field(tag: number, length: number): void {
    const { bytes } = this;
    let at = this.#at;
    bytes[at] = tag;
    at += 1;
    let rest = length;
    for (; rest > 0x7f; rest >>>= 7) {
      bytes[at] = (rest & 0x7f) | 0x80;
      at += 1;
    }
    bytes[at] = rest;
    this.#at = at + 1;
  }
}

/** Whether `name` is set here for another reason, which wins. */
function isReplaced(name: string, destination: string, contentLength: string): boolean {
  return (
    (destination !== '' && name === DESTINATION_HEADER) || (contentLength !== '' && name === CONTENT_LENGTH)
  );
}

/** Of the pseudo headers only the path may be set; the data plane counts the others as rejected. */
function isSet(name: string, destination: string, contentLength: string): boolean {
  if (name.startsWith(':') && name !== ':path') return false;
  return !isReplaced(name, destination, contentLength);
}

function mutationSize(headers: Headers, destination: string, contentLength: string): number {
  let size = 0;
  for (const name of headers.changedNames) {
    if (isSet(name, destination, contentLength)) {
      size += fieldSize(optionSize(name, headers.get(name) ?? ''));
    }
  }
  if (destination !== '') size += fieldSize(optionSize(DESTINATION_HEADER, destination));
  if (contentLength !== '') size += fieldSize(optionSize(CONTENT_LENGTH, contentLength));
  for (const name of headers.removedNames) {
    if (!isReplaced(name, destination, contentLength)) size += fieldSize(name.length);
  }
  return size;
}

function optionSize(name: string, value: string): number {
  return fieldSize(headerSize(name, value)) + (value === '' ? 4 : 2);
}

function headerSize(name: string, value: string): number {
  return fieldSize(name.length) + (value === '' ? 0 : fieldSize(value.length));
}

/** Bytes of a length-delimited field whose content has `length`, at most 2^28 - 1. */
function fieldSize(length: number): number {
  if (length < 0x80) return 2 + length;
  if (length < 0x4000) return 3 + length;
  return (length < 0x200000 ? 4 : 5) + length;
}
