import type { Endpoint } from '../framework/endpoint.ts';
import { RejectionError } from '../framework/errors.ts';
import type { Filter } from '../framework/filter.ts';
import type { Picker } from '../framework/picker.ts';
import type { ProfileSpec } from '../framework/pipeline.ts';
import type { ProfileResult } from '../framework/profile-handler.ts';
import type { InferenceRequest } from '../framework/request.ts';
import { type MeterContext, PluginMeter } from '../telemetry/plugin-meter.ts';
import type { ProfileRecord } from './decision-record.ts';
import { ScorePass } from './score-pass.ts';

interface FilterStep {
  readonly name: string;
  readonly filter: Filter;
  readonly meter: PluginMeter;
}

/**
 * One scheduling profile: filter → score → pick, from the full candidate list to targets. A plugin that throws is
 * contained: a filter lets its input through, a scorer scores 0, for a picker the best total is taken.
 * llm-d-router: pkg/epp/scheduling/scheduler_profile.go
 */
export class Profile {
  readonly name: string;
  readonly #filters: readonly FilterStep[];
  readonly #scores: ScorePass;
  readonly #picker: Picker;
  readonly #pickerMeter: PluginMeter;
  /** `Clock.nowMs()` when the last run that did not throw ended. */
  endedAtMs = 0;

  constructor(spec: ProfileSpec, context: MeterContext) {
    this.name = spec.name;
    this.#filters = spec.filters.map((filter) => ({
      name: filter.name,
      filter: filter.plugin,
      meter: new PluginMeter('Filter', filter, context),
    }));
    this.#scores = new ScorePass(spec.scorers, context);
    this.#picker = spec.picker.plugin;
    this.#pickerMeter = new PluginMeter('Picker', spec.picker, context);
  }

  /**
   * Throws `RejectionError` 429 `rejected-saturated` when the filters leave nobody, a plain `Error` when the picker
   * chooses nobody. `startMs`: the present. `totals` of the result is valid until the next run of this profile. `record` is filled when given.
   */
  run(
    request: InferenceRequest,
    candidates: readonly Endpoint[],
    startMs: number,
    record: ProfileRecord | undefined,
  ): ProfileResult {
    let atMs = startMs;
    let kept = candidates;
    for (const step of this.#filters) {
      if (kept.length === 0) break;
      try {
        kept = step.filter.filter(request, kept);
      } catch (error) {
        step.meter.failed(error);
      }
      atMs = step.meter.observeSince(atMs);
      record?.filters.push({ filter: step.name, kept: kept.length });
    }
    if (kept.length === 0) {
      throw new RejectionError('resource-exhausted', 'no endpoints available for the given request', {
        reason: 'rejected-saturated',
      });
    }
    const totals = this.#scores.run(request, kept, atMs, record);
    const targets = this.#pick(kept, totals, this.#scores.endedAtMs);
    if (record !== undefined) {
      record.candidates = kept;
      record.totals = Array.from(totals.subarray(0, kept.length));
      record.targets = targets;
    }
    if (targets.length === 0) throw new Error(`profile '${this.name}' picked no endpoint`);
    return { targets, candidates: kept, totals };
  }

  #pick(candidates: readonly Endpoint[], totals: Float64Array, startMs: number): readonly Endpoint[] {
    let targets: readonly Endpoint[];
    try {
      targets = this.#picker.pick(candidates, totals);
    } catch (error) {
      this.#pickerMeter.failed(error);
      targets = best(candidates, totals);
    }
    this.endedAtMs = this.#pickerMeter.observeSince(startMs);
    return targets;
  }
}

/** The first candidate with the highest total. */
function best(candidates: readonly Endpoint[], totals: Float64Array): readonly Endpoint[] {
  let bestTotal = Number.NEGATIVE_INFINITY;
  let found = candidates[0];
  let i = 0;
  for (const candidate of candidates) {
    const total = totals[i] ?? 0;
    if (total > bestTotal) {
      bestTotal = total;
      found = candidate;
    }
    i += 1;
  }
  return found === undefined ? [] : [found];
}
