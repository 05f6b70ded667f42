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
import type { HistogramCell, Instruments } from '../framework/instruments.ts';
import type { Log } from '../framework/log.ts';
import type { Named } from '../framework/plugin.ts';
import type { SchedulingResult } from '../framework/profile-handler.ts';
import type { InferenceRequest } from '../framework/request.ts';
import type { Clock } from '../util/clock.ts';

/** Budget of a producer that returns a promise without declaring one (llm-d-router: pkg/epp/requestcontrol). */
const DEFAULT_PRODUCE_TIMEOUT_MS = 400;
/** At most one line per plugin in this time, so that a broken plugin cannot flood the log. */
const LOG_WINDOW_MS = 30_000;

/** What running hooks needs. */
export interface HookServices {
  readonly clock: Clock;
  readonly log: Log;
  readonly instruments: Instruments;
}

/** One plugin with its timing cell. */
interface Timed<T> extends Named<T> {
  readonly cell: HistogramCell;
  lastLoggedMs: number;
}

/** Runs request-phase hooks in order; what fails in a plugin is contained, timed and named. */
export class RequestHooks {
  readonly #headerProcessors: readonly Timed<HeaderProcessor>[];
  readonly #screeners: readonly Timed<Screener>[];
  readonly #admitters: readonly Timed<Admitter>[];
  readonly #producers: readonly Timed<DataProducer>[];
  readonly #preRequest: readonly Timed<PreRequestHook>[];
  readonly #clock: Clock;
  readonly #log: Log;
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
    services: HookServices,
  ) {
    this.#clock = services.clock;
    this.#log = services.log;
    this.#headerProcessors = timed(plugins.headerProcessors, 'RequestHeader', services.instruments);
    this.#screeners = timed(plugins.screeners, 'Screener', services.instruments);
    this.#admitters = timed(plugins.admitters, 'Admission', services.instruments);
    this.#producers = timed(plugins.producers, 'DataProducer', services.instruments);
    this.#preRequest = timed(plugins.preRequestHooks, 'PreRequest', services.instruments);
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
        this.#contain(hook, 'request header processor failed', error);
      }
      startMs = this.#observe(hook, startMs);
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
        if (own !== candidates) kept = kept.filter((candidate) => own.includes(candidate));
      } catch (error) {
        this.#contain(hook, 'screener failed', error);
      }
      startMs = this.#observe(hook, startMs);
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
        this.#contain(hook, 'admitter failed', error);
      }
      startMs = this.#observe(hook, startMs);
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
        this.#contain(hook, 'pre-request hook failed', error);
      }
      startMs = this.#observe(hook, startMs);
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
      this.#contain(hook, 'data producer failed', error);
    }
    this.#producedAtMs = this.#observe(hook, startMs);
    return undefined;
  }

  async #wait(
    hook: Timed<DataProducer>,
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
        this.#contain(
          hook,
          'data producer ran out of time',
          new Error(`no result within ${run.budgetMs} ms`),
        );
      }
    } catch (error) {
      this.#contain(hook, 'data producer failed', error);
    } finally {
      cancelTimer();
      hook.cell.observe((this.#clock.nowMs() - run.startMs) / 1000);
    }
  }

  /** A call that began at `startMs` is over; returns the time, which is the start of the next one. */
  #observe(hook: Timed<unknown>, startMs: number): number {
    const nowMs = this.#clock.nowMs();
    hook.cell.observe((nowMs - startMs) / 1000);
    return nowMs;
  }

  #contain(hook: Timed<unknown>, message: string, error: unknown): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs - hook.lastLoggedMs < LOG_WINDOW_MS) return;
    hook.lastLoggedMs = nowMs;
    this.#log.error({ plugin: hook.name, pluginType: hook.type, err: error }, message);
  }
}

function timed<T>(
  plugins: readonly Named<T>[],
  extensionPoint: string,
  instruments: Instruments,
): readonly Timed<T>[] {
  return plugins.map(({ name, type, plugin }) => ({
    name,
    type,
    plugin,
    lastLoggedMs: Number.NEGATIVE_INFINITY,
    cell: instruments.histogram('plugin_duration_seconds', {
      extension_point: extensionPoint,
      plugin_type: type,
      plugin_name: name,
    }),
  }));
}
