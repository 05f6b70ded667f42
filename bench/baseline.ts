import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Spread } from './spread.ts';

/** Ratios that later runs are compared with. */
export interface Baseline {
  /** Where the newest of them were measured. */
  readonly machine: string;
  readonly versions: string;
  /** By run (`runTitle`), then by row. */
  readonly ratios: Readonly<Record<string, Readonly<Record<string, Spread>>>>;
}

/** Undefined when there is no such file; throws when it is something else. */
export function readBaseline(file: string): Baseline | undefined {
  if (!existsSync(file)) return undefined;
  const read: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (typeof read === 'object' && read !== null && 'ratios' in read) return read as Baseline; // what is written below
  throw new Error(`${file}: not a baseline`);
}

/** Ratios of the baseline for one run; empty when it has none. */
export function ratiosOf(baseline: Baseline | undefined, run: string): ReadonlyMap<string, Spread> {
  const runs = new Map(Object.entries(baseline?.ratios ?? {}));
  return new Map(Object.entries(runs.get(run) ?? {}));
}

/** The baseline with the ratios just measured in the place of its own. */
export function updated(
  baseline: Baseline | undefined,
  run: string,
  measured: Pick<Baseline, 'machine' | 'versions'> & { readonly spreads: ReadonlyMap<string, Spread> },
): Baseline {
  const { machine, versions, spreads } = measured;
  const runs = new Map(Object.entries(baseline?.ratios ?? {}));
  const rounded = [...spreads].map(([row, spread]) => [row, roundedSpread(spread)] as const);
  runs.set(run, Object.fromEntries([...ratiosOf(baseline, run), ...rounded]));
  return { machine, versions, ratios: Object.fromEntries(runs) };
}

export function writeBaseline(file: string, baseline: Baseline): void {
  writeFileSync(file, `${JSON.stringify(baseline, null, 2)}\n`);
}

/** Four digits say more than a measurement does. */
function roundedSpread({ min, median, max, rounds }: Spread): Spread {
  const round = (value: number) => Number(value.toPrecision(4));
  return { min: round(min), median: round(median), max: round(max), rounds };
}
