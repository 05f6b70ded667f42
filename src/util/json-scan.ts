/**
 * Finds members of JSON objects in bytes without building values. Long strings are skipped by native search, so a
 * prompt of megabytes costs microseconds. Nothing here throws; on bytes that are no JSON the result is merely of
 * no use.
 */

const TAB = 0x09;
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

/** Bytes of a string that are walked before native search, which costs about as much to call, takes over. */
const NEAR_BYTES = 48;
/** Occurrences of a name that a search from the end looks at, so that no document makes it quadratic. */
const MAX_TAIL_CANDIDATES = 16;

/** Half-open range of bytes. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** What was found in one object. */
export interface ObjectScan {
  /** Position of the opening brace. */
  readonly open: number;
  /** Position after the closing brace; -1 when the bytes end, or stop being JSON, before it. */
  readonly end: number;
  readonly isEmpty: boolean;
  /** Values of every complete top-level member of the wanted name, in order; duplicates included. */
  readonly values: readonly ByteRange[];
}

/**
 * Values of the top-level member `name` (ASCII) of the object that begins at `from`, white space and a byte order
 * mark skipped. Undefined when no object begins there. Names written with escapes are recognised.
 */
export function scanMembers(bytes: Buffer, name: string, from = 0): ObjectScan | undefined {
  const open = skipSpace(bytes, skipByteOrderMark(bytes, from));
  if (bytes[open] !== OPEN_BRACE) return undefined;
  const values: ByteRange[] = [];
  let i = skipSpace(bytes, open + 1);
  if (bytes[i] === CLOSE_BRACE) return { open, end: i + 1, isEmpty: true, values };
  while (bytes[i] === QUOTE) {
    const keyEnd = stringEnd(bytes, i + 1);
    if (keyEnd < 0) break;
    const colon = skipSpace(bytes, keyEnd);
    if (bytes[colon] !== COLON) break;
    const start = skipSpace(bytes, colon + 1);
    const end = valueEnd(bytes, start);
    if (end < 0) break;
    if (isName(bytes, i, keyEnd, name)) values.push({ start, end });
    i = skipSpace(bytes, end);
    if (bytes[i] === CLOSE_BRACE) return { open, end: i + 1, isEmpty: false, values };
    if (bytes[i] !== COMMA) break;
    i = skipSpace(bytes, i + 1);
  }
  return { open, end: -1, isEmpty: false, values };
}

/**
 * Value of the last top-level member `name` (ASCII, written without escapes) of an object of which `bytes` is the
 * end: its beginning may be cut off anywhere. Undefined when there is none.
 */
export function scanTail(bytes: Buffer, name: string): ByteRange | undefined {
  const token = `"${name}"`;
  let from = bytes.length;
  for (let tries = 0; tries < MAX_TAIL_CANDIDATES && from >= 0; tries += 1) {
    const at = bytes.lastIndexOf(token, from, 'latin1');
    if (at < 0) return undefined;
    const colon = skipSpace(bytes, at + token.length);
    if (bytes[colon] === COLON && backslashesBefore(bytes, at, 0) % 2 === 0) {
      const start = skipSpace(bytes, colon + 1);
      const end = valueEnd(bytes, start);
      if (end >= 0 && endsObject(bytes, end)) return { start, end };
    }
    from = at - 1;
  }
  return undefined;
}

/** Position after the value that begins at `from`; -1 when it does not end before the bytes do. */
function valueEnd(bytes: Buffer, from: number): number {
  const first = bytes[from];
  if (first === QUOTE) return stringEnd(bytes, from + 1);
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return closeOf(bytes, from + 1, 1);
  let i = from;
  while (i < bytes.length && !endsScalar(bytes[i])) i += 1;
  return i === from || i === bytes.length ? -1 : i;
}

function endsScalar(byte: number | undefined): boolean {
  return byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET || isSpace(byte);
}

/** Position after the bracket that ends `depth` open ones; -1 when there is none. */
function closeOf(bytes: Buffer, from: number, depth: number): number {
  let open = depth;
  let i = from;
  while (i < bytes.length) {
    const byte = bytes[i];
    i += 1;
    if (byte === QUOTE) {
      i = stringEnd(bytes, i);
      if (i < 0) return -1;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      open += 1;
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      open -= 1;
      if (open === 0) return i;
    }
  }
  return -1;
}

/** Position after the closing quote of the string whose content begins at `from`; -1 when it does not end. */
function stringEnd(bytes: Buffer, from: number): number {
  const { length } = bytes;
  let i = from;
  while (i < length) {
    const near = Math.min(length, i + NEAR_BYTES);
    while (i < near) {
      const byte = bytes[i];
      i += 1;
      if (byte === QUOTE) return i;
      if (byte === BACKSLASH) i += 1;
    }
    if (i >= length) return -1;
    const quote = bytes.indexOf(QUOTE, i);
    if (quote < 0) return -1;
    if (backslashesBefore(bytes, quote, i) % 2 === 0) return quote + 1;
    i = quote + 1;
  }
  return -1;
}

/** Backslashes directly before `at`, none counted before `floor`. */
function backslashesBefore(bytes: Buffer, at: number, floor: number): number {
  let i = at;
  while (i > floor && bytes[i - 1] === BACKSLASH) i -= 1;
  return at - i;
}

/** Whether what follows a member's value at `from` closes the outermost object and is followed by nothing. */
function endsObject(bytes: Buffer, from: number): boolean {
  const end = closeOf(bytes, from, 1);
  return end >= 0 && bytes[end - 1] === CLOSE_BRACE && skipSpace(bytes, end) === bytes.length;
}

/** Whether the string at `[start, end)`, quotes included, says `name`. */
function isName(bytes: Buffer, start: number, end: number, name: string): boolean {
  const length = end - start - 2;
  if (length === name.length) {
    for (let i = 0; i < length; i += 1) {
      if (bytes[start + 1 + i] !== name.charCodeAt(i)) return false;
    }
    return true;
  }
  // an escape makes a name longer, at most six bytes a character
  if (length < name.length || length > name.length * 6) return false;
  const text = bytes.toString('latin1', start, end);
  return text.includes('\\') && decodeString(text) === name;
}

function decodeString(text: string): string | undefined {
  try {
    return String(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function skipByteOrderMark(bytes: Buffer, from: number): number {
  return bytes[from] === 0xef && bytes[from + 1] === 0xbb && bytes[from + 2] === 0xbf ? from + 3 : from;
}

function skipSpace(bytes: Buffer, from: number): number {
  let i = from;
  while (isSpace(bytes[i])) i += 1;
  return i;
}

function isSpace(byte: number | undefined): boolean {
  return byte === SPACE || byte === LINE_FEED || byte === CARRIAGE_RETURN || byte === TAB;
}
