/** Context lengths that an endpoint is meant for, in tokens, both ends included. */
export interface LengthRange {
  readonly min: number;
  readonly max: number;
}

/** Labels that are remembered at a time; a pool has a handful of different ones. */
const MAX_REMEMBERED = 1024;

/** Reads `min-max` of two non-negative integers, spaces around each allowed; undefined when it is none or min > max. */
export function parseLengthRange(text: string): LengthRange | undefined {
  const [, low, high] = /^\s*(\d+)\s*-\s*(\d+)\s*$/.exec(text) ?? [];
  if (low === undefined || high === undefined) return undefined;
  const range = { min: Number(low), max: Number(high) };
  return Number.isSafeInteger(range.max) && range.min <= range.max ? range : undefined;
}

/** Reads labels, each text once. */
export class LengthRanges {
  readonly #known = new Map<string, LengthRange | undefined>();

  /** Undefined for a label that is no range. */
  of(label: string): LengthRange | undefined {
    const known = this.#known.get(label);
    if (known !== undefined || this.#known.has(label)) return known;
    if (this.#known.size === MAX_REMEMBERED) this.#known.clear();
    const range = parseLengthRange(label);
    this.#known.set(label, range);
    return range;
  }
}
