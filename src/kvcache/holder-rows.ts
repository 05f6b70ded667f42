/** Words of a row at first: 128 lanes in half a cache line. */
const FIRST_ROW_WORDS = 8;

/**
 * Sets of lanes as rows of bits in one arena of fixed size: for each word of "held" bits one of "used" bits beside it.
 * Rows are as wide as the lanes in use need, so a small pool has room for more of them.
 *
 *     row: | held 0-31 | used 0-31 | held 32-63 | used 32-63 | …
 */
export class HolderRows {
  /** The arena; row `n` begins at `n * rowWords`. */
  readonly bits: Int32Array;
  readonly rowWords: number;
  readonly #rows: number;
  readonly #mostRowWords: number;
  /** Rows that were never used start here. */
  #fresh = 0;
  /** Returned rows: row + 1, each naming the next in its first word; 0 ends the list. */
  #returned = 0;

  /** `words`: memory, of four bytes each. `lanes`: most there can be. `needed`: how many of them a row must take. */
  constructor(words: number, lanes: number, needed: number) {
    this.#mostRowWords = 2 * Math.ceil(lanes / 32);
    let rowWords = FIRST_ROW_WORDS;
    while (16 * rowWords < needed) rowWords *= 2;
    this.rowWords = Math.min(rowWords, this.#mostRowWords);
    this.#rows = Math.floor(words / this.rowWords);
    this.bits = new Int32Array(words);
  }

  /** Lanes that a row takes. */
  get lanes(): number {
    return 16 * this.rowWords;
  }

  /** Empty rows for `needed` lanes, in as much memory. */
  widened(needed: number): HolderRows {
    return new HolderRows(this.bits.length, 16 * this.#mostRowWords, needed);
  }

  /** Copies a row of narrower rows into row `to`, which is all zero. */
  copy(to: number, from: HolderRows, row: number): void {
    const start = row * from.rowWords;
    this.bits.set(from.bits.subarray(start, start + from.rowWords), to * this.rowWords);
  }

  /** An all-zero row, or -1. */
  take(): number {
    if (this.#returned !== 0) {
      const row = this.#returned - 1;
      this.#returned = this.bits[row * this.rowWords] ?? 0;
      this.bits[row * this.rowWords] = 0;
      return row;
    }
    if (this.#fresh === this.#rows) return -1;
    this.#fresh += 1;
    return this.#fresh - 1;
  }

  /** Gives a row back, whatever is in it. */
  giveBack(row: number): void {
    const start = row * this.rowWords;
    this.bits.fill(0, start, start + this.rowWords);
    this.bits[start] = this.#returned;
    this.#returned = row + 1;
  }

  /** Word of the "held" bit of `lane`; its "used" bit is in the next. The bit is `1 << (lane & 31)`. */
  word(row: number, lane: number): number {
    return row * this.rowWords + 2 * (lane >>> 5);
  }

  set(row: number, lane: number, isUsed: boolean): void {
    const word = this.word(row, lane);
    const bit = 1 << (lane & 31);
    this.bits[word] = (this.bits[word] ?? 0) | bit;
    if (isUsed) this.bits[word + 1] = (this.bits[word + 1] ?? 0) | bit;
  }

  clear(row: number, lane: number): void {
    const word = this.word(row, lane);
    const bit = ~(1 << (lane & 31));
    this.bits[word] = (this.bits[word] ?? 0) & bit;
    this.bits[word + 1] = (this.bits[word + 1] ?? 0) & bit;
  }

  /** Whether more than `count` lanes are in the row. */
  exceeds(row: number, count: number): boolean {
    const start = row * this.rowWords;
    let found = 0;
    for (let w = start; w < start + this.rowWords; w += 2) {
      for (let bits = this.bits[w] ?? 0; bits !== 0; bits &= bits - 1) {
        found += 1;
        if (found > count) return true;
      }
    }
    return false;
  }
}
