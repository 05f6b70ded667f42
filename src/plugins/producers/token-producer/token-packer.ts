import { Xxh64 } from '../../../kvcache/xxh64.ts';
import { BufferPool } from '../../../util/buffer-pool.ts';
import type { LongTexts } from '../../../util/json-outline.ts';
import { unescapeJson } from '../../../util/json-unescape.ts';
import type { MediaFeature, PromptTokens } from '../../attributes/tokenized-prompt.ts';

const INITIAL_BYTES = 65_536;
/** From here on a copy costs more than other memory. */
const HANDED_OVER_BYTES = 32 * 1024;
/** Strings up to here are copied by hand: a call into native code costs more. */
const SHORT_UNITS = 24;
/** Longer strings are measured first; shorter ones get the 3 bytes a UTF-16 unit may take. */
const MEASURED_UNITS = 65_536;
/** List of items, item, list of blocks, block: texts lie no deeper. */
const ITEM_DEPTH = 4;
/**
 * Placeholder tokens of all media of one prompt. A header or a forged image can claim any size; this many are 4 MiB and
 * beyond what a model's context takes.
 */
const MAX_MEDIA_TOKENS = 1_048_576;

/**
 * Collects a prompt's text as bytes, four to a pseudo-token (little-endian uint32, zeros at the end). Memory is reused
 * from prompt to prompt; what `finish` gives out is the receiver's until it is recycled.
 */
export class TokenPacker {
  readonly #xxh64 = new Xxh64();
  readonly #pool = new BufferPool();
  #bytes: Buffer = this.#pool.take(INITIAL_BYTES);
  #length = 0;
  #longTexts: LongTexts | undefined = undefined;
  #mediaTokens = 0;
  #features: MediaFeature[] = [];

  /** From here on texts that stand for one of `longTexts` mean that one; undefined for no such texts. */
  begin(longTexts: LongTexts | undefined): void {
    this.#longTexts = longTexts;
  }

  /** Appends the UTF-8 form of `text`, or of the long text that it stands for. */
  text(text: string): void {
    const units = text.length;
    const long = this.#longTexts?.find(text);
    if (long !== undefined) {
      this.#reserve(long.length);
      this.#length = unescapeJson(long, this.#bytes, this.#length);
      return;
    }
    if (units <= SHORT_UNITS) {
      this.#reserve(3 * units);
      if (this.#ascii(text)) return;
    } else this.#reserve(units > MEASURED_UNITS ? Buffer.byteLength(text) : 3 * units);
    this.#length += this.#bytes.write(text, this.#length, 'utf8');
  }

  /** Appends a decoded JSON value as JSON, members in the order in which they came. Nothing when it nests too deeply. */
  json(value: unknown): void {
    let text: string | undefined;
    try {
      text = JSON.stringify(value);
    } catch {
      return; // nested thousands of levels deep: no prompt, and no reason to fail the others' work
    }
    if (text !== undefined) this.text(text);
  }

  /**
   * Appends a decoded JSON value like `json`, but the strings of its upper levels as they are, without escapes: the
   * texts of a conversation's items are not copied twice.
   */
  items(value: unknown, depth = 0): void {
    if (typeof value === 'string') {
      this.text('"');
      this.text(value);
      this.text('"');
    } else if (typeof value !== 'object' || value === null || depth === ITEM_DEPTH) this.json(value);
    else if (Array.isArray(value)) {
      this.text('[');
      for (let i = 0; i < value.length; i += 1) {
        if (i > 0) this.text(',');
        this.items(value[i], depth + 1);
      }
      this.text(']');
    } else this.#object(value, depth);
  }

  /**
   * Appends a medium: zeros up to the next token, then `count` tokens with the low half of the hash of `content` (a URL
   * or encoded data).
   */
  media(modality: MediaFeature['modality'], content: string, count: number): void {
    const length = Math.min(count, MAX_MEDIA_TOKENS - this.#mediaTokens);
    this.#align();
    this.#xxh64.digestText(content);
    const { low, high } = this.#xxh64;
    this.#reserve(4 * length);
    new Uint32Array(this.#bytes.buffer, this.#length, length).fill(low);
    const hash = high === 0 ? low.toString(16) : high.toString(16) + low.toString(16).padStart(8, '0');
    this.#features.push({ modality, hash, offset: this.#length / 4, length });
    this.#length += 4 * length;
    this.#mediaTokens += length;
  }

  /** The prompt so far; starts the next. Undefined when it is empty. */
  finish(): PromptTokens | undefined {
    this.#align();
    const length = this.#length;
    const features = this.#features;
    this.#length = 0;
    this.#mediaTokens = 0;
    if (features.length > 0) this.#features = [];
    if (length === 0) return undefined;
    return { bytes: this.#handOut(length), count: length / 4, features };
  }

  /** Takes back the memory of a prompt that nobody reads any more. */
  recycle({ bytes }: PromptTokens): void {
    if (bytes.length >= HANDED_OVER_BYTES) this.#pool.give(Buffer.from(bytes.buffer));
  }

  /** Short prompts are copied; the memory of a long one is handed over, and other memory takes its place. */
  #handOut(length: number): Buffer {
    const written = this.#bytes.subarray(0, length);
    if (length < HANDED_OVER_BYTES) return Buffer.from(written);
    this.#bytes = this.#pool.take(INITIAL_BYTES);
    return written;
  }

  #object(value: object, depth: number): void {
    this.text('{');
    let isFirst = true;
    for (const [name, member] of Object.entries(value)) {
      if (!isFirst) this.text(',');
      isFirst = false;
      this.text('"');
      this.text(name);
      this.text('":');
      this.items(member, depth + 1);
    }
    this.text('}');
  }

  /** Appends a short text; false, with nothing appended, when it is not all ASCII. */
  #ascii(text: string): boolean {
    const bytes = this.#bytes;
    const start = this.#length;
    for (let i = 0; i < text.length; i += 1) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) return false;
      bytes[start + i] = unit;
    }
    this.#length = start + text.length;
    return true;
  }

  #align(): void {
    const aligned = (this.#length + 3) & ~3;
    this.#reserve(4);
    this.#bytes.fill(0, this.#length, aligned);
    this.#length = aligned;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = this.#pool.take(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#pool.give(this.#bytes);
    this.#bytes = larger;
  }
}
