import { STATIC_ENTRIES, STATIC_NAMES, STATIC_VALUES } from './static-table.ts';

const INDEXED = 0x80;
const INDEXED_PREFIX = 0x7f;
const UNINDEXED = 0x00;
const UNINDEXED_PREFIX = 0x0f;
const LENGTH_PREFIX = 0x7f;
const RAW = 0x00;
/** Size update to 0. */
const NO_TABLE = 0x20;

/** What a byte of latin1 cannot hold. */
const BEYOND_LATIN1 = /[\u0100-\uffff]/;

/**
 * `fields` as a header block (RFC 7541) in memory of its own: a field of the static table by its index, every other
 * as a literal that enters no table, its name by index where the static table has it, strings as they are. It begins
 * by setting the size of the dynamic table to 0: a peer that has lowered SETTINGS_HEADER_TABLE_SIZE requires a size
 * update in the next block (RFC 7541 §4.2), and this one suits every setting. So a block depends on nothing before
 * it, and may be prepared once and sent any number of times. Names are expected in lower case. Throws RangeError for
 * text outside latin1.
 */
export function encodeHeaders(fields: readonly (readonly [string, string])[]): Buffer {
  const parts: Buffer[] = [Buffer.of(NO_TABLE)];
  for (const [name, value] of fields) {
    const named = STATIC_NAMES.indexOf(name, 1);
    const full = named < 0 ? -1 : staticIndex(name, value, named);
    if (full > 0) {
      parts.push(integer(INDEXED, INDEXED_PREFIX, full));
      continue;
    }
    parts.push(integer(UNINDEXED, UNINDEXED_PREFIX, Math.max(named, 0)));
    if (named < 0) parts.push(...string(name));
    parts.push(...string(value));
  }
  return Buffer.concat(parts);
}

/** Index of the static entry `name: value`, -1 when there is none; `from`: the first of that name. */
function staticIndex(name: string, value: string, from: number): number {
  for (let i = from; i <= STATIC_ENTRIES && STATIC_NAMES[i] === name; i += 1) {
    if (STATIC_VALUES[i] === value) return i;
  }
  return -1;
}

function string(text: string): readonly [Buffer, Buffer] {
  if (BEYOND_LATIN1.test(text)) throw new RangeError('header text: got characters outside latin1');
  return [integer(RAW, LENGTH_PREFIX, text.length), Buffer.from(text, 'latin1')];
}

/** An integer (RFC 7541 §5.1) in the low bits `mask` of a byte whose high bits are `pattern`. */
function integer(pattern: number, mask: number, value: number): Buffer {
  if (value < mask) return Buffer.of(pattern | value);
  const bytes = [pattern | mask];
  let rest = value - mask;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}
