import { parseNumber } from './prometheus-number.ts';

/** A page that is not Prometheus text, or is cut off. */
export class PageError extends Error {
  override readonly name = 'PageError';
}

const TAB = 9;
const NEWLINE = 10;
const RETURN = 13;
const SPACE = 32;
const QUOTE = 34;
const HASH = 35;
const COMMA = 44;
const EQUALS = 61;
const BACKSLASH = 92;
const OPEN = 123;
const CLOSE = 125;

const SHIFT_BITS = 12;
const SHIFT_MASK = (1 << SHIFT_BITS) - 1;

/** Integers kept for one label: name from, name to, value from, value to, 1 when the value has escapes. */
const LABEL_INTS = 5;

/** A name as it is searched for; names of one byte are searched together with the byte that follows. */
interface Pattern {
  readonly bytes: Buffer;
  readonly index: number;
  readonly nameLength: number;
}

/**
 * Finds the samples of a few names in a page of Prometheus text (0.0.4, 1.0.0 with classic names, OpenMetrics)
 * without parsing the rest: a Wu-Manber search over all names at once looks at about every tenth byte, and only
 * a line that begins with a wanted name is read. A full parse costs ten times as much. Reuse one scanner;
 * between `open` and the last `next` it belongs to one page.
 *
 * What is wrong on other lines goes unnoticed, except that the first sample of a page must be well-formed, which
 * tells metrics from HTML and JSON.
 */
export class PageScanner {
  /** Value of the current sample; NaN and infinities as the page has them. */
  value = Number.NaN;
  /** Explicit timestamp of the current sample, in the page's own unit; NaN when there is none. */
  timestamp = Number.NaN;

  readonly #patterns: readonly Pattern[];
  /** Bytes of every pattern that take part in the search. */
  readonly #window: number;
  /** How far the window may move, by the hash of its last two bytes; 0 asks for a comparison. */
  readonly #shift = new Uint8Array(1 << SHIFT_BITS);
  #page: Buffer = Buffer.alloc(0);
  #at = 0;
  #labels = new Int32Array(64 * LABEL_INTS);
  #labelCount = 0;

