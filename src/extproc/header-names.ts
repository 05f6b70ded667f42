/** Names that are remembered, a power of two; well-known ones and those that gateways and clients add are some dozens. */
const SLOTS = 512;
/** Longer names are not remembered. */
const MAX_BYTES = 64;
const FIRST_UPPER = 0x41;
const LAST_UPPER = 0x5a;
const LAST_ASCII = 0x7f;

/**
 * Header names as strings by their bytes: a known name costs a comparison and no memory. Of names that share a place the
 * later one is remembered, so no client can make it grow.
 */
export class HeaderNames {
  readonly #slots: string[] = new Array<string>(SLOTS).fill('');

  /** The name in `bytes[start, end)`; undefined unless it is ASCII without upper case. */
  find(bytes: Buffer, start: number, end: number): string | undefined {
    const length = end - start;
    if (length === 0 || length > MAX_BYTES) return decode(bytes, start, end);
    const slot =
      ((bytes[start] ?? 0) * 3 +
        (bytes[end - 1] ?? 0) * 31 +
        (bytes[start + (length >> 1)] ?? 0) * 7 +
        length * 59) &
      (SLOTS - 1);
    const known = this.#slots[slot] ?? '';
    if (known.length === length) {
      let i = 0;
      while (i < length && bytes[start + i] === known.charCodeAt(i)) i += 1;
      if (i === length) return known;
    }
    const name = decode(bytes, start, end);
    if (name !== undefined) this.#slots[slot] = internalized(name);
    return name;
  }
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
