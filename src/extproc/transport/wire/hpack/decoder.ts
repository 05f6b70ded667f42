import { DynamicTable, ENTRY_OVERHEAD_BYTES } from './dynamic-table.ts';
import { type HuffmanDecoder, huffmanDecoder } from './huffman.ts';
import { STATIC_ENTRIES, STATIC_NAMES, STATIC_VALUES } from './static-table.ts';

/** Size every dynamic table begins with, whatever SETTINGS_HEADER_TABLE_SIZE says (RFC 9113 §6.5.2). */
const INITIAL_TABLE_BYTES = 4096;
/** Highest SETTINGS_HEADER_TABLE_SIZE that may be announced: memory for its entries is taken per connection. */
const MAX_TABLE_BYTES = 1 << 20;
/** A block needs at most two size updates: the smallest size since the last, then the final (RFC 7541 §4.2). */
const MAX_SIZE_UPDATES = 2;
/** Longest literal on the wire, unless a longer list is allowed: what Envoy takes as all headers of a request. */
const MIN_LITERAL_LIMIT_BYTES = 64 * 1024;
/** Continuation bytes of an integer: 28 bits beyond the prefix, more than any length or index needs. */
const MAX_INTEGER_SHIFT = 21;
/** Up to this length characters one by one are cheaper than a native call (9 to 30 ns against 45 ns). */
const SHORT_STRING_BYTES = 8;

const INDEXED = 0x80;
const INDEXED_PREFIX = 0x7f;
const INCREMENTAL = 0x40;
const INCREMENTAL_PREFIX = 0x3f;
const SIZE_UPDATE = 0x20;
const SIZE_UPDATE_PREFIX = 0x1f;
const UNINDEXED_PREFIX = 0x0f;
const HUFFMAN = 0x80;
const LENGTH_PREFIX = 0x7f;
/** Top bit of an integer's byte that another follows. */
const CONTINUES = 0x80;

/** Native, and in every Buffer; works on any bytes, but the types of Node.js leave it out. */
const { latin1Slice } = Buffer.prototype as unknown as {
  latin1Slice(this: Uint8Array, start: number, end: number): string;
};

/** Thrown for a block that is not valid HPACK: a connection error COMPRESSION_ERROR (RFC 9113 §4.3). */
export class HpackError extends Error {
  override readonly name = 'HpackError';
}

/** Who takes the fields of a block. */
export interface HeaderSink {
  /** One field, in order; strings are latin1-decoded. Must not throw: the rest of the block would be lost. */
  header(name: string, value: string): void;
}

export interface HpackDecoderOptions {
  /** SETTINGS_HEADER_TABLE_SIZE announced to the peer, in 0..1,048,576 bytes. */
  readonly maxTableBytes: number;
  /** Bound on the sum of name, value and 32 over the fields of a block (RFC 9113 §6.5.2), in bytes. */
  readonly maxListBytes: number;
}

/**
 * Decodes the header blocks of one connection (RFC 7541), in the order in which they arrive.
 *
 * Work is linear in the bytes of a block; fields given to the sink are bounded by `maxListBytes`, which one-byte
 * indices to long entries would otherwise exceed a thousandfold. Memory is bounded by the dynamic table and by one
 * literal, and never allocated for a length that is claimed and not there. A field in a table is given as the very
 * strings that the table holds.
 */
export class HpackDecoder {
  readonly #table: DynamicTable;
  readonly #maxTableBytes: number;
  readonly #maxListBytes: number;
  readonly #maxLiteralBytes: number;
  readonly #huffman: HuffmanDecoder = huffmanDecoder();
  /** Position after what an inner method read. */
  #at = 0;
  /** What is left of the list limit; negative once a field did not fit, to the end of the block. */
  #leftBytes = 0;

  constructor(options: HpackDecoderOptions) {
    const { maxTableBytes, maxListBytes } = options;
    if (!(Number.isInteger(maxTableBytes) && maxTableBytes >= 0 && maxTableBytes <= MAX_TABLE_BYTES)) {
      throw new RangeError(`HPACK table size: got ${maxTableBytes}, wanted 0 to ${MAX_TABLE_BYTES}`);
    }
    this.#table = new DynamicTable(Math.max(maxTableBytes, INITIAL_TABLE_BYTES));
    this.#table.limit(INITIAL_TABLE_BYTES);
    this.#maxTableBytes = maxTableBytes;
    this.#maxListBytes = maxListBytes;
    this.#maxLiteralBytes = Math.max(maxListBytes, MIN_LITERAL_LIMIT_BYTES);
  }

  /**
   * Size of the dynamic table (RFC 7541 §4.1), at most the greater of `maxTableBytes` and 4,096: a peer may fill the
   * initial size until it has seen a smaller setting.
   */
  get tableBytes(): number {
    return this.#table.bytes;
  }

