import { buildPipeline } from '../config/build.ts';
import type { EndpointPickerConfig } from '../config/load.ts';
import type { PollGroup } from '../data/poll-group.ts';
import { DataRuntime } from '../data/runtime.ts';
import { EndpointStore } from '../data/store.ts';
import type { RequestStage, ResponseStage } from '../extproc/exchange.ts';
import { SaturationGate } from '../flow/saturation-gate.ts';
import type { Endpoint } from '../framework/endpoint.ts';
import type { Instruments } from '../framework/instruments.ts';
import type { Pipeline } from '../framework/pipeline.ts';
import { guard } from '../own-plugins/guard.ts';
import { ConditionalDecode } from '../request/conditional-decode.ts';
import { Director } from '../request/director.ts';
import { RequestHooks } from '../request/hooks.ts';
import { InFlight } from '../request/in-flight.ts';
import { ModelRewriter } from '../request/model-rewrite.ts';
import { ParserRegistry } from '../request/path.ts';
import { ResponseHandler } from '../response/handler.ts';
import { refreshLoadViews } from '../scheduling/load-view.ts';
import { Scheduler } from '../scheduling/scheduler.ts';
import type { RootLog } from '../telemetry/logger.ts';
import { PoolMetrics } from '../telemetry/pool-metrics.ts';
import type { RequestMetrics } from '../telemetry/request-metrics.ts';
import type { Clock } from '../util/clock.ts';
import { randomSeed, SeededRng } from '../util/rng.ts';
import { cachedShareOf } from './cached-share.ts';
import type { ServeOptions } from './flags.ts';
import { reportProblems } from './report.ts';

/** What the parts of a pool are made with. */
export interface PoolInputs {
  readonly options: ServeOptions;
  readonly config: EndpointPickerConfig;
  /** How reports name `config`. */
  readonly configSource: string;
  readonly log: RootLog;
  readonly clock: Clock;
  readonly instruments: Instruments;
  /** Environment variables of the process. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** In metrics. */
  readonly poolName: string;
  /** Pools of the process. */
  readonly pools: number;
  /** What they share. */
  readonly shared: SharedParts;
  /** Seeds of everything that leaves something to chance; different from start to start unless given. */
  readonly nextSeed?: () => number;
}

/** What all pools of the process have in common. */
export interface SharedParts {
  readonly polls: PollGroup;
  readonly metrics: RequestMetrics;
  /** Metrics show this model by its name from now on. */
  pinModel(model: string): void;
}

/** Longest wait for the first scrapes before requests are taken: a dead endpoint must not hold up the start. */
const FIRST_ROUND_MS = 500;

/** Everything that belongs to one pool: its endpoints, what is known of them, its plugins, its two stages. */
export class PoolRuntime implements AsyncDisposable {
  readonly store: EndpointStore;
  readonly inFlight = new InFlight();
  readonly pipeline: Pipeline;
  readonly rewriter: ModelRewriter;
  readonly requestStage: RequestStage;
  readonly responseStage: ResponseStage;
  readonly #inputs: PoolInputs;
  readonly #data: DataRuntime;
  /** Aborts when everything has drained: plugins, discovery and scraping work until then. */
  readonly #lifetime: AbortController;