  /** `names`: distinct sample names of classic characters (`[a-zA-Z_:][a-zA-Z0-9_:]*`); may be empty. */
  constructor(names: readonly string[]) {
    this.#patterns = names.flatMap((name, index) => {
      const followers = name.length === 1 ? ['{', ' ', '\t'] : [''];
      return followers.map((follower) => ({
        bytes: Buffer.from(name + follower, 'latin1'),
        index,
        nameLength: name.length,
      }));
    });
    this.#window = Math.min(200, ...this.#patterns.map((pattern) => pattern.bytes.length));
    this.#shift.fill(this.#window - 1);
    for (const { bytes } of this.#patterns) {
      for (let end = 1; end < this.#window; end += 1) {
        const hash = pairHash(bytes[end - 1] ?? 0, bytes[end] ?? 0);
        this.#shift[hash] = Math.min(this.#shift[hash] ?? 0, this.#window - 1 - end);
      }
    }
  }

  /** Starts on `page`, which must stay unchanged until the last `next`. Throws `PageError` when it is no metrics page. */
  open(page: Uint8Array): void {
    this.#page = Buffer.isBuffer(page) ? page : Buffer.from(page.buffer, page.byteOffset, page.byteLength);
    this.#at = 0;
    this.#checkFirstSample();
    this.#at = 0;
  }

  /**
   * Moves to the next sample with a wanted name, in page order. Returns the name's index in `names`, -1 at the end.
   * Throws `PageError` when a line with a wanted name is malformed.
   */
  next(): number {
    if (this.#patterns.length === 0) return -1;
    const page = this.#page;
    const shift = this.#shift;
    const last = this.#window - 1;
    const size = page.length;
    let end = this.#at + last;
    // casts: all three indexes lie inside their arrays; `?? 0` costs a tenth of the scan
    while (end < size) {
      const step = shift[(((page[end - 1] as number) << 4) ^ (page[end] as number)) & SHIFT_MASK] as number;
      if (step > 0) {
        end += step;
        continue;
      }
      const pattern = this.#match(end - last);
      if (pattern === undefined) {
        end += 1;
        continue;
      }
      this.#at = end - last + pattern.nameLength;
      this.#readSample(false);
      return pattern.index;
    }
    this.#at = size;
    return -1;
  }

  /** Decoded value of label `name` of the current sample; undefined when it has none. */
  label(name: Buffer): string | undefined {
    const i = this.#find(name);
    if (i < 0) return undefined;
    const text = this.#page.toString('utf8', this.#labels[i + 2], this.#labels[i + 3]);
    return this.#labels[i + 4] === 0 ? text : decodeEscapes(text);
  }

  /** Whether the current sample has label `name` with exactly the bytes `value` (UTF-8). */
  hasLabel(name: Buffer, value: Buffer): boolean {
    const i = this.#find(name);
    if (i < 0) return false;
    if (this.#labels[i + 4] !== 0) return this.label(name) === value.toString('utf8');
    return this.#equals(this.#labels[i + 2] ?? 0, this.#labels[i + 3] ?? 0, value);
  }

  /** Position of the label in `#labels`, -1 when absent. */
  #find(name: Buffer): number {
    const end = this.#labelCount * LABEL_INTS;
    for (let i = 0; i < end; i += LABEL_INTS) {
      if (this.#equals(this.#labels[i] ?? 0, this.#labels[i + 1] ?? 0, name)) return i;
    }
    return -1;
  }

  #equals(from: number, to: number, bytes: Buffer): boolean {
    if (to - from !== bytes.length) return false;
    for (let i = 0; i < bytes.length; i += 1) if (this.#page[from + i] !== bytes[i]) return false;
    return true;
  }

  /** The pattern that stands at `start`, is a whole name there and begins its line. */
  #match(start: number): Pattern | undefined {
    const page = this.#page;
    for (const pattern of this.#patterns) {
      const { bytes } = pattern;
      let i = 0;
      while (i < bytes.length && page[start + i] === bytes[i]) i += 1;
      if (i < bytes.length) continue;
      const after = page[start + pattern.nameLength];
      if (after !== OPEN && after !== SPACE && after !== TAB) continue;
      let before = start - 1;
      while (before >= 0 && (page[before] === SPACE || page[before] === TAB)) before -= 1;
      if (before < 0 || page[before] === NEWLINE) return pattern;
    }
    return undefined;
  }

  /** Leading comments and blank lines are skipped; the first other line must be a sample. */
  #checkFirstSample(): void {
    const page = this.#page;
    const size = page.length;
    for (;;) {
      while (this.#at < size && isSpaceOrLineEnd(page[this.#at])) this.#at += 1;
      if (this.#at >= size) return;
      if (page[this.#at] !== HASH) break;
      const end = page.indexOf(NEWLINE, this.#at);
      if (end < 0) return;
      this.#at = end + 1;
    }
    const start = this.#at;
    while (isNameByte(page[this.#at])) this.#at += 1;
    if (this.#at === start && page[start] !== OPEN) this.#fail('is no metrics line');
    this.#readSample(this.#at === start);
  }

  /** From behind the name to behind the line. `isQuotedName`: the name stands between the braces. */
  #readSample(isQuotedName: boolean): void {
    this.#labelCount = 0;
    this.#skipBlanks();
    if (this.#page[this.#at] === OPEN) this.#readLabels(isQuotedName);
    this.#skipBlanks();
    this.value = this.#readNumber('value');
    this.timestamp = Number.NaN;
    this.#skipBlanks();
    const byte = this.#page[this.#at];
    if (byte !== NEWLINE && byte !== RETURN && byte !== HASH && byte !== undefined) {
      this.timestamp = this.#readNumber('timestamp');
      this.#skipBlanks();
    }
    this.#readLineEnd();
  }

  #readLineEnd(): void {
    const page = this.#page;
    // an exemplar says nothing about the sample
    if (page[this.#at] === HASH) this.#at = Math.max(page.indexOf(NEWLINE, this.#at), this.#at);
    if (page[this.#at] === RETURN) this.#at += 1;
    if (page[this.#at] !== NEWLINE) {
      this.#fail(
        this.#at >= page.length ? 'has no line end: the page is cut off' : 'goes on after the value',
      );
    }
    this.#at += 1;
  }

  #readLabels(isQuotedName: boolean): void {
    const page = this.#page;
    this.#at += 1;
    let mayBeName = isQuotedName;
    for (;;) {
      this.#skipBlanks();
      if (page[this.#at] === CLOSE) {
        if (mayBeName) this.#fail('has no name');
        this.#at += 1;
        return;
      }
      const isName = this.#readLabel(mayBeName);
      if (mayBeName && !isName) this.#fail('has no name');
      mayBeName = false;
      this.#skipBlanks();
      if (page[this.#at] === COMMA) this.#at += 1;
      else if (page[this.#at] !== CLOSE) this.#fail('has a malformed label set');
    }
  }

  /** One `name="value"`; true when it is a quoted metric name instead, which stands alone. */
  #readLabel(mayBeName: boolean): boolean {
    const page = this.#page;
    if ((this.#labelCount + 1) * LABEL_INTS > this.#labels.length) this.#growLabels();
    const i = this.#labelCount * LABEL_INTS;
    if (page[this.#at] === QUOTE) {
      this.#readQuoted(i);
      this.#skipBlanks();
      if (mayBeName && page[this.#at] !== EQUALS) return true;
    } else {
      this.#labels[i] = this.#at;
      while (isNameByte(page[this.#at])) this.#at += 1;
      this.#labels[i + 1] = this.#at;
      if (this.#labels[i] === this.#at) this.#fail('has a malformed label set');
      this.#skipBlanks();
    }
    if (page[this.#at] !== EQUALS) this.#fail('has a label without value');
    this.#at += 1;
    this.#skipBlanks();
    if (page[this.#at] !== QUOTE) this.#fail('has a label value without quotes');
    this.#readQuoted(i + 2);
    this.#labelCount += 1;
    return false;
  }

  /** A quoted string; its ends go to `#labels[i]` and the next, whether it has escapes to `#labels[i + 2]`. */
  #readQuoted(i: number): void {
    const page = this.#page;
    const start = this.#at + 1;
    let hasEscape = 0;
    let at = start;
    for (let byte = page[at]; byte !== QUOTE; byte = page[at]) {
      if (byte === undefined || byte === NEWLINE) this.#fail('has a string without end');
      if (byte === BACKSLASH) {
        hasEscape = 1;
        at += 1;
        if (page[at] === NEWLINE) this.#fail('has a string without end');
      }
      at += 1;
    }
    this.#labels[i] = start;
    this.#labels[i + 1] = at;
    this.#labels[i + 2] = hasEscape;
    this.#at = at + 1;
  }

  #growLabels(): void {
    const grown = new Int32Array(this.#labels.length * 2);
    grown.set(this.#labels);
    this.#labels = grown;
  }

  #readNumber(what: string): number {
    const start = this.#at;
    while (isNumberByte(this.#page[this.#at])) this.#at += 1;
    if (this.#at === start) this.#fail(`has no ${what}`);
    const number = parseNumber(this.#page, start, this.#at);
    if (number === undefined) this.#fail(`has a ${what} that is no number`);
    return number;
  }

  #skipBlanks(): void {
    for (let byte = this.#page[this.#at]; byte === SPACE || byte === TAB; byte = this.#page[this.#at]) {
      this.#at += 1;
    }
  }

  #fail(what: string): never {
    let line = 1;
    for (
      let i = this.#page.indexOf(NEWLINE);
      i >= 0 && i < this.#at;
      i = this.#page.indexOf(NEWLINE, i + 1)
    ) {
      line += 1;
    }
    throw new PageError(`metrics page: line ${line} ${what}`);
  }
}

function pairHash(first: number, second: number): number {
  return ((first << 4) ^ second) & SHIFT_MASK;
}

function isSpaceOrLineEnd(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB || byte === NEWLINE || byte === RETURN;
}

/** Any visible byte but a comma or brace ends up in a number token, which is then checked as a whole. */
function isNumberByte(byte: number | undefined): boolean {
  return byte !== undefined && byte > SPACE && byte !== COMMA && byte !== OPEN && byte !== CLOSE;
}

/** `[a-zA-Z0-9_:]`; a digit at the start of a name is not worth a check. */
function isNameByte(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  return (
    (byte >= 97 && byte <= 122) || (byte >= 65 && byte <= 90) || (byte >= 48 && byte <= 58) || byte === 95
  );
}

/** `\\`, `\"` and `\n`; any other pair stays as it is. */
function decodeEscapes(text: string): string {
  return text.replace(/\\([\\"n])/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
}
