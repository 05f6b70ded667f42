/** Bytes of a member name that are kept to compare it; the longest wanted one, fully escaped, is shorter. */
const KEY_BYTES = 64;

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

/** What a member's value is, by its name. */
const MEMBER = { other: 0, model: 1, wrapper: 2 } as const;

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
  #mode: number;
  /** The byte before was an unpaired backslash, in a string. */
  #isEscaped = false;
  /** Open brackets of the document. */
  #depth = 0;
  /** The outermost value is an object; so is the wrapper inside it. */
  #isObject = false;
  #isWrapper = false;
  /** The next string at a depth that matters is a name. */
  #expectsKey = false;
  /** Meaning of the member under way. */
  #member: number = MEMBER.other;
  /** Bytes of `data` or of a byte order mark matched at the start of a line. */
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
    const parts: Buffer[] = [];
    /** Bytes of `chunk` before this are in `parts` or held. */
    let copied = 0;
    for (let i = 0; i < chunk.length; i += 1) {
      const byte = chunk[i] ?? 0;
      if (this.#mode === MODE.text) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (byte === BACKSLASH) this.#isEscaped = true;
        else if (byte === QUOTE) this.#mode = MODE.between;
        else if (byte === LINE_FEED && this.#isEvents) this.#startLine();
      } else if (this.#mode === MODE.model) {
        if (this.#hold(byte)) continue;
        parts.push(this.#release());
        copied = i + 1;
      } else {
        const before = this.#mode;
        this.#step(byte);
        if (this.#mode === MODE.model && before !== MODE.model) {
          parts.push(chunk.subarray(copied, i));
          copied = chunk.length;
        }
      }
    }
    if (this.#mode === MODE.model) {
      if (isLast) parts.push(this.#release());
    } else if (parts.length === 0) {
      return chunk;
    } else {
      parts.push(chunk.subarray(copied));
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
  }

  /** One byte outside of strings of no interest and of held values. */
  #step(byte: number): void {
    switch (this.#mode) {
      case MODE.field:
        this.#stepField(byte);
        break;
      case MODE.skipLine:
        if (byte === LINE_FEED) this.#startLine();
        break;
      case MODE.key:
        this.#stepKey(byte);
        break;
      case MODE.between:
        this.#stepBetween(byte);
        break;
      default:
        break;
    }
  }

  #stepField(byte: number): void {
    if (this.#matched === DATA_FIELD.length) {
      this.#mode = byte === COLON ? MODE.between : MODE.skipLine;
      if (byte === LINE_FEED) this.#startLine();
      // a document that did not end goes on in this line; otherwise another one begins
      if (this.#depth <= 0) this.#startDocument();
    } else if (byte === DATA_FIELD[this.#matched]) {
      this.#matched += 1;
    } else if (this.#matched === 0 && byte === LINE_FEED) {
      this.#startDocument();
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

  #startDocument(): void {
    this.#depth = 0;
    this.#isObject = false;
    this.#isWrapper = false;
    this.#expectsKey = false;
    this.#member = MEMBER.other;
  }

  #stepBetween(byte: number): void {
    switch (byte) {
      case QUOTE:
        this.#startString();
        break;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        this.#open(byte === OPEN_BRACE);
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        this.#close();
        break;
      case COMMA:
        this.#expectsKey = this.#isTracked();
        break;
      case LINE_FEED:
        if (this.#isEvents) this.#startLine();
        break;
      case COLON:
      case SPACE:
        break;
      default:
        // no object here: a response that is something else needs no further look
        if (this.#depth === 0 && !this.#isEvents && byte > SPACE && !BYTE_ORDER_MARK.includes(byte)) {
          this.#mode = MODE.done;
        }
        break;
    }
  }

  /** Whether members at this depth matter. */
  #isTracked(): boolean {
    return (this.#depth === 1 && this.#isObject) || (this.#depth === 2 && this.#isWrapper);
  }

  #open(isObject: boolean): void {
    this.#depth += 1;
    if (this.#depth === 1) this.#isObject = isObject;
    if (this.#depth === 2) this.#isWrapper = isObject && this.#isObject && this.#member === MEMBER.wrapper;
    if (this.#depth <= 2) this.#expectsKey = this.#isTracked();
  }

  #close(): void {
    this.#depth -= 1;
    if (this.#depth <= 1) this.#isWrapper = false;
    if (this.#depth <= 2) this.#expectsKey = false;
    this.#member = MEMBER.other;
    if (this.#depth <= 0 && !this.#isEvents) this.#mode = MODE.done;
  }

  #startString(): void {
    this.#isEscaped = false;
    if (!this.#isTracked()) {
      this.#mode = MODE.text;
    } else if (this.#expectsKey) {
      this.#mode = MODE.key;
      this.#keyLength = 0;
      this.#keyHasEscape = false;
    } else if (this.#member === MEMBER.model) {
      this.#mode = MODE.model;
      this.#held[0] = QUOTE;
      this.#heldLength = 1;
    } else {
      this.#mode = MODE.text;
    }
  }

  #stepKey(byte: number): void {
    if (this.#isEscaped) {
      this.#isEscaped = false;
    } else if (byte === BACKSLASH) {
      this.#isEscaped = true;
      this.#keyHasEscape = true;
    } else if (byte === QUOTE) {
      this.#expectsKey = false;
      this.#member = this.#memberOf();
      this.#mode = MODE.between;
      return;
    } else if (byte === LINE_FEED && this.#isEvents) {
      this.#startLine();
      return;
    }
    if (this.#keyLength < KEY_BYTES) this.#key[this.#keyLength] = byte;
    this.#keyLength += 1;
  }

  #memberOf(): number {
    if (this.#keyLength > KEY_BYTES || this.#keyLength < 'model'.length) return MEMBER.other;
    const written = this.#key.toString('latin1', 0, this.#keyLength);
    const name = this.#keyHasEscape ? unescaped(`"${written}"`) : written;
    if (name === 'model') return MEMBER.model;
    return this.#depth === 1 && (name === 'response' || name === 'message') ? MEMBER.wrapper : MEMBER.other;
  }

  /** Takes one byte of a held value; false when the value has ended or cannot be the name. */
  #hold(byte: number): boolean {
    this.#held[this.#heldLength] = byte;
    this.#heldLength += 1;
    if (this.#isEscaped) this.#isEscaped = false;
    else if (byte === BACKSLASH) this.#isEscaped = true;
    else if (byte === QUOTE) {
      this.#mode = MODE.between;
      return false;
    } else if (byte === LINE_FEED && this.#isEvents) {
      this.#startLine();
      return false;
    }
    if (this.#heldLength < this.#held.length) return true;
    this.#mode = MODE.text;
    return false;
  }

  /** The held value, or the client's name in its place. */
  #release(): Buffer {
    const held = this.#held.subarray(0, this.#heldLength);
    this.#heldLength = 0;
    const isComplete = this.#mode === MODE.between && !this.#isEscaped;
    if (isComplete && unescaped(held.toString('utf8')) === this.#from) return this.#replacement;
    return Buffer.from(held);
  }
}

function unescaped(literal: string): string | undefined {
  try {
    return String(JSON.parse(literal));
  } catch {
    return undefined;
  }
}
