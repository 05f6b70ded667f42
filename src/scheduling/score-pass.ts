import type { Endpoint } from '../framework/endpoint.ts';
import type { ProfileSpec } from '../framework/pipeline.ts';
import type { InferenceRequest } from '../framework/request.ts';
import type { Scorer } from '../framework/scorer.ts';
import { type MeterContext, PluginMeter } from '../telemetry/plugin-meter.ts';
import type { ProfileRecord } from './decision-record.ts';

interface Step {
  readonly name: string;
  readonly scorer: Scorer;
  readonly weight: number;
  readonly meter: PluginMeter;
}

/**
 * Sums weighted scores: `total = Σ weight × clamp01(score)`, in the order listed; weights are not normalised.
 * Synchronous, so all requests share the two buffers.
 * llm-d-router: pkg/epp/scheduling/scheduler_profile.go
 */
export class ScorePass {
  readonly #steps: readonly Step[];
  #scratch = new Float64Array(64);
  #total = new Float64Array(64);
  /** `Clock.nowMs()` when the last scorer of the last run ended. */
  endedAtMs = 0;

  constructor(scorers: ProfileSpec['scorers'], context: MeterContext) {
    this.#steps = scorers.map((scorer) => ({
      name: scorer.name,
      scorer: scorer.plugin,
      weight: scorer.weight,
      meter: new PluginMeter('Scorer', scorer, context),
    }));
  }

  /**
   * Index-aligned with `candidates` and maybe longer; valid until the next call. A scorer that throws counts 0
   * for everyone. `record` gets every raw score.
   */
  run(
    request: InferenceRequest,
    candidates: readonly Endpoint[],
    startMs: number,
    record: ProfileRecord | undefined,
  ): Float64Array {
    const n = candidates.length;
    if (n > this.#total.length) {
      this.#scratch = new Float64Array(n * 2);
      this.#total = new Float64Array(n * 2);
    }
    const scratch = this.#scratch;
    const total = this.#total.fill(0, 0, n);
    let atMs = startMs;
    for (const step of this.#steps) {
      scratch.fill(0, 0, n);
      try {
        step.scorer.score(request, candidates, scratch);
      } catch (error) {
        step.meter.failed(error);
        scratch.fill(0, 0, n);
      }
      if (addWeighted(scratch, step.weight, total, n)) step.meter.failed(new Error('a score is NaN'));
      atMs = step.meter.observeSince(atMs);
      record?.scorers.push({
        scorer: step.name,
        weight: step.weight,
        raw: Array.from(scratch.subarray(0, n)),
      });
    }
    this.endedAtMs = atMs;
    return total;
  }
}

/** Adds `weight × clamp01(scores[i])` to `total[i]` for i < n; returns whether a score was NaN. */
function addWeighted(scores: Float64Array, weight: number, total: Float64Array, n: number): boolean {
  let sawNaN = false;
  for (let i = 0; i < n; i += 1) {
    const score = scores[i] ?? 0;
    if (score > 0) total[i] = (total[i] ?? 0) + Math.min(score, 1) * weight;
    else if (Number.isNaN(score)) sawNaN = true;
  }
  return sawNaN;
}
