import type { Endpoint } from '../framework/endpoint.ts';
import { RejectionError } from '../framework/errors.ts';
import type {
  Admitter,
  DataProducer,
  HeaderProcessor,
  Patience,
  PreRequestHook,
  Screener,
} from '../framework/hooks.ts';
import type { Named } from '../framework/plugin.ts';
import type { SchedulingResult } from '../framework/profile-handler.ts';
import type { InferenceRequest } from '../framework/request.ts';
import { type ExtensionPoint, type MeterContext, PluginMeter } from '../telemetry/plugin-meter.ts';
import type { Clock } from '../util/clock.ts';

/** Budget of a producer that returns a promise without declaring one (llm-d-router: pkg/epp/requestcontrol). */
const DEFAULT_PRODUCE_TIMEOUT_MS = 400;

/** One plugin with its meter. */
interface Metered<T> {
  readonly plugin: T;
  readonly meter: PluginMeter;
}

/** Runs request-phase hooks in order; what fails in a plugin is contained, counted, timed and named. */
export class RequestHooks {
  readonly #headerProcessors: readonly Metered<HeaderProcessor>[];
  readonly #screeners: readonly Metered<Screener>[];
  readonly #admitters: readonly Metered<Admitter>[];
  readonly #producers: readonly Metered<DataProducer>[];
  readonly #preRequest: readonly Metered<PreRequestHook>[];
  readonly #clock: Clock;
  /** Start of the producer that runs without waiting; a clock is read once between two of them. */
  #producedAtMs = 0;

  constructor(
    plugins: {
      readonly headerProcessors: readonly Named<HeaderProcessor>[];
      readonly screeners: readonly Named<Screener>[];
      readonly admitters: readonly Named<Admitter>[];
      readonly producers: readonly Named<DataProducer>[];
      readonly preRequestHooks: readonly Named<PreRequestHook>[];
    },
    services: MeterContext,
  ) {
    this.#clock = services.clock;
    this.#headerProcessors = metered(plugins.headerProcessors, 'RequestHeader', services);
    this.#screeners = metered(plugins.screeners, 'Screener', services);
    this.#admitters = metered(plugins.admitters, 'Admission', services);
    this.#producers = metered(plugins.producers, 'DataProducer', services);
    this.#preRequest = metered(plugins.preRequestHooks, 'PreRequest', services);
  }

