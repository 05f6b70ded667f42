import type { Endpoint } from '../framework/endpoint.ts';

/** Raw scores of one scorer, index-aligned with the profile's candidates. */
interface ScorerRecord {
  readonly scorer: string;
  readonly weight: number;
  readonly raw: readonly number[];
}

/** What happened in one run of one profile; collected only while debug logging is on. */
export class ProfileRecord {
  readonly profile: string;
  /** Candidates left after each filter that ran. */
  readonly filters: { readonly filter: string; readonly kept: number }[] = [];
  readonly scorers: ScorerRecord[] = [];
  candidates: readonly Endpoint[] = [];
  totals: readonly number[] = [];
  targets: readonly Endpoint[] = [];

  constructor(profile: string) {
    this.profile = profile;
  }

  /** The run as fields of one log line: each candidate's raw and weighted scores, total, and the targets. */
  toJSON(): object {
    return {
      profile: this.profile,
      filters: this.filters,
      candidates: this.candidates.map((candidate, i) => ({
        endpoint: candidate.id,
        total: this.totals[i],
        scores: this.scorers.map(({ scorer, weight, raw }) => ({
          scorer,
          raw: raw[i],
          weighted: clamp01(raw[i] ?? 0) * weight,
        })),
      })),
      targets: this.targets.map((target) => target.id),
    };
  }
}

/** A score as it enters a total: cut to [0, 1], NaN counts as 0. */
function clamp01(score: number): number {
  return score > 0 ? Math.min(score, 1) : 0;
}
