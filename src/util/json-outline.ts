import { randomBytes } from 'node:crypto';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

/** Texts below this are not worth leaving out. */
const LONG_BYTES = 2048;
/** Bytes looked at one by one before a native search, whose call costs as much as these. */
const NEAR_BYTES = 24;
/** What an outlined text begins with, so that readers can tell what it is. */
const SHOWN_BYTES = 128;
const INDEX_DIGITS = 4;
const MAX_TEXTS = 10 ** INDEX_DIGITS;
/** Members that hold prompts; any other string is kept, however long. */
const PROMPT_MEMBERS: ReadonlySet<string> = new Set(['content', 'prompt', 'text', 'input']);

/** Unguessable, so that no client can write what stands for a left-out text. */
const NONCE = randomBytes(8).toString('hex');
const MARK_LENGTH = 1 + NONCE.length + INDEX_DIGITS;

/** Prompt texts that `outlineJson` left out, by what stands for them. They are views of the original bytes. */
export class LongTexts {
  readonly #bytes: Buffer;
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get count(): number {
    return this.#starts.length;
  }

  /** The text that `value` stands for, as JSON has it between the quotes: with escapes. Undefined for any other. */
  find(value: string): Buffer | undefined {
    const at = value.length - MARK_LENGTH;
    if (at < 0 || value.charCodeAt(at) !== 0 || !value.startsWith(NONCE, at + 1)) return undefined;
    const index = Number(value.slice(at + 1 + NONCE.length));
    return this.#bytes.subarray(this.#starts[index], this.#ends[index]);
  }

  /** Remembers the text in [start, end); returns what stands for it, as JSON. */
  add(start: number, end: number): string {
    const index = this.#starts.push(start) - 1;
    this.#ends.push(end);
    const mark = `\\u0000${NONCE}${String(index).padStart(INDEX_DIGITS, '0')}`;
    return shown(this.#bytes, start) + mark;
  }
}

/** A JSON text without its long prompt texts. */
export interface JsonOutline {
  readonly text: string;
  readonly longTexts: LongTexts;
}

/**
 * `bytes` as a JSON text in which each long value of a member that holds prompts is replaced by a short string that
 * begins like it; undefined when there is none. Decoding that costs a fraction: the texts are never made strings.
 * What is left out is not checked for control characters and bad escapes; the rest is valid exactly if `bytes` is.
 */
export function outlineJson(bytes: Buffer): JsonOutline | undefined {
  if (bytes.length < LONG_BYTES) return undefined;
  const longTexts = new LongTexts(bytes);
  let text = '';
  let copied = 0;
  let nameStart = 0;
  let nameEnd = 0;
  for (let open = nextQuote(bytes, 0); open >= 0; ) {
    const close = closingQuote(bytes, open + 1);
    if (close < 0) return undefined;
    if (
      close - open > LONG_BYTES &&
      longTexts.count < MAX_TEXTS &&
      isValueOf(bytes, nameEnd, open) &&
      PROMPT_MEMBERS.has(bytes.toString('latin1', nameStart, Math.min(nameEnd, nameStart + SHOWN_BYTES)))
    ) {
      text += bytes.toString('utf8', copied, open + 1) + longTexts.add(open + 1, close);
      copied = close;
    }
    nameStart = open + 1;
    nameEnd = close;
    open = nextQuote(bytes, close + 1);
  }
  if (longTexts.count === 0) return undefined;
  return { text: text + bytes.toString('utf8', copied), longTexts };
}

/** The next quote from `from` on; -1 for none. */
function nextQuote(bytes: Buffer, from: number): number {
  const near = Math.min(bytes.length, from + NEAR_BYTES);
  for (let i = from; i < near; i += 1) if (bytes[i] === QUOTE) return i;
  return near === bytes.length ? -1 : bytes.indexOf(QUOTE, near);
}

/** The quote that ends the string whose text starts at `from`; -1 when it has no end. */
function closingQuote(bytes: Buffer, from: number): number {
  let at = nextQuote(bytes, from);
  while (at >= 0) {
    let backslashes = at;
    while (backslashes > from && bytes[backslashes - 1] === BACKSLASH) backslashes -= 1;
    if (((at - backslashes) & 1) === 0) return at;
    at = nextQuote(bytes, at + 1);
  }
  return -1;
}

/** Whether between a name's closing quote and a value's opening one stands a colon and else only white space. */
function isValueOf(bytes: Buffer, nameEnd: number, open: number): boolean {
  let hasColon = false;
  for (let i = nameEnd + 1; i < open; i += 1) {
    const byte = bytes[i];
    if (byte === COLON && !hasColon) hasColon = true;
    else if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return false;
  }
  return hasColon;
}

/** The beginning of a text up to its first escape or character that is not plain ASCII. */
function shown(bytes: Buffer, start: number): string {
  let end = start;
  while (end < start + SHOWN_BYTES) {
    const byte = bytes[end] ?? 0;
    if (byte < 0x20 || byte > 0x7e || byte === BACKSLASH || byte === QUOTE) break;
    end += 1;
  }
  return bytes.toString('latin1', start, end);
}
