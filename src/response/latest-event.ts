/** Longer events are decoded at once. */
const MAX_BYTES = 2048;
const FIRST_BYTES = 512;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const MINUS = 0x2d;
const POINT = 0x2e;
const LETTER_E = 0x65;
const LOWER_CASE = 0x20;
const NOTHING = Buffer.alloc(0);
/** Events that say what they are may mean the same members differently. */
const TYPE = Buffer.from('"type"');

/**
 * An event that reports usage and waits to be decoded, because the next one often reports the same counts anew: servers
 * can be asked to tell them with every token. An event repeats another when, from the word `usage` to the end, both are
 * the same but for the digits of whole numbers above 0; then every count of the other is replaced.
 */
export class LatestEvent {
  #event: Buffer = NOTHING;
  #length = 0;
  /** Where the word is. */
  #word = 0;

  /** Keeps a copy of `bytes[start, end)` in place of what is kept; `word` is where `usage` is. False when it cannot wait. */
  keep(bytes: Buffer, start: number, word: number, end: number): boolean {
    const length = end - start;
    if (length > MAX_BYTES) return false;
    const type = bytes.indexOf(TYPE, start);
    if (type >= 0 && type < end) return false;
    if (length > this.#event.length) this.#event = Buffer.allocUnsafe(Math.max(FIRST_BYTES, 2 * length));
    bytes.copy(this.#event, 0, start, end);
    this.#length = length;
    this.#word = word - start;
    return true;
  }

  /** What is kept, empty for nothing; valid until the next `keep`. Nothing is kept any more. */
  take(): Buffer {
    const event = this.#length === 0 ? NOTHING : this.#event.subarray(0, this.#length);
    this.#length = 0;
    return event;
  }

  /** Whether an event that ends at `end`, with `usage` at `word`, repeats what is kept; also when nothing is. */
  isRepeatedBy(bytes: Buffer, word: number, end: number): boolean {
    if (this.#length === 0) return true;
    const kept = this.#event;
    const length = this.#length;
    let i = this.#word;
    let j = word;
    while (i < length && j < end) {
      const byte = kept[i] ?? 0;
      if (byte < DIGIT_0 || byte > DIGIT_9) {
        if (byte !== bytes[j]) return false;
        i += 1;
        j += 1;
      } else {
        i = afterNumber(kept, i, length);
        j = afterNumber(bytes, j, end);
        if (i < 0 || j < 0) return false;
      }
    }
    return i === length && j === end;
  }
}

/** Position after the digits of the whole number above 0 that begins at `from`; -1 when there is none. */
function afterNumber(bytes: Buffer, from: number, end: number): number {
  const first = bytes[from] ?? 0;
  const before = bytes[from - 1];
  if (first <= DIGIT_0 || first > DIGIT_9 || before === MINUS || before === POINT) return -1;
  let i = from + 1;
  while (i < end && isDigit(bytes[i] ?? 0)) i += 1;
  const next = (bytes[i] ?? 0) | LOWER_CASE;
  return next === POINT || next === LETTER_E ? -1 : i;
}

function isDigit(byte: number): boolean {
  return byte >= DIGIT_0 && byte <= DIGIT_9;
}
