import { DocumentPosition, MEMBER } from './document-position.ts';

/** Bytes of a member name that are kept to compare it; the longest wanted one, fully escaped, is shorter. */
const KEY_BYTES = 64;
/** Lengths of the wanted names, `model`, `message` and `response`, without escapes. */
const KEY_LENGTHS: ReadonlySet<number> = new Set([5, 7, 8]);

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const DATA_FIELD = Buffer.from('data');
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** What the next byte belongs to. */
const MODE = {
  /** Events only: the field name at the start of a line. */
  field: 0,
  /** Events only: the rest of a line that is not data. */
  skipLine: 1,
  /** Between the tokens of a document. */
  between: 2,
  /** In a string of no interest. */
  text: 3,
  /** In a member name that may matter; kept in `#key`. */
  key: 4,
  /** In the value of a wanted member; held back in `#held`. */
  model: 5,
  /** Nothing more to find. */
  done: 6,
} as const;

/**
 * Puts the client's model name back into a response as it passes: where the top-level `model` of the document, or
 * `model` of its `response` or `message`, is the name the request was rewritten to, the value is replaced. Everything
 * else keeps its bytes, generated text included. A JSON response is one document; of server-sent events the data of
 * each is one, spread over several `data` lines or not. Only the value itself is ever held back, so no more than the
 * name is long. Bytes that are no JSON pass unchanged.
 */
export class ModelRestorer {
  readonly #isEvents: boolean;
  readonly #from: string;
  readonly #replacement: Buffer;
  readonly #at = new DocumentPosition();
  #mode: number;
  /** The byte before was an unpaired backslash, in a string. */
  #isEscaped = false;
  /** Bytes of `data` matched at the start of a line. */
  #matched = 0;
  readonly #key = Buffer.allocUnsafe(KEY_BYTES);
  /** May exceed `KEY_BYTES`: then the name matches nothing. */
  #keyLength = 0;
  #keyHasEscape = false;
  /** Quotes included. */
  readonly #held: Buffer;
  #heldLength = 0;

  /** `from`: the rewritten name, as the model server knows it; `to`: the client's. */
  constructor(from: string, to: string, options: { readonly isEvents: boolean }) {
    this.#from = from;
    this.#replacement = Buffer.from(JSON.stringify(to));
    // the name with every character escaped, and two quotes; a longer value is another name
    this.#held = Buffer.allocUnsafe(from.length * 6 + 2);
    this.#isEvents = options.isEvents;
    this.#mode = options.isEvents ? MODE.field : MODE.between;
  }

