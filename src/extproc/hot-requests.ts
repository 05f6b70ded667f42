import { Headers } from '../framework/headers.ts';
import { decodeRequest, type ProcessingRequest } from './codec.ts';
import { HeaderNames } from './header-names.ts';

/** The parts that are read here, by their tags: field number << 3 | 2. */
export const PART = {
  requestHeaders: 0x12,
  responseHeaders: 0x1a,
  requestBody: 0x22,
  responseBody: 0x2a,
} as const;

/** Fields of the nested messages. */
const FIELD_1_BYTES = 0x0a;
const FIELD_2_BYTES = 0x12;
const FIELD_3_BYTES = 0x1a;
const FIELD_2_VARINT = 0x10;
const FIELD_3_VARINT = 0x18;

const LAST_ASCII = 0x7f;
const NO_END = -1;
/** What may accompany a part; with most messages nothing does. */
const NOTHING: ProcessingRequest = {};
/** Up to here what accompanies a part is compared with what accompanied earlier ones. */
const MAX_REMEMBERED_BYTES = 512;
/** Different ones that are remembered, about a kilobyte each; then all are forgotten. */
const MAX_REMEMBERED = 1024;

/**
 * Reads the messages that every exchange has — headers and body chunks — straight from their bytes. All others, and
 * whatever looks unusual (a field twice, an unknown one, a text that is not plain), are left to `codec.ts`, which is also
 * the oracle of the tests. One reader serves all streams, as reading never waits: its fields are those of the message
 * that was read last.
 */
export class HotReader {
  /** One of `PART`. */
  part: number = PART.responseBody;
  /** Of headers. */
  headers = new Headers();
  /** Where the chunk of a body lies. */
  chunkStart = 0;
  chunkEnd = 0;
  endOfStream = false;
  /** What came beside the part: metadata, protocol configuration, observability mode. Shared, not to be changed. */
  beside = NOTHING;

  readonly #names = new HeaderNames();
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #lastBytes: Buffer = Buffer.alloc(0);
  #lastBeside = NOTHING;
  /** By their bytes as text. A data plane with many pools sends as many different ones. */
  readonly #remembered = new Map<string, ProcessingRequest>();

