import type { Parser, ResponseReader } from '../framework/parser.ts';
import type { Usage } from '../framework/response.ts';
import { LatestEvent } from './latest-event.ts';
import { decodeObject } from './usage-reader.ts';

/** Most of one event that is kept while it is incomplete; a longer one is not read. */
const MAX_EVENT_BYTES = 1024 * 1024;
const FIRST_BYTES = 1024;
/** Bytes a blank line can reach back over the border of two chunks. */
const BORDER_BYTES = 3;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const COLON = 0x3a;
const COMMA = 0x2c;
const QUOTE = 0x22;
const CLOSE_BRACE = 0x7d;
const USAGE = Buffer.from('usage');
const NULL_VALUE = Buffer.from('null');
const DATA = Buffer.from('data:');
const NOTHING = Buffer.alloc(0);

/**
 * Reads token counts from server-sent events. A chunk of whole events without the word `usage`, the usual one, costs
 * one native search; an event spread over chunks is put together in a copy. Where every event reports usage, only the
 * last one is decoded. Lines end in LF or CRLF; `data:` may lack its space; data may span lines.
 */
export class EventUsageReader implements ResponseReader {
  readonly #parser: Parser;
  readonly #usage: Usage;
  /** Events without it report nothing. */
  readonly #word: Buffer;
  /** Only events with it may be left to the next one to tell anew; empty: all may. */
  readonly #interim: Buffer;
  /** Start of an event that is not complete. */
  #carry: Buffer = NOTHING;
  #length = 0;
  /** The event under way is too long and is passed over. */
  #isSkipping = false;
  /** The latest event that reports usage, not decoded yet: the next one may say it anew. */
  readonly #latest = new LatestEvent();

  constructor(parser: Parser, usage: Usage) {
    this.#parser = parser;
    this.#usage = usage;
    const { usagePlace } = parser;
    this.#word = usagePlace === undefined ? USAGE : Buffer.from(usagePlace.member);
    this.#interim = usagePlace?.interim === undefined ? NOTHING : Buffer.from(usagePlace.interim);
  }

