import type { ResponseBodyHook, ResponseHeaderHook } from '../framework/hooks.ts';
import type { CounterCell, HistogramCell, Instruments } from '../framework/instruments.ts';
import type { Log } from '../framework/log.ts';
import type { Named } from '../framework/plugin.ts';
import type { InferenceRequest } from '../framework/request.ts';
import type { InferenceResponse, MetadataEntry } from '../framework/response.ts';
import type { Clock } from '../util/clock.ts';

/** At most one line per plugin in this time, so that a broken plugin cannot flood the log. */
const LOG_WINDOW_MS = 30_000;

/** One plugin with its cells. */
interface Measured<T> extends Named<T> {
  readonly duration: HistogramCell;
  readonly errors: CounterCell;
  lastLoggedMs: number;
}

/** What running hooks needs. */
export interface ResponseHookServices {
  readonly clock: Clock;
  readonly log: Log;
  readonly instruments: Instruments;
}

/** Runs response-phase hooks in order. One that throws is counted and logged; the others run. */
export class ResponseHooks {
  readonly #headerHooks: readonly Measured<ResponseHeaderHook>[];
  readonly #bodyHooks: readonly Measured<ResponseBodyHook>[];
  /** Those of `#bodyHooks` that have something to tell at the end. */
  readonly #reporters: readonly Measured<ResponseBodyHook>[];
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(
    headerHooks: readonly Named<ResponseHeaderHook>[],
    bodyHooks: readonly Named<ResponseBodyHook>[],
    services: ResponseHookServices,
  ) {
    this.#clock = services.clock;
    this.#log = services.log;
    this.#headerHooks = measured(headerHooks, 'ResponseReceived', services.instruments);
    this.#bodyHooks = measured(bodyHooks, 'ResponseStreaming', services.instruments);
    this.#reporters = this.#bodyHooks.filter(({ plugin }) => plugin.finalMetadata !== undefined);
  }

  headers(request: InferenceRequest, response: InferenceResponse): void {
    if (this.#headerHooks.length === 0) return;
    let startMs = this.#clock.nowMs();
    for (const hook of this.#headerHooks) {
      try {
        hook.plugin.responseHeaders(request, response);
      } catch (error) {
        this.#contain(hook, 'response header hook failed', error);
      }
      startMs = this.#observe(hook, startMs);
    }
  }

  /** The first byte came at `nowMs`, which is the present. */
  started(request: InferenceRequest, response: InferenceResponse, nowMs: number): void {
    let startMs = nowMs;
    for (const hook of this.#bodyHooks) {
      if (hook.plugin.responseStarted === undefined) continue;
      try {
        hook.plugin.responseStarted(request, response);
      } catch (error) {
        this.#contain(hook, 'response body hook failed', error);
      }
      startMs = this.#observe(hook, startMs);
    }
  }

  /** Somebody has something to tell the data plane at the end of a response. */
  get hasReporters(): boolean {
    return this.#reporters.length > 0;
  }

  /** What there is to tell at the end. */
  finalMetadata(request: InferenceRequest, response: InferenceResponse): readonly MetadataEntry[] {
    const entries: MetadataEntry[] = [];
    let startMs = this.#clock.nowMs();
    for (const hook of this.#reporters) {
      try {
        const entry = hook.plugin.finalMetadata?.(request, response);
        if (entry !== undefined) entries.push(entry);
      } catch (error) {
        this.#contain(hook, 'final metadata hook failed', error);
      }
      startMs = this.#observe(hook, startMs);
    }
    return entries;
  }

  /** The response ended at `nowMs`, which is the present. Returns the time after the last hook. */
  complete(request: InferenceRequest, response: InferenceResponse, nowMs: number): number {
    let startMs = nowMs;
    for (const hook of this.#bodyHooks) {
      try {
        hook.plugin.responseComplete(request, response);
      } catch (error) {
        this.#contain(hook, 'response completion hook failed', error);
      }
      startMs = this.#observe(hook, startMs);
    }
    return startMs;
  }

  /** A call that began at `startMs` is over; returns the time, which is the start of the next one. */
  #observe(hook: Measured<unknown>, startMs: number): number {
    const nowMs = this.#clock.nowMs();
    hook.duration.observe((nowMs - startMs) / 1000);
    return nowMs;
  }

  #contain(hook: Measured<unknown>, message: string, error: unknown): void {
    hook.errors.value += 1;
    const nowMs = this.#clock.nowMs();
    if (nowMs - hook.lastLoggedMs < LOG_WINDOW_MS) return;
    hook.lastLoggedMs = nowMs;
    this.#log.error({ plugin: hook.name, pluginType: hook.type, err: error }, message);
  }
}

function measured<T>(
  plugins: readonly Named<T>[],
  extensionPoint: 'ResponseReceived' | 'ResponseStreaming',
  instruments: Instruments,
): readonly Measured<T>[] {
  return plugins.map(({ name, type, plugin }) => {
    const labels = { extension_point: extensionPoint, plugin_type: type, plugin_name: name };
    return {
      name,
      type,
      plugin,
      duration: instruments.histogram('plugin_duration_seconds', labels),
      errors: instruments.counter('plugin_errors_total', labels),
      lastLoggedMs: Number.NEGATIVE_INFINITY,
    };
  });
}