  /** Reads `bytes[start, end)`. False when the message is one for `decodeRequest`; throws as that does. */
  read(bytes: Buffer, start: number, end: number): boolean {
    if (start === end) return false;
    const tag = bytes[start] ?? 0;
    this.#bytes = bytes;
    this.#at = start + 1;
    this.endOfStream = false;
    let partEnd: number;
    if (tag === PART.responseBody || tag === PART.requestBody) {
      partEnd = this.#end(end);
      if (partEnd === NO_END || !this.#readBody(partEnd)) return false;
    } else if (tag === PART.requestHeaders || tag === PART.responseHeaders) {
      partEnd = this.#end(end);
      if (partEnd === NO_END || !this.#readHeaders(partEnd)) return false;
    } else {
      return false;
    }
    this.part = tag;
    if (partEnd === end) {
      this.beside = NOTHING;
      return true;
    }
    return this.#readBeside(partEnd, end);
  }

  #readBody(end: number): boolean {
    this.chunkStart = NO_END;
    while (this.#at < end) {
      const tag = this.#next();
      if (tag === FIELD_1_BYTES && this.chunkStart === NO_END) {
        const stop = this.#end(end);
        if (stop === NO_END) return false;
        this.chunkStart = this.#at;
        this.chunkEnd = stop;
        this.#at = stop;
      } else if (tag !== FIELD_2_VARINT || !this.#readEndOfStream(end)) {
        return false;
      }
    }
    if (this.chunkStart === NO_END) {
      this.chunkStart = end;
      this.chunkEnd = end;
    }
    return true;
  }

  #readHeaders(end: number): boolean {
    let hasList = false;
    while (this.#at < end) {
      const tag = this.#next();
      if (tag === FIELD_1_BYTES && !hasList) {
        hasList = true;
        const stop = this.#end(end);
        if (stop === NO_END || !this.#readList(stop)) return false;
      } else if (tag !== FIELD_3_VARINT || !this.#readEndOfStream(end)) {
        return false;
      }
    }
    if (!hasList) this.headers = new Headers();
    return true;
  }

  #readList(end: number): boolean {
    const bytes = this.#bytes;
    const base = this.#at;
    const headers = new Headers(bytes.toString('latin1', base, end));
    while (this.#at < end) {
      if (this.#next() !== FIELD_1_BYTES) return false;
      const stop = this.#end(end);
      if (stop === NO_END || !this.#readEntry(stop, base, headers)) return false;
    }
    this.headers = headers;
    return true;
  }

  /** The value is `raw_value` unless that is empty; an entry without name is passed over. */
  #readEntry(end: number, base: number, headers: Headers): boolean {
    let name: string | undefined;
    let valueStart = 0;
    let valueEnd = 0;
    let rawStart = 0;
    let rawEnd = 0;
    while (this.#at < end) {
      const tag = this.#next();
      if (tag !== FIELD_1_BYTES && tag !== FIELD_2_BYTES && tag !== FIELD_3_BYTES) return false;
      const stop = this.#end(end);
      if (stop === NO_END) return false;
      const start = this.#at;
      this.#at = stop;
      if (tag === FIELD_3_BYTES) {
        rawStart = start;
        rawEnd = stop;
      } else if (tag === FIELD_1_BYTES) {
        name = this.#names.find(this.#bytes, start, stop);
        if (name === undefined) return false;
      } else {
        if (!this.#isAscii(start, stop)) return false;
        valueStart = start;
        valueEnd = stop;
      }
    }
    if (name === undefined) return true;
    if (rawEnd > rawStart) headers.receivePart(name, rawStart - base, rawEnd - base);
    else if (valueEnd > valueStart) headers.receivePart(name, valueStart - base, valueEnd - base);
    else headers.receive(name, '');
    return true;
  }

  /** What follows the part. Data planes send the same configuration with every exchange. */
  #readBeside(start: number, end: number): boolean {
    const last = this.#lastBytes;
    const length = end - start;
    if (length === last.length) {
      let i = 0;
      while (i < length && this.#bytes[start + i] === last[i]) i += 1;
      if (i === length) {
        this.beside = this.#lastBeside;
        return true;
      }
    }
    if (length > MAX_REMEMBERED_BYTES) return this.#decodeBeside(this.#bytes.subarray(start, end));
    const text = this.#bytes.toString('latin1', start, end);
    const known = this.#remembered.get(text);
    if (known !== undefined) {
      this.beside = known;
      return true;
    }
    const rest = Buffer.from(this.#bytes.subarray(start, end));
    if (!this.#decodeBeside(rest)) return false;
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(text, this.beside);
    this.#lastBytes = rest;
    this.#lastBeside = this.beside;
    return true;
  }

  #decodeBeside(rest: Buffer): boolean {
    const message = decodeRequest(rest);
    if (hasPart(message)) return false; // a second part would win or merge: the codec knows
    this.beside = message;
    return true;
  }

  #next(): number {
    const byte = this.#bytes[this.#at] ?? 0;
    this.#at += 1;
    return byte;
  }

  /** 0 and 1 are the usual forms. */
  #readEndOfStream(end: number): boolean {
    if (this.#at >= end) return false;
    const byte = this.#next();
    this.endOfStream = byte === 1;
    return byte <= 1;
  }

  /** Reads a length; returns where the content ends, `NO_END` when that is beyond `limit`. */
  #end(limit: number): number {
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      if (shift > 21 || this.#at >= limit) return NO_END;
      const byte = this.#next();
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    const end = this.#at + length;
    return end > limit ? NO_END : end;
  }

  #isAscii(start: number, end: number): boolean {
    for (let i = start; i < end; i += 1) if ((this.#bytes[i] ?? 0) > LAST_ASCII) return false;
    return true;
  }
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
