import type { ResponseBodyHook, ResponseHeaderHook } from '../framework/hooks.ts';
import type { Named } from '../framework/plugin.ts';
import type { InferenceRequest } from '../framework/request.ts';
import type { InferenceResponse, MetadataEntry } from '../framework/response.ts';
import { type ExtensionPoint, type MeterContext, PluginMeter } from '../telemetry/plugin-meter.ts';
import type { Clock } from '../util/clock.ts';

/** What running hooks needs. */
export type ResponseHookServices = MeterContext;

/** One plugin with its meter. */
interface Metered<T> {
  readonly plugin: T;
  readonly meter: PluginMeter;
}

/** Runs response-phase hooks in order. One that throws is counted and logged; the others run. */
export class ResponseHooks {
  readonly #headerHooks: readonly Metered<ResponseHeaderHook>[];
  readonly #bodyHooks: readonly Metered<ResponseBodyHook>[];
  /** Those of `#bodyHooks` that have something to tell at the end. */
  readonly #reporters: readonly Metered<ResponseBodyHook>[];
  readonly #clock: Clock;

  constructor(
    headerHooks: readonly Named<ResponseHeaderHook>[],
    bodyHooks: readonly Named<ResponseBodyHook>[],
    services: ResponseHookServices,
  ) {
    this.#clock = services.clock;
    this.#headerHooks = metered(headerHooks, 'ResponseReceived', services);
    this.#bodyHooks = metered(bodyHooks, 'ResponseStreaming', services);
    this.#reporters = this.#bodyHooks.filter(({ plugin }) => plugin.finalMetadata !== undefined);
  }

  headers(request: InferenceRequest, response: InferenceResponse): void {
    if (this.#headerHooks.length === 0) return;
    let startMs = this.#clock.nowMs();
    for (const hook of this.#headerHooks) {
      try {
        hook.plugin.responseHeaders(request, response);
      } catch (error) {
        hook.meter.failed(error, 'response header hook failed');
      }
      startMs = hook.meter.observeSince(startMs);
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
        hook.meter.failed(error, 'response body hook failed');
      }
      startMs = hook.meter.observeSince(startMs);
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
        hook.meter.failed(error, 'final metadata hook failed');
      }
      startMs = hook.meter.observeSince(startMs);
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
        hook.meter.failed(error, 'response completion hook failed');
      }
      startMs = hook.meter.observeSince(startMs);
    }
    return startMs;
  }
}

function metered<T extends object>(
  plugins: readonly Named<T>[],
  extensionPoint: ExtensionPoint,
  context: MeterContext,
): readonly Metered<T>[] {
  return plugins.map((one) => ({
    plugin: one.plugin,
    meter: new PluginMeter(extensionPoint, one, context),
  }));
}
