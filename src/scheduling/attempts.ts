import type { Endpoint } from '../framework/endpoint.ts';
import { type CounterCell, type Instruments, MAX_LABEL_LENGTH } from '../framework/instruments.ts';

/** Model names come from clients; past this many, and for long ones, cells are looked up instead of being kept. */
const MAX_MODELS_KEPT = 1000;

/** Counts scheduling attempts by outcome, model and first target, without building label strings per request. */
export class Attempts {
  readonly #instruments: Instruments;
  readonly #failures = new Map<string, CounterCell>();
  readonly #successes = new WeakMap<Endpoint, Map<string, CounterCell>>();

  constructor(instruments: Instruments) {
    this.#instruments = instruments;
  }

  /** One cycle that chose `target` for `model` (after rewrite). */
  succeeded(model: string, target: Endpoint): void {
    let cells = this.#successes.get(target);
    if (cells === undefined) {
      cells = new Map();
      this.#successes.set(target, cells);
    }
    (cells.get(model) ?? this.#keep(cells, model, target)).value += 1;
  }

  /** One cycle for `model` that chose nobody. */
  failed(model: string): void {
    (this.#failures.get(model) ?? this.#keep(this.#failures, model, undefined)).value += 1;
  }

  #keep(cells: Map<string, CounterCell>, model: string, target: Endpoint | undefined): CounterCell {
    const cell = this.#instruments.counter('scheduler_attempts_total', {
      status: target === undefined ? 'failure' : 'success',
      target_model_name: model,
      endpoint_name: target?.name ?? '',
      namespace: target?.namespace ?? '',
      port: target === undefined ? '' : String(target.port),
    });
    if (cells.size < MAX_MODELS_KEPT && model.length <= MAX_LABEL_LENGTH) cells.set(model, cell);
    return cell;
  }
}
