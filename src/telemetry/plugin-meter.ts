import type { CounterCell, HistogramCell, Instruments } from '../framework/instruments.ts';
import type { Log } from '../framework/log.ts';
import type { Named } from '../framework/plugin.ts';
import type { Clock } from '../util/clock.ts';
import { LogGate } from '../util/log-gate.ts';

/** What a meter needs of the process. */
export interface MeterContext {
  readonly instruments: Instruments;
  readonly clock: Clock;
  readonly log: Log;
}

/** Where plugins are called, as metric label `extension_point` has it. */
export type ExtensionPoint =
  | 'RequestHeader'
  | 'Screener'
  | 'DataProducer'
  | 'Admission'
  | 'ProfilePicker'
  | 'Filter'
  | 'Scorer'
  | 'Picker'
  | 'ProcessProfilesResults'
  | 'PreRequest'
  | 'ResponseReceived'
  | 'ResponseStreaming';

/**
 * A call that does not wait and takes longer is slow: it holds up everything else of the process. Built-in plugins take
 * microseconds; collecting garbage takes a few milliseconds.
 */
export const SLOW_CALL_MS = 20;

/** Times the calls of one plugin instance at one extension point and accounts for its failures and slow calls. */
export class PluginMeter {
  readonly #extensionPoint: ExtensionPoint;
  readonly #plugin: Named<object>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #duration: HistogramCell;
  readonly #failures: CounterCell;
  readonly #slowCalls: CounterCell;
  readonly #failureGate = new LogGate();
  readonly #slowGate = new LogGate();

  constructor(extensionPoint: ExtensionPoint, plugin: Named<object>, context: MeterContext) {
    this.#extensionPoint = extensionPoint;
    this.#plugin = plugin;
    this.#clock = context.clock;
    this.#log = context.log;
    const labels = { extension_point: extensionPoint, plugin_type: plugin.type, plugin_name: plugin.name };
    this.#duration = context.instruments.histogram('plugin_duration_seconds', labels);
    this.#failures = context.instruments.counter('plugin_errors_total', labels);
    this.#slowCalls = context.instruments.counter('plugin_slow_calls_total', labels);
  }

  /** One call that began at `startMs` is over; returns the time, which is the start of the next call. */
  observeSince(startMs: number): number {
    const nowMs = this.#clock.nowMs();
    const elapsedMs = nowMs - startMs;
    this.#duration.observe(elapsedMs / 1000);
    if (elapsedMs > SLOW_CALL_MS) this.#slow(elapsedMs, nowMs);
    return nowMs;
  }

  /** Like `observeSince`, of a call that gave the time to others: it cannot be slow. */
  observeWait(startMs: number): void {
    this.#duration.observe((this.#clock.nowMs() - startMs) / 1000);
  }

  /** Counts one failure that was contained and logs it, at most once in 30 s. */
  failed(error: unknown, message = 'plugin failed; scheduling goes on without it'): void {
    this.#failures.value += 1;
    if (!this.#failureGate.pass(this.#clock.nowMs())) return;
    this.#log.error({ ...this.#fields(), err: error }, message);
  }

  #slow(elapsedMs: number, nowMs: number): void {
    this.#slowCalls.value += 1;
    if (!this.#slowGate.pass(nowMs)) return;
    this.#log.warn({ ...this.#fields(), durationMs: elapsedMs, budgetMs: SLOW_CALL_MS }, 'plugin is slow');
  }

  #fields(): object {
    const { name, type } = this.#plugin;
    return { plugin: name, pluginType: type, extensionPoint: this.#extensionPoint };
  }
}