  push(chunk: Buffer): void {
    let bytes = chunk;
    let searchFrom = 0;
    if (this.#length > 0) {
      searchFrom = Math.max(0, this.#length - BORDER_BYTES);
      this.#append(chunk);
      bytes = this.#carry.subarray(0, this.#length);
    }
    let from = 0;
    if (this.#isSkipping) {
      from = firstEventEnd(bytes, searchFrom);
      if (from < 0) {
        this.#keep(bytes, Math.max(0, bytes.length - BORDER_BYTES));
        return;
      }
      this.#isSkipping = false;
      searchFrom = from;
    }
    const end = Math.max(from, lastEventEnd(bytes, searchFrom));
    if (end > from) this.#readEvents(bytes, from, end);
    if (bytes.length - end > MAX_EVENT_BYTES) {
      this.#isSkipping = true;
      this.#keep(bytes, bytes.length - BORDER_BYTES);
    } else {
      this.#keep(bytes, end);
    }
  }

  /** Reads an event that no blank line ended. */
  finish(): void {
    if (this.#length > 0 && !this.#isSkipping) this.#readEvents(this.#carry, 0, this.#length);
    this.#length = 0;
    this.#decodeLatest();
  }

  /** Carries `bytes` from `from` on over to the next chunk. */
  #keep(bytes: Buffer, from: number): void {
    const length = bytes.length - from;
    if (this.#length > 0) {
      // bytes lie at the start of the carry
      if (from > 0) this.#carry.copyWithin(0, from, bytes.length);
    } else if (length > 0) {
      this.#reserve(length);
      bytes.copy(this.#carry, 0, from);
    }
    this.#length = length;
  }

  #append(chunk: Buffer): void {
    this.#reserve(this.#length + chunk.length);
    chunk.copy(this.#carry, this.#length);
    this.#length += chunk.length;
  }

  #reserve(length: number): void {
    if (length <= this.#carry.length) return;
    const grown = Buffer.allocUnsafe(Math.max(FIRST_BYTES, length, this.#carry.length * 2));
    this.#carry.copy(grown, 0, 0, this.#length);
    this.#carry = grown;
  }

  /** Reads those of the complete events in `[from, end)` that report usage. */
  #readEvents(bytes: Buffer, from: number, end: number): void {
    let start = from;
    let found = findUsage(bytes, this.#word, start, end);
    while (found >= 0) {
      // the event around the word: after the last blank line before it, up to the next one
      const before = lastEventEnd(bytes.subarray(0, found), start);
      const after = firstEventEnd(bytes, found);
      const eventStart = Math.max(start, before);
      const eventEnd = after < 0 || after > end ? end : after;
      if (!this.#latest.isRepeatedBy(bytes, found, eventEnd)) this.#decodeLatest();
      const isKept =
        this.#isInterim(bytes, eventStart, eventEnd) && this.#latest.keep(bytes, eventStart, found, eventEnd);
      if (!isKept) {
        this.#decodeLatest();
        this.#readEvent(bytes.subarray(eventStart, eventEnd));
      }
      start = eventEnd;
      found = findUsage(bytes, this.#word, start, end);
    }
  }

  #isInterim(bytes: Buffer, start: number, end: number): boolean {
    if (this.#interim.length === 0) return true;
    const at = bytes.indexOf(this.#interim, start);
    return at >= 0 && at < end;
  }

  #decodeLatest(): void {
    const event = this.#latest.take();
    if (event.length > 0) this.#readEvent(event);
  }

  /**
   * Each `data` line may be a document of its own; where none is, all together are one. A server that leaves out line
   * ends puts several into one line; then the last is read.
   */
  #readEvent(event: Buffer): void {
    let lines = 0;
    let start = 0;
    while (start < event.length) {
      const feed = event.indexOf(LINE_FEED, start);
      const end = feed < 0 ? event.length : feed;
      if (isDataLine(event, start)) {
        lines += 1;
        const line = event.subarray(start + DATA.length, end);
        if (line.includes(this.#word) && (this.#readDocument(line) || this.#readLast(line))) return;
      }
      start = end + 1;
    }
    if (lines > 1) this.#readDocument(joinData(event));
  }

  #readLast(line: Buffer): boolean {
    const at = line.lastIndexOf(DATA);
    return at >= 0 && this.#readDocument(line.subarray(at + DATA.length));
  }

  #readDocument(bytes: Buffer): boolean {
    const document = decodeObject(bytes);
    if (document === undefined) return false;
    this.#parser.readUsage(document, true, this.#usage);
    return true;
  }
}

/**
 * Position of the next `word` in `[from, end)` that may report something; -1 when there is none. Events that only
 * say `"usage":null`, as OpenAI's do until the last one, are passed over without being decoded.
 */
function findUsage(bytes: Buffer, word: Buffer, from: number, end: number): number {
  let at = bytes.indexOf(word, from);
  while (at >= 0 && at < end && isNull(bytes, at + word.length)) at = bytes.indexOf(word, at + word.length);
  return at < end ? at : -1;
}

/** Whether `":null` follows at `at`. */
function isNull(bytes: Buffer, at: number): boolean {
  if (bytes[at] !== QUOTE || bytes[at + 1] !== COLON) return false;
  const value = bytes[at + 2] === SPACE ? at + 3 : at + 2;
  for (let i = 0; i < NULL_VALUE.length; i += 1) if (bytes[value + i] !== NULL_VALUE[i]) return false;
  const next = bytes[value + NULL_VALUE.length];
  return next === COMMA || next === CLOSE_BRACE;
}

function isDataLine(event: Buffer, start: number): boolean {
  for (let i = 0; i < DATA.length; i += 1) if (event[start + i] !== DATA[i]) return false;
  return true;
}

function joinData(event: Buffer): Buffer {
  const parts: Buffer[] = [];
  let start = 0;
  while (start < event.length) {
    const feed = event.indexOf(LINE_FEED, start);
    const end = feed < 0 ? event.length : feed + 1;
    if (isDataLine(event, start)) parts.push(event.subarray(start + DATA.length, end));
    start = end;
  }
  return Buffer.concat(parts);
}

/** Position after the last blank line that ends at or after `from`; -1 when there is none. */
function lastEventEnd(bytes: Buffer, from: number): number {
  let feed = bytes.length - 1;
  while (feed > from) {
    if (bytes[feed] !== LINE_FEED) {
      feed = bytes.lastIndexOf(LINE_FEED, feed);
      if (feed <= from) return -1;
    }
    const previous = bytes[feed - 1] === CARRIAGE_RETURN ? feed - 2 : feed - 1;
    if (previous >= 0 && bytes[previous] === LINE_FEED) return feed + 1;
    feed -= 1;
  }
  return -1;
}

/** Position after the first blank line that ends after `from`; -1 when there is none. */
function firstEventEnd(bytes: Buffer, from: number): number {
  let feed = bytes.indexOf(LINE_FEED, from);
  while (feed >= 0) {
    const next = bytes[feed + 1] === CARRIAGE_RETURN ? feed + 2 : feed + 1;
    if (bytes[next] === LINE_FEED) return next + 1;
    feed = bytes.indexOf(LINE_FEED, feed + 1);
  }
  return -1;
}