  /** A processor that throws a `RejectionError` refuses the request; any other failure is contained. */
  processHeaders(request: InferenceRequest): void {
    if (this.#headerProcessors.length === 0) return;
    let startMs = this.#clock.nowMs();
    for (const hook of this.#headerProcessors) {
      try {
        hook.plugin.requestHeaders(request);
      } catch (error) {
        if (error instanceof RejectionError) throw error;
        hook.meter.failed(error, 'request header processor failed');
      }
      startMs = hook.meter.observeSince(startMs);
    }
  }

  /** Those of `candidates` that every screener keeps, in order; the input itself when that is all of them. */
  screen(request: InferenceRequest, candidates: readonly Endpoint[]): readonly Endpoint[] {
    if (this.#screeners.length === 0) return candidates;
    let kept = candidates;
    let startMs = this.#clock.nowMs();
    for (const hook of this.#screeners) {
      try {
        const own = hook.plugin.screen(request, candidates);
        if (own !== candidates) kept = both(kept, own);
      } catch (error) {
        hook.meter.failed(error, 'screener failed');
      }
      startMs = hook.meter.observeSince(startMs);
    }
    return kept.length === candidates.length ? candidates : kept;
  }

  /** Throws the first refusal. */
  admit(request: InferenceRequest, candidates: readonly Endpoint[]): void {
    if (this.#admitters.length === 0) return;
    let startMs = this.#clock.nowMs();
    for (const hook of this.#admitters) {
      let refusal: RejectionError | undefined;
      try {
        refusal = hook.plugin.admit(request, candidates);
      } catch (error) {
        hook.meter.failed(error, 'admitter failed');
      }
      startMs = hook.meter.observeSince(startMs);
      if (refusal !== undefined) throw refusal;
    }
  }

  /**
   * Runs all producers in order; a failed or late one does not stop the others. Returns a promise only when one of
   * them waits.
   */
  produce(
    request: InferenceRequest,
    candidates: readonly Endpoint[],
    patience: Patience,
  ): undefined | Promise<void> {
    this.#producedAtMs = this.#clock.nowMs();
    for (let i = 0; i < this.#producers.length; i += 1) {
      const waiting = this.#produceOne(i, request, candidates, patience);
      if (waiting !== undefined) return this.#produceRest(waiting, i + 1, request, candidates, patience);
    }
    return undefined;
  }

  /**
   * Runs all hooks even when one fails, then throws: a single typed failure keeps its status, anything else is an
   * internal error.
   */
  preRequest(request: InferenceRequest, result: SchedulingResult): void {
    let failure: unknown;
    let failures = 0;
    let startMs = this.#clock.nowMs();
    for (const hook of this.#preRequest) {
      try {
        hook.plugin.preRequest(request, result);
      } catch (error) {
        failures += 1;
        failure = error;
        hook.meter.failed(error, 'pre-request hook failed');
      }
      startMs = hook.meter.observeSince(startMs);
    }
    if (failures === 0) return;
    if (failures === 1) throw RejectionError.from(failure);
    throw new RejectionError('internal', 'internal error');
  }

  async #produceRest(
    waiting: Promise<void>,
    next: number,
    request: InferenceRequest,
    candidates: readonly Endpoint[],
    patience: Patience,
  ): Promise<void> {
    const { signal } = patience;
    await waiting;
    for (let i = next; i < this.#producers.length && !signal.aborted; i += 1) {
      this.#producedAtMs = this.#clock.nowMs();
      await this.#produceOne(i, request, candidates, patience);
    }
  }

  /** Starts at `#producedAtMs`, and moves it to its end unless it waits. */
  #produceOne(
    index: number,
    request: InferenceRequest,
    candidates: readonly Endpoint[],
    patience: Patience,
  ): undefined | Promise<void> {
    const hook = this.#producers[index];
    if (hook === undefined) return undefined;
    const startMs = this.#producedAtMs;
    const budgetMs = hook.plugin.timeoutMs;
    const budget = budgetMs === undefined ? undefined : new AbortController();
    try {
      const running = hook.plugin.produce(
        request,
        candidates,
        budget === undefined ? patience : { signal: AbortSignal.any([patience.signal, budget.signal]) },
      );
      if (running !== undefined) {
        return this.#wait(hook, {
          running,
          startMs,
          budget,
          budgetMs: budgetMs ?? DEFAULT_PRODUCE_TIMEOUT_MS,
        });
      }
    } catch (error) {
      hook.meter.failed(error, 'data producer failed');
    }
    this.#producedAtMs = hook.meter.observeSince(startMs);
    return undefined;
  }

  async #wait(
    hook: Metered<DataProducer>,
    run: {
      readonly running: Promise<void>;
      readonly startMs: number;
      readonly budget: AbortController | undefined;
      readonly budgetMs: number;
    },
  ): Promise<void> {
    let cancelTimer = () => {};
    const late = new Promise<'late'>((resolve) => {
      cancelTimer = this.#clock.after(run.budgetMs, () => resolve('late'));
    });
    try {
      if ((await Promise.race([run.running, late])) === 'late') {
        run.budget?.abort();
        run.running.catch(() => {}); // its time is up; the line below names it
        const error = new Error(`no result within ${run.budgetMs} ms`);
        hook.meter.failed(error, 'data producer ran out of time');
      }
    } catch (error) {
      hook.meter.failed(error, 'data producer failed');
    } finally {
      cancelTimer();
      hook.meter.observeWait(run.startMs);
    }
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

/** Those of `kept`, in order, that are in `own`, too. */
function both(kept: readonly Endpoint[], own: readonly Endpoint[]): readonly Endpoint[] {
  const present = new Set(own);
  return kept.filter((candidate) => present.has(candidate));
}