  /**
   * What to forward for `chunk`: the chunk itself when it has nothing to do with a model name. With `isLast`, all
   * that was held back is included.
   */
  push(chunk: Buffer, isLast: boolean): Buffer {
    if (this.#mode === MODE.done) return chunk;
    let parts: Buffer[] | undefined;
    /** Bytes of `chunk` before this are in `parts` or held. */
    let copied = 0;
    if (this.#holds()) {
      parts = [];
      copied = chunk.length;
    }
    let i = 0;
    while (i < chunk.length) {
      if (this.#holds()) {
        i = this.#hold(chunk, i);
        if (this.#holds()) break;
        parts?.push(this.#release());
        copied = i;
      } else {
        i = this.#read(chunk, i);
        if (!this.#holds()) continue;
        parts ??= [];
        parts.push(chunk.subarray(copied, i - 1));
        copied = chunk.length;
      }
    }
    if (parts === undefined) return chunk;
    if (!this.#holds()) parts.push(chunk.subarray(copied));
    else if (isLast) parts.push(this.#release());
    return Buffer.concat(parts);
  }

  #holds(): boolean {
    return this.#mode === MODE.model;
  }

  /** Reads on from `from`, outside of held values; returns where to go on, at the latest behind an opening quote. */
  #read(chunk: Buffer, from: number): number {
    switch (this.#mode) {
      case MODE.text:
        return this.#skipText(chunk, from);
      case MODE.key:
        return this.#readKey(chunk, from);
      case MODE.between:
        if (this.#at.depth > this.#at.floor) return this.#skipNested(chunk, from);
        this.#stepBetween(chunk[from] ?? 0);
        return from + 1;
      case MODE.field:
        this.#stepField(chunk[from] ?? 0);
        return from + 1;
      case MODE.skipLine: {
        const feed = chunk.indexOf(LINE_FEED, from);
        if (feed < 0) return chunk.length;
        this.#startLine();
        return feed + 1;
      }
      default:
        return chunk.length;
    }
  }

  #stepField(byte: number): void {
    if (this.#matched === DATA_FIELD.length) {
      this.#mode = byte === COLON ? MODE.between : MODE.skipLine;
      if (byte === LINE_FEED) this.#startLine();
      // a document that did not end goes on in this line; otherwise another one begins
      if (this.#at.depth <= 0) this.#at.reset();
    } else if (byte === DATA_FIELD[this.#matched]) {
      this.#matched += 1;
    } else if (this.#matched === 0 && byte === LINE_FEED) {
      this.#at.reset();
    } else if (this.#matched === 0 && (byte === CARRIAGE_RETURN || BYTE_ORDER_MARK.includes(byte))) {
      // before the line proper
    } else if (byte === LINE_FEED) {
      this.#startLine();
    } else {
      this.#mode = MODE.skipLine;
    }
  }

  #startLine(): void {
    this.#mode = MODE.field;
    this.#matched = 0;
    this.#isEscaped = false;
  }

  #stepBetween(byte: number): void {
    switch (byte) {
      case QUOTE:
        this.#startString();
        break;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        this.#at.open(byte === OPEN_BRACE);
        if (this.#at.depth === 1 && byte !== OPEN_BRACE) this.#endDocument();
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        this.#at.close();
        if (this.#at.depth <= 0) this.#endDocument();
        break;
      case COMMA:
        this.#at.comma();
        break;
      case LINE_FEED:
        if (this.#isEvents) this.#startLine();
        break;
      default:
        // no object here: a response that is something else needs no further look
        if (this.#at.depth === 0 && byte > SPACE && !BYTE_ORDER_MARK.includes(byte)) this.#endDocument();
        break;
    }
  }

  /** There is one document in a JSON response; another may follow among events. */
  #endDocument(): void {
    if (!this.#isEvents) this.#mode = MODE.done;
  }

  #startString(): void {
    this.#isEscaped = false;
    this.#mode = MODE.text;
    if (!this.#at.matters) return;
    if (this.#at.expectsKey) {
      this.#mode = MODE.key;
      this.#keyLength = 0;
      this.#keyHasEscape = false;
    } else if (this.#at.member === MEMBER.model) {
      this.#mode = MODE.model;
      this.#held[0] = QUOTE;
      this.#heldLength = 1;
    }
  }

  #skipText(chunk: Buffer, from: number): number {
    let isEscaped = this.#isEscaped;
    for (let i = from; i < chunk.length; i += 1) {
      const byte = chunk[i];
      if (isEscaped) {
        isEscaped = false;
      } else if (byte === BACKSLASH) {
        isEscaped = true;
      } else if (byte === QUOTE) {
        this.#mode = MODE.between;
        return i + 1;
      } else if (byte === LINE_FEED && this.#isEvents) {
        this.#startLine();
        return i + 1;
      }
    }
    this.#isEscaped = isEscaped;
    return chunk.length;
  }

  /** Skips arrays and objects whose members do not matter. */
  #skipNested(chunk: Buffer, from: number): number {
    const { floor } = this.#at;
    for (let i = from; i < chunk.length; i += 1) {
      const byte = chunk[i] ?? 0;
      if (byte > QUOTE && byte < OPEN_BRACKET) continue; // numbers and commas, most of what lies here
      if (byte === QUOTE) {
        this.#isEscaped = false;
        this.#mode = MODE.text;
        return i + 1;
      }
      if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        this.#at.depth += 1;
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        this.#at.close();
        if (this.#at.depth <= floor) return i + 1;
      } else if (byte === LINE_FEED && this.#isEvents) {
        this.#startLine();
        return i + 1;
      }
    }
    return chunk.length;
  }

  #readKey(chunk: Buffer, from: number): number {
    for (let i = from; i < chunk.length; i += 1) {
      const byte = chunk[i] ?? 0;
      if (this.#isEscaped) {
        this.#isEscaped = false;
      } else if (byte === BACKSLASH) {
        this.#isEscaped = true;
        this.#keyHasEscape = true;
      } else if (byte === QUOTE) {
        this.#at.key(this.#keyName());
        this.#mode = MODE.between;
        return i + 1;
      } else if (byte === LINE_FEED && this.#isEvents) {
        this.#startLine();
        return i + 1;
      }
      if (this.#keyLength < KEY_BYTES) this.#key[this.#keyLength] = byte;
      this.#keyLength += 1;
    }
    return chunk.length;
  }

  /** The name just read; undefined when it cannot be a wanted one. */
  #keyName(): string | undefined {
    if (this.#keyLength > KEY_BYTES) return undefined;
    if (this.#keyHasEscape) return unescaped(`"${this.#key.toString('latin1', 0, this.#keyLength)}"`);
    return KEY_LENGTHS.has(this.#keyLength) ? this.#key.toString('latin1', 0, this.#keyLength) : undefined;
  }

  /** Takes bytes of a held value; the mode says whether it goes on. Returns the position after the last one taken. */
  #hold(chunk: Buffer, from: number): number {
    for (let i = from; i < chunk.length; i += 1) {
      const byte = chunk[i] ?? 0;
      this.#held[this.#heldLength] = byte;
      this.#heldLength += 1;
      if (this.#isEscaped) {
        this.#isEscaped = false;
      } else if (byte === BACKSLASH) {
        this.#isEscaped = true;
      } else if (byte === QUOTE) {
        this.#mode = MODE.between;
        return i + 1;
      } else if (byte === LINE_FEED && this.#isEvents) {
        this.#startLine();
        return i + 1;
      }
      if (this.#heldLength === this.#held.length) {
        this.#mode = MODE.text; // too long to be the name
        return i + 1;
      }
    }
    return chunk.length;
  }

  /** The held value, or the client's name in its place when it is whole and the rewritten one. */
  #release(): Buffer {
    const held = this.#held.subarray(0, this.#heldLength);
    this.#heldLength = 0;
    const isWhole = this.#mode === MODE.between;
    return isWhole && unescaped(held.toString('utf8')) === this.#from ? this.#replacement : Buffer.from(held);
  }
}

/** The string that a JSON literal says; undefined when it is none. */
function unescaped(literal: string): string | undefined {
  try {
    return String(JSON.parse(literal));
  } catch {
    return undefined;
  }
}
