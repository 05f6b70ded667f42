import type { CounterCell, HistogramCell, Instruments } from '../framework/instruments.ts';
import type { Log } from '../framework/log.ts';
import type { Named } from '../framework/plugin.ts';
import type { Clock } from '../util/clock.ts';

/** What the engine needs of the process. */
export interface EngineContext {
  readonly instruments: Instruments;
  readonly clock: Clock;
  readonly log: Log;
}

/** Extension points of scheduling, as metric label `extension_point` has them. */
export type ExtensionPoint = 'ProfilePicker' | 'Filter' | 'Scorer' | 'Picker' | 'ProcessProfilesResults';

/** A plugin that fails on every request is named twice a minute, not thousands of times a second. */
const LOG_INTERVAL_MS = 30_000;

/** Times the calls of one plugin instance at one extension point and accounts for its failures. */
export class PluginMeter {
  readonly #extensionPoint: ExtensionPoint;
  readonly #plugin: Named<object>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #duration: HistogramCell;
  readonly #failures: CounterCell;
  #mayLogAtMs = Number.NEGATIVE_INFINITY;

  constructor(extensionPoint: ExtensionPoint, plugin: Named<object>, context: EngineContext) {
    this.#extensionPoint = extensionPoint;
    this.#plugin = plugin;
    this.#clock = context.clock;
    this.#log = context.log;
    const labels = { extension_point: extensionPoint, plugin_type: plugin.type, plugin_name: plugin.name };
    this.#duration = context.instruments.histogram('plugin_duration_seconds', labels);
    this.#failures = context.instruments.counter('plugin_errors_total', labels);
  }

  /** One call that began at `startMs` is over; returns the time, which is the start of the next call. */
  observeSince(startMs: number): number {
    const nowMs = this.#clock.nowMs();
    this.#duration.observe((nowMs - startMs) / 1000);
    return nowMs;
  }

  /** Counts one failure that was contained and logs it, at most once in 30 s. */
  failed(error: unknown): void {
    this.#failures.value += 1;
    const nowMs = this.#clock.nowMs();
    if (nowMs < this.#mayLogAtMs) return;
    this.#mayLogAtMs = nowMs + LOG_INTERVAL_MS;
    const { name, type } = this.#plugin;
    this.#log.error(
      { err: error, plugin: name, type, extensionPoint: this.#extensionPoint },
      'plugin failed; scheduling goes on without it',
    );
  }
}
