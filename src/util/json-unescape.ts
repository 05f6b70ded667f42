const BACKSLASH = 0x5c;
const REPLACEMENT = 0xfffd;

/** Bytes of single-letter escapes by letter; 0 for none. */
const LETTERS = letterTable();

function letterTable(): Uint8Array {
  const table = new Uint8Array(128);
  const meanings = { b: 8, t: 9, n: 10, f: 12, r: 13, '"': 34, '\\': 92, '/': 47 };
  for (const [letter, byte] of Object.entries(meanings)) table[letter.charCodeAt(0)] = byte;
  return table;
}

/**
 * Writes to `target` at `at` what a JSON string means whose text, with escapes, is `source`, as UTF-8; returns where
 * it ends. At most `source.length` bytes are written. Bad escapes are taken literally, halves of surrogate pairs become
 * U+FFFD, as in a string that is encoded.
 */
export function unescapeJson(source: Buffer, target: Buffer, at: number): number {
  let from = source.indexOf(BACKSLASH);
  if (from < 0) return at + source.copy(target, at);
  let end = at + source.copy(target, at, 0, from);
  while (from < source.length) {
    const byte = source[from] ?? 0;
    if (byte !== BACKSLASH) {
      target[end] = byte;
      end += 1;
      from += 1;
      continue;
    }
    const letter = source[from + 1] ?? 0;
    const meant = letter < 128 ? (LETTERS[letter] ?? 0) : 0;
    if (meant !== 0) {
      target[end] = meant;
      end += 1;
      from += 2;
      continue;
    }
    const unit = letter === 0x75 ? hex4(source, from + 2) : -1;
    if (unit < 0) {
      target[end] = byte;
      end += 1;
      from += 1;
      continue;
    }
    from += 6;
    let codePoint = unit;
    if (unit >= 0xd800 && unit < 0xe000) {
      const low =
        unit < 0xdc00 && source[from] === BACKSLASH && source[from + 1] === 0x75
          ? hex4(source, from + 2)
          : -1;
      codePoint = REPLACEMENT;
      if (low >= 0xdc00 && low < 0xe000) {
        codePoint = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        from += 6;
      }
    }
    end = writeCodePoint(target, end, codePoint);
  }
  return end;
}

/** Value of four hexadecimal digits; -1 when there are none. */
function hex4(bytes: Buffer, at: number): number {
  let value = 0;
  for (let i = at; i < at + 4; i += 1) {
    const byte = (bytes[i] ?? 0) | 0x20;
    const digit = byte >= 0x61 && byte <= 0x66 ? byte - 0x57 : (bytes[i] ?? 0) - 0x30;
    if (digit < 0 || digit > 15 || (digit > 9 && byte < 0x61)) return -1;
    value = value * 16 + digit;
  }
  return value;
}

function writeCodePoint(target: Buffer, at: number, codePoint: number): number {
  if (codePoint < 0x80) {
    target[at] = codePoint;
    return at + 1;
  }
  if (codePoint < 0x800) {
    target[at] = 0xc0 | (codePoint >> 6);
    target[at + 1] = 0x80 | (codePoint & 63);
    return at + 2;
  }
  if (codePoint < 0x10000) {
    target[at] = 0xe0 | (codePoint >> 12);
    target[at + 1] = 0x80 | ((codePoint >> 6) & 63);
    target[at + 2] = 0x80 | (codePoint & 63);
    return at + 3;
  }
  target[at] = 0xf0 | (codePoint >> 18);
  target[at + 1] = 0x80 | ((codePoint >> 12) & 63);
  target[at + 2] = 0x80 | ((codePoint >> 6) & 63);
  target[at + 3] = 0x80 | (codePoint & 63);
  return at + 4;
}
