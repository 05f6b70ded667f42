/** Ranges up to this are no range: all headrooms count as equal, in milliseconds. */
const NO_RANGE_MS = 1e-9;

/** How much each latency counts; not negative, at least one above 0. */
export interface Weights {
  readonly ttft: number;
  readonly tpot: number;
}

/** Headrooms of the candidates, by position. */
export interface Headrooms {
  readonly ttftMs: Float64Array;
  readonly tpotMs: Float64Array;
}

/**
 * Scores those of the first `count` candidates for which `isMember[i]` is 1, among themselves, and writes to `out`.
 *
 *     h        = |headroom|, and n = (h - min) / (max - min), 0.5 without range; for each of the two latencies
 *     combined = ttft × n(ttft) + tpot × n(tpot)       weights that sum up to 1; a latency without range gives its to the other
 *     score    = (trunc(100 × (1 - combined)) + 1) / 100       100 × combined with `prefersMost`; at most 1
 */
export function scoreBucket(
  headrooms: Headrooms,
  isMember: Uint8Array,
  options: {
    readonly count: number;
    readonly weights: Weights;
    readonly prefersMost: boolean;
    readonly out: Float64Array;
  },
): void {
  const { count, weights, prefersMost, out } = options;
  const { ttftMs, tpotMs } = headrooms;
  let minTtft = Number.POSITIVE_INFINITY;
  let maxTtft = 0;
  let minTpot = Number.POSITIVE_INFINITY;
  let maxTpot = 0;
  for (let i = 0; i < count; i += 1) {
    if (isMember[i] !== 1) continue;
    const ttft = Math.abs(ttftMs[i] ?? 0);
    const tpot = Math.abs(tpotMs[i] ?? 0);
    if (ttft < minTtft) minTtft = ttft;
    if (ttft > maxTtft) maxTtft = ttft;
    if (tpot < minTpot) minTpot = tpot;
    if (tpot > maxTpot) maxTpot = tpot;
  }
  const ttftRange = maxTtft - minTtft;
  const tpotRange = maxTpot - minTpot;
  const hasTtft = ttftRange > NO_RANGE_MS;
  const hasTpot = tpotRange > NO_RANGE_MS;
  const ttftWeight = hasTtft === hasTpot ? weights.ttft : hasTtft ? 1 : 0;
  const tpotWeight = hasTtft === hasTpot ? weights.tpot : hasTpot ? 1 : 0;
  for (let i = 0; i < count; i += 1) {
    if (isMember[i] !== 1) continue;
    const ttft = hasTtft ? (Math.abs(ttftMs[i] ?? 0) - minTtft) / ttftRange : 0.5;
    const tpot = hasTpot ? (Math.abs(tpotMs[i] ?? 0) - minTpot) / tpotRange : 0.5;
    const combined = ttftWeight * ttft + tpotWeight * tpot;
    const hundredths = Math.trunc((prefersMost ? combined : 1 - combined) * 100) + 1;
    out[i] = Math.min(1, hundredths / 100);
  }
}
