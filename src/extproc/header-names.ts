/** Names that are remembered, a power of two; well-known ones and those that gateways and clients add are some dozens. */
const SLOTS = 512;
const HASH_SHIFT = 32 - Math.log2(SLOTS);
/** Longer names are not remembered. */
const MAX_BYTES = 64;
const FIRST_UPPER = 0x41;
const LAST_UPPER = 0x5a;
const LAST_ASCII = 0x7f;

/**
 * Header names as strings by their bytes: a known name costs a comparison and no memory. A name has two places; the
 * names that were found there last are remembered, so no client can make it grow.
 */
export class HeaderNames {
  readonly #slots: string[] = new Array<string>(SLOTS).fill('');

  /** The name in `bytes[start, end)`; undefined unless it is ASCII without upper case. */
  find(bytes: Buffer, start: number, end: number): string | undefined {
    const length = end - start;
    if (length === 0 || length > MAX_BYTES) return decode(bytes, start, end);
    const slot = place(bytes, start, length);
    const first = this.#slots[slot] ?? '';
    if (isSame(bytes, start, length, first)) return first;
    const second = this.#slots[slot ^ 1] ?? '';
    if (isSame(bytes, start, length, second)) return second;
    const name = decode(bytes, start, end);
    if (name === undefined) return undefined;
    this.#slots[slot ^ 1] = first;
    this.#slots[slot] = internalized(name);
    return name;
  }
}

/** A place that few names of the same length share. */
function place(bytes: Buffer, start: number, length: number): number {
  let hash = length;
  hash = hash * 31 + (bytes[start] ?? 0);
  hash = hash * 31 + (bytes[start + (length >> 2)] ?? 0);
  hash = hash * 31 + (bytes[start + (length >> 1)] ?? 0);
  hash = hash * 31 + (bytes[start + length - 1] ?? 0);
  return Math.imul(hash, 0x9e3779b1) >>> HASH_SHIFT;
}

function isSame(bytes: Buffer, start: number, length: number, text: string): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i += 1) if (bytes[start + i] !== text.charCodeAt(i)) return false;
  return true;
}

function decode(bytes: Buffer, start: number, end: number): string | undefined {
  for (let i = start; i < end; i += 1) {
    const byte = bytes[i] ?? 0;
    if (byte > LAST_ASCII || (byte >= FIRST_UPPER && byte <= LAST_UPPER)) return undefined;
  }
  return bytes.toString('latin1', start, end);
}

/** The same text as the runtime keeps it for property names and literals, which compare by address. */
function internalized(text: string): string {
  return Object.keys({ [text]: true })[0] ?? text;
}
