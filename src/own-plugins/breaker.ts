import type { CounterCell, Instruments } from '../framework/instruments.ts';
import type { Log } from '../framework/log.ts';
import type { Named } from '../framework/plugin.ts';
import type { Clock } from '../util/clock.ts';

/** A call that takes longer is slow; the budget that every plugin's calls are counted against. */
const BUDGET_MS = 20;
/** Slow calls that count together. */
const WINDOW_MS = 60_000;
/** So many of them in the window: the plugin is skipped. */
const MAX_SLOW_CALLS = 5;
/** Or so much time in them, so that a plugin that takes seconds is not called five times. */
const MAX_SLOW_MS = 1000;
/** How long it is skipped; then one call is tried. */
const SKIP_MS = 30_000;

/** What a breaker needs of the process. */
export interface BreakerContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly instruments: Instruments;
}

/**
 * Keeps a slow plugin from holding up the process. The rule: after 5 calls of more than 20 ms, or one second in such
 * calls, within a minute, the plugin is skipped for 30 s. Then one call is tried: slow, and it is skipped for another
 * 30 s; else it is called as before.
 */
export class Breaker {
  readonly #plugin: Named<object>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #skipped: CounterCell;
  #windowStartMs = Number.NEGATIVE_INFINITY;
  #slowCalls = 0;
  #slowMs = 0;
  #skippedUntilMs = Number.NEGATIVE_INFINITY;
  #isOnTrial = false;

  constructor(plugin: Named<object>, context: BreakerContext) {
    this.#plugin = plugin;
    this.#clock = context.clock;
    this.#log = context.log;
    const labels = { plugin_type: plugin.type, plugin_name: plugin.name };
    this.#skipped = context.instruments.counter('plugin_skipped_calls_total', labels);
  }

  /** Whether the plugin is skipped now; counts when it is. */
  skips(): boolean {
    if (this.#clock.nowMs() >= this.#skippedUntilMs) return false;
    this.#skipped.value += 1;
    return true;
  }

  /** A call that began at `startMs` is over. */
  ended(startMs: number): void {
    const nowMs = this.#clock.nowMs();
    const elapsedMs = nowMs - startMs;
    if (elapsedMs <= BUDGET_MS) {
      if (this.#isOnTrial) this.#restore();
      return;
    }
    if (nowMs - this.#windowStartMs > WINDOW_MS) {
      this.#windowStartMs = nowMs;
      this.#slowCalls = 0;
      this.#slowMs = 0;
    }
    this.#slowCalls += 1;
    this.#slowMs += elapsedMs;
    if (this.#isOnTrial || this.#slowCalls >= MAX_SLOW_CALLS || this.#slowMs >= MAX_SLOW_MS)
      this.#skip(nowMs);
  }

  #skip(nowMs: number): void {
    const fields = {
      ...this.#fields(),
      slowCalls: this.#slowCalls,
      slowMs: this.#slowMs,
      skippedForMs: SKIP_MS,
    };
    this.#log.error(fields, 'plugin is too slow and is skipped');
    this.#skippedUntilMs = nowMs + SKIP_MS;
    this.#windowStartMs = Number.NEGATIVE_INFINITY;
    this.#isOnTrial = true;
  }

  #restore(): void {
    this.#isOnTrial = false;
    this.#log.info(this.#fields(), 'plugin is fast enough again and is called');
  }

  #fields(): object {
    return { plugin: this.#plugin.name, pluginType: this.#plugin.type };
  }
}
