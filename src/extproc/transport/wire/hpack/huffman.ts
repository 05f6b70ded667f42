/** Length in bits of the code of each byte value, and of EOS, the 257th (RFC 7541 Appendix B). */
export const HUFFMAN_CODE_BITS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28,
  28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7,
  8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19,
  13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13,
  28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21,
  22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23,
  22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25,
  25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

const EOS = 256;
/** Longest padding: a string ends in fewer than eight bits of ones (RFC 7541 §5.2). */
const MAX_PADDING_BITS = 7;
/** Shortest code: decoded bytes are at most 8/5 of the encoded. */
const MIN_CODE_BITS = 5;
/** A step writes two bytes whether or not it decoded any. */
const SLACK_BYTES = 2;

const COUNT_SHIFT = 24;
const INVALID = -1;

/**
 * A decoder of Huffman strings. A state is an inner node of the code tree, that is, the bits read since the last
 * whole symbol: 256 of them, 0 the root. A step consumes a byte, in which at most two symbols end. Its entry:
 * bits 0..7 the next state, 8..15 and 16..23 the symbols, 24..25 their number; negative when EOS ends within it.
 * Steps of half a byte need 16 KiB, not 256, but take 112 ns for a UUID, not 64, and no less with cold caches.
 */
export class HuffmanDecoder {
  readonly #steps: Int32Array;
  /** Whether a string may end in a state: its bits are ones, and at most seven. */
  readonly #isEnd: Uint8Array;
  #scratch = new Uint8Array(1024);

  constructor() {
    const children = codeTree();
    const steps = new Int32Array(256 * 256);
    for (let at = 0; at < steps.length; at += 1) steps[at] = step(children, at >> 8, at & 0xff);
    this.#steps = steps;
    this.#isEnd = new Uint8Array(256);
    for (let bits = 0, state = 0; bits <= MAX_PADDING_BITS; bits += 1) {
      this.#isEnd[state] = 1;
      state = children[2 * state + 1] ?? 0;
    }
  }

  /** What was decoded, from 0 on; valid until the next call of `decode`. Its length is that of the memory. */
  get scratch(): Uint8Array {
    return this.#scratch;
  }

  /**
   * Decodes `bytes[start, end)` into `scratch` and returns the number of bytes there; -1 when it contains EOS or
   * does not end in at most seven ones. The scratch memory grows to 8/5 of the longest string ever given: the
   * caller bounds that.
   */
  decode(bytes: Uint8Array, start: number, end: number): number {
    const need = Math.ceil((8 * (end - start)) / MIN_CODE_BITS) + SLACK_BYTES;
    if (this.#scratch.length < need) this.#scratch = new Uint8Array(2 * need);
    const scratch = this.#scratch;
    const steps = this.#steps;
    let state = 0;
    let length = 0;
    for (let i = start; i < end; i += 1) {
      const entry = steps[(state << 8) | (bytes[i] ?? 0)] ?? INVALID;
      if (entry < 0) return -1;
      scratch[length] = entry >> 8;
      scratch[length + 1] = entry >> 16;
      length += entry >> COUNT_SHIFT;
      state = entry & 0xff;
    }
    return this.#isEnd[state] === 1 ? length : -1;
  }
}

let shared: HuffmanDecoder | undefined;

/** The decoder of this process, built on first use (about 5 ms, 256 KiB). */
export function huffmanDecoder(): HuffmanDecoder {
  shared ??= new HuffmanDecoder();
  return shared;
}

/**
 * Children of each inner node, the 0-branch of node `n` at `2 n`: the number of an inner node, or the complement of
 * a symbol. The code is canonical: codes of one length follow each other in the order of symbols, and the first of
 * a length follows the last of the length before.
 */
function codeTree(): Int32Array {
  const children = new Int32Array(2 * 256);
  let nodes = 1;
  let code = 0;
  const longest = Math.max(...HUFFMAN_CODE_BITS);
  for (let bits = MIN_CODE_BITS; bits <= longest; bits += 1) {
    for (let symbol = 0; symbol <= EOS; symbol += 1) {
      if (HUFFMAN_CODE_BITS[symbol] !== bits) continue;
      let node = 0;
      for (let shift = bits - 1; shift > 0; shift -= 1) {
        const at = 2 * node + ((code >> shift) & 1);
        if (children[at] === 0) {
          children[at] = nodes;
          nodes += 1;
        }
        node = children[at] ?? 0;
      }
      children[2 * node + (code & 1)] = ~symbol;
      code += 1;
    }
    code *= 2;
  }
  return children;
}

/** The entry for `byte` read in `state`. */
function step(children: Int32Array, state: number, byte: number): number {
  let node = state;
  let symbols = 0;
  let count = 0;
  for (let shift = 7; shift >= 0; shift -= 1) {
    const child = children[2 * node + ((byte >> shift) & 1)] ?? 0;
    node = child;
    if (child >= 0) continue;
    if (~child === EOS) return INVALID;
    symbols |= ~child << (8 * count);
    count += 1;
    node = 0;
  }
  return (count << COUNT_SHIFT) | (symbols << 8) | node;
}
