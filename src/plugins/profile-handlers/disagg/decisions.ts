import { type CounterCell, MAX_LABEL_LENGTH } from '../../../framework/instruments.ts';
import type { PluginContext } from '../../../framework/plugin.ts';

/** Stages that a request goes through, as metrics name them. */
export type Decision = 'decode-only' | 'prefill-decode' | 'encode-decode' | 'encode-prefill-decode';

/** Model names come from clients; past this many, and for long ones, cells are looked up instead of being kept. */
const MAX_MODELS_KEPT = 1000;

/** The decision for a request that is encoded elsewhere or not, and prefilled elsewhere or not. */
export function decisionOf(isEncoded: boolean, isPrefilled: boolean): Decision {
  if (isEncoded) return isPrefilled ? 'encode-prefill-decode' : 'encode-decode';
  return isPrefilled ? 'prefill-decode' : 'decode-only';
}

/** Counts decisions by model, without building label strings per request. */
export class DecisionCounts {
  readonly #metric: string;
  readonly #context: PluginContext;
  readonly #cells = new Map<Decision, Map<string, CounterCell>>();

  /** `metric`: its canonical name. */
  constructor(metric: 'disagg_decision_total' | 'pd_decision_total', context: PluginContext) {
    this.#metric = metric;
    this.#context = context;
  }

  /** `model`: after rewrite; '' is counted as `unknown`. */
  count(model: string, decision: Decision): void {
    let cells = this.#cells.get(decision);
    if (cells === undefined) {
      cells = new Map();
      this.#cells.set(decision, cells);
    }
    let cell = cells.get(model);
    if (cell === undefined) {
      const { name, type, instruments } = this.#context;
      cell = instruments.counter(this.#metric, {
        plugin_name: name,
        plugin_type: type,
        model_name: model === '' ? 'unknown' : model,
        decision_type: decision,
      });
      if (cells.size < MAX_MODELS_KEPT && model.length <= MAX_LABEL_LENGTH) cells.set(model, cell);
    }
    cell.value += 1;
  }
}
