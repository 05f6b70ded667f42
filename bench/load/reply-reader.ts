/** What one message of the picker is about. */
export type ReplyKind =
  | 'request-headers'
  | 'response-headers'
  | 'request-body'
  | 'response-body'
  | 'immediate'
  | 'other';

/** Field numbers of `ProcessingResponse.response`. */
const KINDS: readonly ReplyKind[] = [
  'other',
  'request-headers',
  'response-headers',
  'request-body',
  'response-body',
  'other',
  'other',
  'immediate',
];

const LENGTH_DELIMITED = 2;

/**
 * Reads of a picker's messages only what a load client needs, in place: which answer it is, how many body bytes come
 * back and whether they are the last. One object is used for all messages.
 */
export class ReplyReader {
  kind: ReplyKind = 'other';
  /** Bytes of `streamed_response.body`. */
  bodyBytes = 0;
  /** `streamed_response.end_of_stream`. */
  isLast = false;
  #bytes: Uint8Array = new Uint8Array();
  #at = 0;
  #fieldStart = 0;
  #fieldEnd = 0;
  /** Of a varint field. */
  #value = 0;

  read(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.kind = 'other';
    this.bodyBytes = 0;
    this.isLast = false;
    this.#at = start;
    while (this.#at < end && this.kind === 'other') this.kind = KINDS[this.#next()] ?? 'other';
    if (this.kind !== 'request-body' && this.kind !== 'response-body') return;
    // BodyResponse.response, CommonResponse.body_mutation, BodyMutation.streamed_response
    if (!this.#enter(1) || !this.#enter(3) || !this.#enter(3)) return;
    const last = this.#fieldEnd;
    this.#at = this.#fieldStart;
    while (this.#at < last) {
      const field = this.#next();
      if (field === 1) this.bodyBytes = this.#fieldEnd - this.#fieldStart;
      else if (field === 2) this.isLast = this.#value !== 0;
    }
  }

  /** Goes into field `wanted` of the message that is the current field; false when it has none. */
  #enter(wanted: number): boolean {
    const end = this.#fieldEnd;
    this.#at = this.#fieldStart;
    while (this.#at < end) if (this.#next() === wanted) return true;
    return false;
  }

  /** Reads one field and stands behind it; its value lies between `#fieldStart` and `#fieldEnd`. */
  #next(): number {
    const tag = this.#varint();
    this.#fieldStart = this.#at;
    this.#value = this.#varint();
    if ((tag & 7) === LENGTH_DELIMITED) {
      this.#fieldStart = this.#at;
      this.#at += this.#value;
    }
    this.#fieldEnd = this.#at;
    return tag >>> 3;
  }

  #varint(): number {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = this.#bytes[this.#at] ?? 0;
      this.#at += 1;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
  }
}
