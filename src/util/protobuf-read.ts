/** Bytes that are no protobuf message. */
export class ProtobufError extends Error {
  override readonly name = 'ProtobufError';
}

/** Wire types of fields. */
export const WIRE_TYPE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** A varint of 64 bits takes no more. */
const MAX_VARINT_BYTES = 10;

/**
 * Walks the fields of one protobuf message in place; nothing is copied or decoded that nobody asks for. After `next`
 * returned true the fields below describe the field that was read.
 */
export class FieldReader {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #end: number;
  /** Its number, 1 or more. */
  field = 0;
  /** One of `WIRE_TYPE`. */
  wireType = 0;
  /** Of a varint its low 32 bits, unsigned; what `uint32`, `bool` and enum fields hold. Else 0. */
  value = 0;
  /** Where its content is: of a length-delimited field without the length. */
  start = 0;
  end = 0;

  /** Reads the message in `[start, end)` of `bytes`. */
  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** Goes to the next field; false after the last. Throws `ProtobufError` on what is no field. */
  next(): boolean {
    if (this.#at >= this.#end) return false;
    const tag = this.#varint();
    this.field = tag >>> 3;
    this.wireType = tag & 7;
    this.value = 0;
    if (this.field === 0) throw new ProtobufError('field number 0');
    switch (this.wireType) {
      case WIRE_TYPE.varint:
        this.start = this.#at;
        this.value = this.#varint();
        this.end = this.#at;
        return true;
      case WIRE_TYPE.fixed64:
        this.#take(8);
        return true;
      case WIRE_TYPE.bytes:
        this.#take(this.#varint());
        return true;
      case WIRE_TYPE.fixed32:
        this.#take(4);
        return true;
      default:
        throw new ProtobufError(`wire type ${this.wireType} of field ${this.field}`);
    }
  }

  /** Whether the field that was read is number `field` with length-delimited content. */
  isBytes(field: number): boolean {
    return this.field === field && this.wireType === WIRE_TYPE.bytes;
  }

  /** Whether the field that was read is number `field` with a varint. */
  isVarint(field: number): boolean {
    return this.field === field && this.wireType === WIRE_TYPE.varint;
  }

  #take(length: number): void {
    this.start = this.#at;
    this.end = this.#at + length;
    if (this.end > this.#end) throw new ProtobufError(`field ${this.field} is cut off`);
    this.#at = this.end;
  }

  #varint(): number {
    this.#at = readVarint(this.#bytes, this.#at, this.#end);
    return lastVarint;
  }
}

/** What `readVarint` read: a second return value without an object. */
let lastVarint = 0;

/** Reads a varint's low 32 bits into `lastVarint`; returns the position behind it. */
function readVarint(bytes: Uint8Array, from: number, end: number): number {
  let value = 0;
  for (let i = 0; i < MAX_VARINT_BYTES; i += 1) {
    const at = from + i;
    if (at >= end) break;
    const byte = bytes[at] ?? 0;
    if (i < 5) value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      lastVarint = value >>> 0;
      return at + 1;
    }
  }
  throw new ProtobufError('varint without end');
}

/**
 * Collects a `repeated uint32` field, whose values come packed, one by one, or both. Room grows with the bytes that
 * hold values, never with what they claim.
 */
export class Uint32List {
  #values = new Uint32Array(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Takes the values of the field that `reader` is at; those of another wire type are left out. */
  add(reader: FieldReader, bytes: Uint8Array): void {
    if (reader.wireType === WIRE_TYPE.varint) {
      this.#reserve(1);
      this.#values[this.#length] = reader.value;
      this.#length += 1;
    } else if (reader.wireType === WIRE_TYPE.bytes) this.#addPacked(bytes, reader.start, reader.end);
  }

  /** The values so far; a copy only where room is left over. */
  toArray(): Uint32Array {
    return this.#values.length === this.#length ? this.#values : this.#values.slice(0, this.#length);
  }

  #addPacked(bytes: Uint8Array, start: number, end: number): void {
    let count = 0;
    for (let i = start; i < end; i += 1) if ((bytes[i] ?? 0) < 0x80) count += 1;
    this.#reserve(count);
    const values = this.#values;
    let length = this.#length;
    for (let at = start; at < end; length += 1) {
      at = readVarint(bytes, at, end);
      values[length] = lastVarint;
    }
    this.#length = length;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#values.length) return;
    const grown = new Uint32Array(this.#length === 0 ? needed : Math.max(needed, 2 * this.#length));
    grown.set(this.#values.subarray(0, this.#length));
    this.#values = grown;
  }
}
