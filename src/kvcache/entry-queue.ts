/** Entries of one page. 4 KiB a page: small enough that a nearly idle lane wastes little. */
const PAGE_ENTRIES = 512;
const NONE = -1;

/**
 * One queue of block hashes per lane, oldest first, in pages of one arena of fixed size. A lane's queue has every
 * block the lane holds, and may have entries whose block the lane gave up since.
 */
export class EntryQueues {
  /** Halves of hashes, low before high; see `oldest`. */
  readonly entries: Uint32Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #headPage: Int32Array;
  readonly #headAt: Int32Array;
  readonly #tailPage: Int32Array;
  readonly #tailAt: Int32Array;
  /** Entries per lane. */
  readonly length: Int32Array;
  /** Pages that were never used start here. */
  #freshPage = 0;
  #returnedPage = NONE;

  /** `entries`: over all lanes, rounded up to whole pages. */
  constructor(entries: number, lanes: number) {
    const pages = Math.ceil(entries / PAGE_ENTRIES);
    this.entries = new Uint32Array(pages * PAGE_ENTRIES * 2);
    this.#next = new Int32Array(pages).fill(NONE);
    this.#previous = new Int32Array(pages).fill(NONE);
    this.#headPage = new Int32Array(lanes).fill(NONE);
    this.#headAt = new Int32Array(lanes);
    this.#tailPage = new Int32Array(lanes).fill(NONE);
    this.#tailAt = new Int32Array(lanes);
    this.length = new Int32Array(lanes);
  }

  /** Bytes of the arena, used or not. */
  get sizeBytes(): number {
    return this.entries.byteLength + this.#next.byteLength + this.#previous.byteLength;
  }

  /** Whether `push` for `lane` finds a place. */
  hasRoom(lane: number): boolean {
    if ((this.#tailPage[lane] ?? NONE) !== NONE && (this.#tailAt[lane] ?? 0) < PAGE_ENTRIES) return true;
    return this.#returnedPage !== NONE || this.#freshPage < this.#next.length;
  }

  /** Appends the newest entry; only when `hasRoom`. */
  push(lane: number, low: number, high: number): void {
    let page = this.#tailPage[lane] ?? NONE;
    let at = this.#tailAt[lane] ?? 0;
    if (page === NONE || at === PAGE_ENTRIES) {
      page = this.#appendPage(lane, page);
      at = 0;
    }
    const entry = 2 * (page * PAGE_ENTRIES + at);
    this.entries[entry] = low;
    this.entries[entry + 1] = high;
    this.#tailAt[lane] = at + 1;
    this.length[lane] = (this.length[lane] ?? 0) + 1;
  }

  /** Place in `entries` of the oldest entry's low half, which the high half follows; only when there is one. */
  oldest(lane: number): number {
    return 2 * ((this.#headPage[lane] ?? 0) * PAGE_ENTRIES + (this.#headAt[lane] ?? 0));
  }

  /** How many entries lie behind each other from `oldest` on. */
  oldestRun(lane: number): number {
    return Math.min(this.length[lane] ?? 0, PAGE_ENTRIES - (this.#headAt[lane] ?? 0));
  }

  /** Drops the oldest entry; only when there is one. */
  shift(lane: number): void {
    const at = (this.#headAt[lane] ?? 0) + 1;
    this.#headAt[lane] = at;
    this.#shorten(lane);
    const page = this.#headPage[lane] ?? NONE;
    if (page !== NONE && at === PAGE_ENTRIES) {
      const next = this.#next[page] ?? NONE;
      this.#headPage[lane] = next;
      this.#headAt[lane] = 0;
      this.#previous[next] = NONE;
      this.#returnPage(page);
    }
  }

  /** Drops the newest entry if it is this one. */
  unpush(lane: number, low: number, high: number): void {
    if ((this.length[lane] ?? 0) === 0) return;
    const page = this.#tailPage[lane] ?? NONE;
    const at = (this.#tailAt[lane] ?? 0) - 1;
    const entry = 2 * (page * PAGE_ENTRIES + at);
    if (((this.entries[entry] ?? 0) | 0) !== low || ((this.entries[entry + 1] ?? 0) | 0) !== high) return;
    this.#tailAt[lane] = at;
    this.#shorten(lane);
    const tail = this.#tailPage[lane] ?? NONE;
    if (tail !== NONE && at === 0) {
      const previous = this.#previous[tail] ?? NONE;
      this.#tailPage[lane] = previous;
      this.#tailAt[lane] = PAGE_ENTRIES;
      this.#next[previous] = NONE;
      this.#returnPage(tail);
    }
  }

  /** Counts one entry less; an empty queue gives its page back. */
  #shorten(lane: number): void {
    const length = (this.length[lane] ?? 0) - 1;
    this.length[lane] = length;
    if (length > 0) return;
    this.#returnPage(this.#tailPage[lane] ?? NONE);
    this.#headPage[lane] = NONE;
    this.#tailPage[lane] = NONE;
    this.#headAt[lane] = 0;
    this.#tailAt[lane] = 0;
  }

  #appendPage(lane: number, tail: number): number {
    let page = this.#returnedPage;
    if (page === NONE) {
      page = this.#freshPage;
      this.#freshPage += 1;
    } else this.#returnedPage = this.#next[page] ?? NONE;
    this.#next[page] = NONE;
    this.#previous[page] = tail;
    if (tail === NONE) {
      this.#headPage[lane] = page;
      this.#headAt[lane] = 0;
    } else this.#next[tail] = page;
    this.#tailPage[lane] = page;
    return page;
  }

  #returnPage(page: number): void {
    this.#next[page] = this.#returnedPage;
    this.#returnedPage = page;
  }
}
