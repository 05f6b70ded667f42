import type { JsonObject } from '../framework/body.ts';
import type { Parser, ResponseReader } from '../framework/parser.ts';
import type { Usage } from '../framework/response.ts';
import { type ByteRange, scanMembers, scanTail } from '../util/json-scan.ts';

/** Most of one response that is kept to be read at its end. */
const KEPT_BYTES = 1024 * 1024;
/** Of a longer one: this much of its beginning, and at least half as much of its end. */
const HALF_BYTES = KEPT_BYTES / 2;
/** Documents up to this size are walked from the beginning to the end; of longer ones the end is looked at first. */
const WALKED_BYTES = 64 * 1024;
const FIRST_BYTES = 2048;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
const SPACE = 0x20;
const FIRST_OF_BYTE_ORDER_MARK = 0xef;

/**
 * Reads the usage of one JSON document, of which only `usage` is decoded: at once when the document comes in one chunk,
 * else at its end from a copy of at most 1 MiB. Of a longer document the beginning and the end are kept, and `usage` is
 * found in either. Where batches are answered with arrays, those are decoded whole, as long as nothing is missing.
 */
export class DocumentUsageReader implements ResponseReader {
  readonly #parser: Parser;
  readonly #usage: Usage;
  readonly #member: string;
  readonly #allowsArray: boolean;
  #kept: Buffer = Buffer.alloc(0);
  #length = 0;
  /** Something between the two halves of `#kept` is missing. */
  #isCut = false;
  #isDocument = true;

  constructor(parser: Parser, usage: Usage) {
    this.#parser = parser;
    this.#usage = usage;
    this.#member = parser.usagePlace?.member ?? 'usage';
    this.#allowsArray = parser.usagePlace?.allowsArray === true;
  }

  push(chunk: Buffer, isLast: boolean): void {
    if (!this.#isDocument) return;
    if (this.#length === 0) {
      this.#isDocument = mayBeginDocument(chunk, this.#allowsArray);
      if (!this.#isDocument) return;
      if (isLast && chunk.length <= KEPT_BYTES) {
        this.#read(chunk);
        return;
      }
    }
    let from = 0;
    while (from < chunk.length) {
      if (this.#length === KEPT_BYTES) this.#forgetMiddle();
      const n = Math.min(chunk.length - from, KEPT_BYTES - this.#length);
      this.#reserve(this.#length + n);
      chunk.copy(this.#kept, this.#length, from, from + n);
      this.#length += n;
      from += n;
    }
  }

  finish(): void {
    if (this.#length === 0) return;
    const kept = this.#kept.subarray(0, this.#length);
    this.#length = 0;
    this.#read(kept);
  }

  #read(bytes: Buffer): void {
    const document = usageDocument(bytes, this.#isCut ? HALF_BYTES : 0, this.#member);
    if (document !== undefined) this.#parser.readUsage(document, false, this.#usage);
    else if (this.#allowsArray && !this.#isCut) {
      for (const one of decodeArray(bytes)) this.#parser.readUsage(one, false, this.#usage);
    }
  }

  /** Makes room in the upper half, keeping the later part of it. */
  #forgetMiddle(): void {
    this.#kept.copyWithin(HALF_BYTES, KEPT_BYTES - HALF_BYTES / 2, KEPT_BYTES);
    this.#length = KEPT_BYTES - HALF_BYTES / 2;
    this.#isCut = true;
  }

  #reserve(length: number): void {
    if (length <= this.#kept.length) return;
    const capacity = Math.min(KEPT_BYTES, Math.max(FIRST_BYTES, length, this.#kept.length * 2));
    const grown = Buffer.allocUnsafe(capacity);
    this.#kept.copy(grown, 0, 0, this.#length);
    this.#kept = grown;
  }
}

function mayBeginDocument(chunk: Buffer, allowsArray: boolean): boolean {
  for (const byte of chunk) {
    if (byte <= SPACE) continue;
    return byte === OPEN_BRACE || byte === FIRST_OF_BYTE_ORDER_MARK || (allowsArray && byte === OPEN_BRACKET);
  }
  return true;
}

/** A document of the member that reports usage alone. `headBytes`: where the end begins, or 0 when nothing is missing. */
function usageDocument(kept: Buffer, headBytes: number, member: string): JsonObject | undefined {
  if (kept.length <= WALKED_BYTES) {
    const scan = scanMembers(kept, member);
    // what is cut off or goes on after its end is no document
    if (scan === undefined || scan.end < 0 || !isBlank(kept, scan.end)) return undefined;
    return decodeMember(kept, member, scan.values.at(-1));
  }
  const tail = headBytes === 0 ? kept : kept.subarray(headBytes);
  const inTail = scanTail(tail, member);
  if (inTail !== undefined) return decodeMember(tail, member, inTail);
  const head = headBytes === 0 ? kept : kept.subarray(0, headBytes);
  return decodeMember(head, member, scanMembers(head, member)?.values.at(-1));
}

function decodeMember(bytes: Buffer, member: string, value: ByteRange | undefined): JsonObject | undefined {
  if (value === undefined) return undefined;
  try {
    return { [member]: JSON.parse(bytes.toString('utf8', value.start, value.end)) as unknown };
  } catch {
    return undefined;
  }
}

function isBlank(bytes: Buffer, from: number): boolean {
  for (let i = from; i < bytes.length; i += 1) if ((bytes[i] ?? 0) > SPACE) return false;
  return true;
}

/** The objects of the JSON array in `bytes`; none when it is something else. */
function decodeArray(bytes: Buffer): readonly JsonObject[] {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return Array.isArray(value) ? value.filter(isObject) : [];
  } catch {
    return [];
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The JSON object in `bytes`; undefined when it is something else. */
export function decodeObject(bytes: Buffer): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8').trim());
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
