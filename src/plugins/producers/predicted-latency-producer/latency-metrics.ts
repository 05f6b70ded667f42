import {
  type CounterCell,
  type HistogramCell,
  type Instruments,
  MAX_LABEL_LENGTH,
} from '../../../framework/instruments.ts';
import type { PluginContext } from '../../../framework/plugin.ts';
import type { InferenceRequest } from '../../../framework/request.ts';
import type { SampleKind } from './sample-buffer.ts';

/** Pairs of models that are told apart; later ones count as `other`. The bound of the registry for one label. */
const MAX_PAIRS = 1000;
const OTHER = 'other';

/** Cells of one kind of latency and one pair of models. Gauges show what was last set. */
interface LatencyCells {
  readonly actual: HistogramCell;
  readonly predicted: HistogramCell;
  readonly predictionDuration: HistogramCell;
  readonly violations: CounterCell;
  readonly last: { actual: number; predicted: number; duration: number; violation: number };
}

type PairCells = Readonly<Record<SampleKind, LatencyCells>>;

/** What was predicted, what came, and whether it was in time, by the client's model and the model that was asked. */
export class LatencyMetrics {
  readonly #instruments: Instruments;
  readonly #plugin: { readonly plugin_name: string; readonly plugin_type: string };
  readonly #pairs = new Map<string, PairCells>();

  constructor(context: Pick<PluginContext, 'instruments' | 'name' | 'type'>) {
    this.#instruments = context.instruments;
    this.#plugin = { plugin_name: context.name, plugin_type: context.type };
  }

  /** A prediction took `seconds`. */
  predictionTook(request: InferenceRequest, kind: SampleKind, seconds: number): void {
    const cells = this.#cellsOf(request)[kind];
    cells.predictionDuration.observe(seconds);
    cells.last.duration = seconds;
  }

  /** `predicted` is NaN when there was no prediction. Both in seconds. */
  observed(request: InferenceRequest, kind: SampleKind, actual: number, predicted: number): void {
    const cells = this.#cellsOf(request)[kind];
    cells.actual.observe(actual);
    cells.last.actual = actual;
    if (Number.isNaN(predicted)) return;
    cells.predicted.observe(predicted);
    cells.last.predicted = predicted;
  }

  /** A latency that has an objective is known. */
  judged(request: InferenceRequest, kind: SampleKind, isViolated: boolean): void {
    const cells = this.#cellsOf(request)[kind];
    cells.last.violation = isViolated ? 1 : 0;
    if (isViolated) cells.violations.value += 1;
  }

  #cellsOf(request: InferenceRequest): PairCells {
    let model = shown(request.body.model);
    let target = shown(request.targetModel);
    let key = `${model}\n${target}`;
    let cells = this.#pairs.get(key);
    if (cells !== undefined) return cells;
    if (this.#pairs.size >= MAX_PAIRS) {
      [model, target] = [OTHER, OTHER];
      key = `${model}\n${target}`;
      cells = this.#pairs.get(key);
      if (cells !== undefined) return cells;
    }
    const models = { model_name: model, target_model_name: target };
    cells = { ttft: this.#create('ttft', models), tpot: this.#create('tpot', models) };
    this.#pairs.set(key, cells);
    return cells;
  }

  #create(kind: SampleKind, models: Readonly<Record<string, string>>): LatencyCells {
    const labels = { ...this.#plugin, ...models };
    const last = {
      actual: Number.NaN,
      predicted: Number.NaN,
      duration: Number.NaN,
      violation: Number.NaN,
    };
    const gauges = [
      [kind, () => last.actual],
      [`predicted_${kind}`, () => last.predicted],
      [`${kind}_prediction_duration`, () => last.duration],
      [`${kind}_slo_violation`, () => last.violation],
    ] as const;
    for (const [type, read] of gauges)
      this.#instruments.gauge('inference_request_metric', { ...labels, type }, read);
    return {
      actual: this.#instruments.histogram(`inference_objective_request_${kind}_seconds`, models),
      predicted: this.#instruments.histogram(`request_predicted_${kind}_seconds`, labels),
      predictionDuration: this.#instruments.histogram(`request_${kind}_prediction_duration_seconds`, labels),
      violations: this.#instruments.counter('request_slo_violation_total', { ...labels, type: kind }),
      last,
    };
  }
}

/** Clients choose names of any length. */
function shown(model: string): string {
  return model.length > MAX_LABEL_LENGTH ? OTHER : model;
}
