/**
 * State of a running hash over tokens. Each block's hash is the state after its last token, so it covers the whole
 * prefix up to and including the block. Two 32-bit lanes give a 53-bit number that is exact as a map key.
 */
export class PrefixHash {
  #a: number;
  #b: number;

  /** `space` separates what may not share blocks: adapter name and cache salt. */
  constructor(space: string) {
    this.#a = 0x811c9dc5 | 0;
    this.#b = 0x2545f491 | 0;
    for (let i = 0; i < space.length; i += 1) this.add(space.charCodeAt(i));
  }

  add(token: number): void {
    let a = Math.imul(this.#a ^ token, 0x85ebca6b);
    a ^= a >>> 13;
    let b = Math.imul(this.#b + token, 0xc2b2ae35) ^ a;
    b ^= b >>> 16;
    this.#a = Math.imul(a, 0x9e3779b1);
    this.#b = b;
  }

  /** 53 bits of the state. */
  get value(): number {
    return (this.#a >>> 0) * 2_097_152 + (this.#b >>> 11);
  }

  clone(): PrefixHash {
    const copy = new PrefixHash('');
    copy.#a = this.#a;
    copy.#b = this.#b;
    return copy;
  }
}

/** A prompt as the engine sees it. */
export interface Prompt {
  /** Number of tokens, at least 1. */
  readonly length: number;
  /** One hash per full block, first block first. */
  readonly hashes: Float64Array;
  /** The state after the last token. */
  readonly end: PrefixHash;
}

/** Hashes tokens block by block. */
export function promptOf(tokens: Uint32Array, blockSize: number, space: string): Prompt {
  const state = new PrefixHash(space);
  const hashes = new Float64Array(Math.floor(tokens.length / blockSize));
  let at = 0;
  for (let block = 0; block < hashes.length; block += 1) {
    for (const end = at + blockSize; at < end; at += 1) state.add(tokens[at] ?? 0);
    hashes[block] = state.value;
  }
  for (; at < tokens.length; at += 1) state.add(tokens[at] ?? 0);
  return { length: tokens.length, hashes, end: state };
}

/**
 * Text as tokens of 4 bytes, little-endian, the last one filled up with zeros; never empty. Each part starts a token of
 * its own, so an answer's tokens are the same when the next turn of a conversation sends the answer back.
 */
export function tokensOf(parts: readonly string[]): Uint32Array {
  let total = 0;
  for (const part of parts) total += (Buffer.byteLength(part) + 3) & ~3;
  const bytes = Buffer.alloc(Math.max(total, 4));
  let at = 0;
  for (const part of parts) at = (at + bytes.write(part, at) + 3) & ~3;
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
}

/** 64 words of 4 ASCII bytes, so that one word of an answer is exactly one token. */
const WORDS = (
  'sun sky sea ice oak ash elm fir fox owl bee ant cat dog hen ram ' +
  'red tan jet hot dry wet new old big shy sly raw far low icy odd ' +
  'ran sat saw met dug won fed led hid bit cut put set got let ate ' +
  'and but for nor yet the one two six ten his her its our out off'
)
  .split(' ')
  .map((word) => ` ${word}`);

const WORD_TOKENS = WORDS.map((word) => Buffer.from(word).readUInt32LE());

/** Deterministic answers: the same seed gives the same words. */
export class WordSource {
  #state: number;

  /** `seed`: any number. */
  constructor(seed: number) {
    this.#state = Math.imul(seed | 0, 0x9e3779b1) ^ Math.floor(seed / 4_294_967_296);
  }

  /** Index of the next word. */
  next(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) | 0;
    return this.#state >>> 26;
  }

  static text(index: number): string {
    return WORDS[index] ?? '';
  }

  static token(index: number): number {
    return WORD_TOKENS[index] ?? 0;
  }
}