  /**
   * Decodes `bytes[start, end)`, a whole header block. Returns false when the list exceeded `maxListBytes`: the table
   * is up to date, but fields beyond the limit were not given to the sink. Throws HpackError; the connection is of
   * no use after that.
   */
  decode(bytes: Uint8Array, start: number, end: number, sink: HeaderSink): boolean {
    this.#leftBytes = this.#maxListBytes;
    let at = this.#sizeUpdates(bytes, start, end);
    while (at < end) {
      const first = bytes[at] ?? 0;
      if (first < INDEXED) {
        this.#literal(bytes, at, end, sink);
        at = this.#at;
        continue;
      }
      at += 1;
      let index = first & INDEXED_PREFIX;
      if (index === INDEXED_PREFIX) {
        index = this.#integer(bytes, at - 1, end, INDEXED_PREFIX);
        at = this.#at;
      }
      const entry = index - STATIC_ENTRIES;
      if (entry > 0) {
        const table = this.#table;
        if (entry > table.entries) throw new HpackError('index beyond the dynamic table');
        this.#give(sink, table.name(entry), table.value(entry));
      } else {
        if (index === 0) throw new HpackError('index 0');
        this.#give(sink, STATIC_NAMES[index] ?? '', STATIC_VALUES[index] ?? '');
      }
    }
    return this.#leftBytes >= 0;
  }

  #give(sink: HeaderSink, name: string, value: string): void {
    this.#leftBytes -= name.length + value.length + ENTRY_OVERHEAD_BYTES;
    if (this.#leftBytes >= 0) sink.header(name, value);
  }

  /** A literal field (RFC 7541 §6.2) at `start`; past the list limit only what the table needs. */
  #literal(bytes: Uint8Array, start: number, end: number, sink: HeaderSink): void {
    const first = bytes[start] ?? 0;
    const isIndexed = first >= INCREMENTAL;
    if (!isIndexed && first >= SIZE_UPDATE)
      throw new HpackError('size update after a field, or one too many');
    const index = this.#integer(bytes, start, end, isIndexed ? INCREMENTAL_PREFIX : UNINDEXED_PREFIX);
    if (!isIndexed && this.#leftBytes < 0) {
      if (index === 0) this.#skipString(bytes, end);
      else this.#nameAt(index);
      this.#skipString(bytes, end);
      return;
    }
    const name = index === 0 ? this.#string(bytes, end) : this.#nameAt(index);
    const value = this.#string(bytes, end);
    if (isIndexed) this.#table.insert(name, value);
    this.#give(sink, name, value);
  }

  #nameAt(index: number): string {
    if (index <= STATIC_ENTRIES) return STATIC_NAMES[index] ?? '';
    const entry = index - STATIC_ENTRIES;
    if (entry > this.#table.entries) throw new HpackError('index beyond the dynamic table');
    return this.#table.name(entry);
  }

  /** The string literal (RFC 7541 §5.2) at `#at`. */
  #string(bytes: Uint8Array, end: number): string {
    const isHuffman = (bytes[this.#at] ?? 0) >= HUFFMAN;
    const length = this.#length(bytes, end);
    const start = this.#at;
    this.#at = start + length;
    if (!isHuffman) return latin1(bytes, start, start + length);
    const decoded = this.#huffman.decode(bytes, start, start + length);
    if (decoded < 0) throw new HpackError('Huffman string with EOS or wrong padding');
    return latin1(this.#huffman.scratch, 0, decoded);
  }

  #skipString(bytes: Uint8Array, end: number): void {
    const length = this.#length(bytes, end);
    this.#at += length;
  }

  /** Length of the string literal at `#at`, all of which is there; `#at` is its first byte then. */
  #length(bytes: Uint8Array, end: number): number {
    if (this.#at >= end) throw new HpackError('truncated field');
    const length = this.#integer(bytes, this.#at, end, LENGTH_PREFIX);
    if (length > this.#maxLiteralBytes) throw new HpackError('literal too long');
    if (length > end - this.#at) throw new HpackError('truncated string');
    return length;
  }

  /** The integer (RFC 7541 §5.1) whose prefix `bytes[start] & mask` is; `#at` is the byte behind it then. */
  #integer(bytes: Uint8Array, start: number, end: number, mask: number): number {
    let value = (bytes[start] ?? 0) & mask;
    let at = start + 1;
    if (value === mask) {
      let shift = 0;
      let byte = CONTINUES;
      while (byte >= CONTINUES) {
        if (at >= end) throw new HpackError('truncated integer');
        if (shift > MAX_INTEGER_SHIFT) throw new HpackError('integer too long');
        byte = bytes[at] ?? 0;
        at += 1;
        value += (byte & ~CONTINUES) << shift;
        shift += 7;
      }
    }
    this.#at = at;
    return value;
  }

  /** Dynamic table size updates (RFC 7541 §6.3) at the beginning of a block; returns the position behind them. */
  #sizeUpdates(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    for (let i = 0; i < MAX_SIZE_UPDATES && at < end; i += 1) {
      const first = bytes[at] ?? 0;
      if (first < SIZE_UPDATE || first >= INCREMENTAL) break;
      const limitBytes = this.#integer(bytes, at, end, SIZE_UPDATE_PREFIX);
      if (limitBytes > this.#maxTableBytes) throw new HpackError('table size above the setting');
      this.#table.limit(limitBytes);
      at = this.#at;
    }
    return at;
  }
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > SHORT_STRING_BYTES) return latin1Slice.call(bytes, start, end);
  let text = '';
  let i = start;
  for (; i + 4 <= end; i += 4) {
    text += String.fromCharCode(bytes[i] ?? 0, bytes[i + 1] ?? 0, bytes[i + 2] ?? 0, bytes[i + 3] ?? 0);
  }
  for (; i < end; i += 1) text += String.fromCharCode(bytes[i] ?? 0);
  return text;
}
