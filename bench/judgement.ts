import type { Spread } from './spread.ts';

/** How a ratio compares with the baseline's: `new` is one that the baseline does not have. */
export type Verdict = 'same' | 'slower' | 'faster' | 'new';

/** Differences below this share of the baseline are nobody's fault: code layout and page colours differ between starts. */
const LEAST_NOISE = 0.05;

/**
 * How far a ratio moves by itself: the wider of the two spreads, and 5 % of the baseline's median at least.
 */
export function noiseOf(baseline: Spread, measured: Spread): number {
  return Math.max(
    baseline.max - baseline.min,
    measured.max - measured.min,
    LEAST_NOISE * Math.abs(baseline.median),
  );
}

/**
 * Whether a ratio (CPU of the picker over the echo server's, less is better) has changed beyond measured noise: the
 * two spreads do not overlap, and the medians lie further apart than `noiseOf`.
 */
export function judge(baseline: Spread | undefined, measured: Spread): Verdict {
  if (baseline === undefined) return 'new';
  const noise = noiseOf(baseline, measured);
  const change = measured.median - baseline.median;
  if (measured.min > baseline.max && change > noise) return 'slower';
  if (measured.max < baseline.min && -change > noise) return 'faster';
  return 'same';
}