  private constructor(
    inputs: PoolInputs,
    pipeline: Pipeline,
    { store, lifetime }: { readonly store: EndpointStore; readonly lifetime: AbortController },
  ) {
    const { options, clock, log, instruments, shared, nextSeed = randomSeed } = inputs;
    this.#inputs = inputs;
    this.#lifetime = lifetime;
    this.pipeline = pipeline;
    this.store = store;
    this.#data = new DataRuntime(pipeline.sources, {
      store,
      clock,
      rng: new SeededRng(nextSeed()),
      log: log.component('data'),
      instruments,
      group: shared.polls,
      baseIntervalMs: options.refreshMetricsIntervalMs,
      stalenessMs: options.metricsStalenessThresholdMs,
    });
    store.observe(
      new PoolMetrics(instruments, clock, {
        poolName: inputs.poolName,
        refreshMs: options.refreshPoolMetricsIntervalMs,
        stalenessMs: options.metricsStalenessThresholdMs,
        endpoints: () => store.endpoints,
      }),
    );
    for (const { plugin } of pipeline.endpointObservers) store.observe(plugin);
    this.rewriter = new ModelRewriter({
      rng: new SeededRng(nextSeed()),
      instruments,
      pinModel: (model) => shared.pinModel(model),
    });
    this.requestStage = this.#createRequestStage(shared.metrics);
    this.responseStage = this.#createResponseStage(shared.metrics);
  }

  /** Undefined when a plugin cannot be constructed; every such problem is logged. */
  static create(inputs: PoolInputs): PoolRuntime | undefined {
    const { clock, log, instruments, pools, nextSeed = randomSeed } = inputs;
    const store = new EndpointStore(log.component('pool'));
    const lifetime = new AbortController();
    const { pipeline, problems } = buildPipeline(
      inputs.config,
      (name, type) => ({
        name,
        type,
        clock,
        rng: new SeededRng(nextSeed()),
        log: log.component(name),
        instruments,
        endpoints: () => store.endpoints,
        pools,
        signal: lifetime.signal,
        environment: inputs.environment,
      }),
      (plugin, { kinds, ...scope }) =>
        guard(plugin, kinds, scope, { clock, instruments, log: log.component(plugin.name) }),
    );
    reportProblems(problems, inputs.configSource, log);
    return pipeline && new PoolRuntime(inputs, pipeline, { store, lifetime });
  }

  /** Endpoints with what scorers read of them as of now. */
  endpoints(): readonly Endpoint[] {
    const { clock, options } = this.#inputs;
    refreshLoadViews(this.store.endpoints, clock.nowMs(), options.metricsStalenessThresholdMs);
    return this.store.endpoints;
  }

  /**
   * Begins to scrape, has `discover` fill `store`, and resolves when requests can be routed by something. The signal
   * that `discover` gets aborts when the pool is disposed of.
   */
  async start(discover: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.#data.start();
    await discover(this.#lifetime.signal);
    await this.#data.firstRound(FIRST_ROUND_MS);
  }

  /** Every plugin that can say so says it is ready. */
  get arePluginsReady(): boolean {
    return this.pipeline.readinessChecks.every(({ plugin }) => {
      try {
        return plugin.isReady();
      } catch {
        return false; // as its contract says; health logs that plugins are not ready
      }
    });
  }

  /** Tells plugins that follow objects of Kubernetes that there are none here. */
  followNoObjects(): void {
    for (const { name, plugin } of this.pipeline.objectObservers) {
      try {
        if (plugin.observedKind !== undefined) plugin.objectsSettled?.(false);
      } catch (error) {
        this.#inputs.log.component(name).error({ err: error }, 'plugin cannot do without Kubernetes');
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lifetime.abort();
    await this.#data.close();
  }

  #createRequestStage(metrics: RequestMetrics): RequestStage {
    const { options, config, clock, log, instruments } = this.#inputs;
    const { store, inFlight, pipeline, rewriter } = this;
    const rule = pipeline.handler.plugin.conditionalDecode;
    const data = this.#data;
    const services = { clock, instruments };
    const gate = new SaturationGate(pipeline.saturationDetector.plugin, clock);
    const scheduler = new Scheduler({ ...services, ...pipeline, log: log.component('scheduler') });
    return new Director(
      {
        clock,
        log: log.component('director'),
        parsers: new ParserRegistry(pipeline.parsers, log.component('parsers')),
        hooks: new RequestHooks(pipeline, { ...services, log: log.component('hooks') }),
        inFlight,
        endpoints: () => store.endpoints,
        priorityOf: (objective) => store.objective(objective),
        rewriteOf: (model) => rewriter.rewriteOf(model),
        admit: (request, candidates) => gate.admit(request, candidates),
        schedule: (request) => {
          refreshLoadViews(request.candidates, clock.nowMs(), options.metricsStalenessThresholdMs);
          return scheduler.schedule(request);
        },
        conditionalDecode: new ConditionalDecode({
          cachedShare: cachedShareOf(config, rule?.producer),
          minShare: rule?.minMatchRatio ?? 0,
        }),
        noteActivity: () => data.noteActivity(),
        observer: metrics,
      },
      {
        emitScores: options.emitEndpointScores,
        ignoreSubset: options.ignoresSubset,
        trustControlHeaders: options.trustClientControlHeaders,
      },
    );
  }

  #createResponseStage(metrics: RequestMetrics): ResponseStage {
    const { clock, log, instruments } = this.#inputs;
    const { store, inFlight, pipeline } = this;
    const data = this.#data;
    return new ResponseHandler({
      clock,
      instruments,
      log: log.component('response'),
      observer: metrics,
      headerHooks: pipeline.responseHeaderHooks,
      bodyHooks: pipeline.responseBodyHooks,
      served: (hostPort) => store.byHostPort(hostPort),
      moved: (request, endpoint) => {
        if (request.heldEndpoint !== undefined) inFlight.hold(request, endpoint);
      },
      refused: (request) => {
        if (request.endpoint !== undefined) data.reportRefused(request.endpoint);
      },
      release: (request) => inFlight.release(request),
    });
  }
}
