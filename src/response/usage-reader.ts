import type { JsonObject } from '../framework/body.ts';
import type { Parser } from '../framework/parser.ts';
import type { Usage } from '../framework/response.ts';
import { scanMembers, scanTail } from '../util/json-scan.ts';

/** Most of one response that is kept to be read at its end. */
const KEPT_BYTES = 1024 * 1024;
/** Of a longer one: this much of its beginning, and at least half as much of its end. */
const HALF_BYTES = KEPT_BYTES / 2;
/** Documents up to this size are decoded whole; of longer ones only `usage` is, found by its position. */
const WHOLE_BYTES = 64 * 1024;
const FIRST_BYTES = 2048;
const OPEN_BRACE = 0x7b;
const SPACE = 0x20;
const FIRST_OF_BYTE_ORDER_MARK = 0xef;

/** Follows one response body and knows its token counts at the end. Never throws, whatever the bytes are. */
export interface UsageReader {
  /** A chunk of the body, not empty; not kept. */
  push(chunk: Buffer): void;
  /** The body ended, or will not go on. Usage is complete afterwards. */
  finish(): void;
}

/**
 * Reads the usage of one JSON document at its end from a copy of at most 1 MiB. Of a longer document the beginning
 * and the end are kept, and `usage` is found in either.
 */
export class DocumentUsageReader implements UsageReader {
  readonly #parser: Parser;
  readonly #usage: Usage;
  #kept: Buffer = Buffer.alloc(0);
  #length = 0;
  /** Something between the two halves of `#kept` is missing. */
  #isCut = false;
  #isDocument = true;

  constructor(parser: Parser, usage: Usage) {
    this.#parser = parser;
    this.#usage = usage;
  }

  push(chunk: Buffer): void {
    if (!this.#isDocument) return;
    if (this.#length === 0 && !mayBeginObject(chunk)) {
      this.#isDocument = false;
      return;
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
    const document =
      this.#length <= WHOLE_BYTES ? decodeObject(kept) : usageDocument(kept, this.#isCut ? HALF_BYTES : 0);
    this.#length = 0;
    if (document !== undefined) this.#parser.readUsage(document, false, this.#usage);
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

function mayBeginObject(chunk: Buffer): boolean {
  for (const byte of chunk) {
    if (byte > SPACE) return byte === OPEN_BRACE || byte === FIRST_OF_BYTE_ORDER_MARK;
  }
  return true;
}

/** A document of the member `usage` alone. `headBytes`: where the end begins, or 0 when nothing is missing. */
function usageDocument(kept: Buffer, headBytes: number): JsonObject | undefined {
  const tail = kept.subarray(headBytes);
  const inTail = scanTail(tail, 'usage');
  if (inTail !== undefined) return wrap(tail.subarray(inTail.start, inTail.end));
  const head = headBytes === 0 ? kept : kept.subarray(0, headBytes);
  const inHead = scanMembers(head, 'usage')?.values.at(-1);
  return inHead === undefined ? undefined : wrap(head.subarray(inHead.start, inHead.end));
}

function wrap(value: Buffer): JsonObject | undefined {
  return decodeObject(Buffer.concat([Buffer.from('{"usage":'), value, Buffer.from('}')]));
}

/** The JSON object in `bytes`; undefined when it is something else. */
export function decodeObject(bytes: Buffer): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8').trim());
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as JsonObject) // a decoded JSON object has string keys and unknown values
      : undefined;
  } catch {
    return undefined;
  }
}
