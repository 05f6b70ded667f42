/** What an entry counts beyond the bytes of its name and value (RFC 7541 §4.1). */
export const ENTRY_OVERHEAD_BYTES = 32;

/**
 * The dynamic table of a decoder (RFC 7541 §2.3.2, §4): a ring of slots allocated once, newest entry first. An
 * insertion moves the head; an eviction moves nothing and lets go of the strings.
 */
export class DynamicTable {
  /** Name of slot `s` at `2 s`, its value at `2 s + 1`; empty where no entry is. */
  readonly #strings: string[];
  readonly #mask: number;
  /** Slot that the next entry takes. */
  #head = 0;
  #entries = 0;
  #bytes = 0;
  #limitBytes: number;

  /** `capacityBytes`: the highest limit ever set; memory for its entries is taken here. Also the first limit. */
  constructor(capacityBytes: number) {
    let slots = 1;
    while (slots * ENTRY_OVERHEAD_BYTES < capacityBytes) slots *= 2;
    this.#strings = new Array<string>(2 * slots).fill('');
    this.#mask = slots - 1;
    this.#limitBytes = capacityBytes;
  }

  /** Entries present. */
  get entries(): number {
    return this.#entries;
  }

  /** Size as RFC 7541 §4.1 counts it, never above `limitBytes`. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The maximum size in force. */
  get limitBytes(): number {
    return this.#limitBytes;
  }

  /** Name of entry `index`, in 1..`entries`, 1 the newest. */
  name(index: number): string {
    return this.#strings[2 * ((this.#head - index) & this.#mask)] ?? '';
  }

  /** Value of entry `index`, in 1..`entries`, 1 the newest. */
  value(index: number): string {
    return this.#strings[2 * ((this.#head - index) & this.#mask) + 1] ?? '';
  }

  /** Sets the maximum size, at most the capacity, and evicts what lies beyond it (RFC 7541 §4.3). */
  limit(limitBytes: number): void {
    this.#limitBytes = limitBytes;
    while (this.#bytes > limitBytes) this.#evictOldest();
  }

  /** Makes `name: value` the newest entry; one above the limit empties the table instead (RFC 7541 §4.4). */
  insert(name: string, value: string): void {
    const bytes = name.length + value.length + ENTRY_OVERHEAD_BYTES;
    while (this.#entries > 0 && this.#bytes + bytes > this.#limitBytes) this.#evictOldest();
    if (bytes > this.#limitBytes) return;
    const at = 2 * this.#head;
    this.#strings[at] = name;
    this.#strings[at + 1] = value;
    this.#head = (this.#head + 1) & this.#mask;
    this.#entries += 1;
    this.#bytes += bytes;
  }

  #evictOldest(): void {
    const at = 2 * ((this.#head - this.#entries) & this.#mask);
    const strings = this.#strings;
    this.#bytes -= (strings[at] ?? '').length + (strings[at + 1] ?? '').length + ENTRY_OVERHEAD_BYTES;
    strings[at] = '';
    strings[at + 1] = '';
    this.#entries -= 1;
  }
}
