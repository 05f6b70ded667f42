import { buildPipeline } from '../config/build.ts';
import { effectiveConfiguration } from '../config/effective.ts';
import type { EndpointPickerConfig } from '../config/load.ts';
import { DataRuntime } from '../data/runtime.ts';
import { EndpointStore } from '../data/store.ts';
import { ExtProcServer } from '../extproc/server.ts';
import { SaturationGate } from '../flow/saturation-gate.ts';
import type { Pipeline } from '../framework/pipeline.ts';
import type { InferenceRequest } from '../framework/request.ts';
import { Director } from '../request/director.ts';
import { RequestHooks } from '../request/hooks.ts';
import { InFlight } from '../request/in-flight.ts';
import { ModelRewriter } from '../request/model-rewrite.ts';
import { ParserRegistry } from '../request/path.ts';
import { ResponseHandler } from '../response/handler.ts';
import { refreshLoadViews } from '../scheduling/load-view.ts';
import { Scheduler } from '../scheduling/scheduler.ts';
import { AdminServer } from '../telemetry/admin-server.ts';
import { EventLoopLag } from '../telemetry/event-loop-lag.ts';
import type { RootLog } from '../telemetry/logger.ts';
import { PoolMetrics } from '../telemetry/pool-metrics.ts';
import { ProcessMetrics } from '../telemetry/process-metrics.ts';
import { MetricRegistry } from '../telemetry/registry.ts';
import { RequestMetrics } from '../telemetry/request-metrics.ts';
import type { Clock } from '../util/clock.ts';
import { randomSeed, SeededRng } from '../util/rng.ts';
import type { ServeOptions } from './flags.ts';
import { reportProblems } from './report.ts';
import { adminOptions, exchangeOptions, poolName, serverOptions } from './serve-options.ts';
import { runServices, type Service } from './services.ts';
import { resolveEndpoints } from './static-pool.ts';
import { createTransport } from './transports.ts';
import { VERSION } from './version.ts';

/** What a picker is made of. */
export interface PickerInputs {
  readonly options: ServeOptions;
  readonly config: EndpointPickerConfig;
  readonly log: RootLog;
  readonly clock: Clock;
}

/** Every service of `epp serve`, constructed and wired; nothing else constructs services. */
export class Picker {
  readonly server: ExtProcServer;
  readonly admin: AdminServer;
  readonly store: EndpointStore;
  readonly inFlight = new InFlight();
  readonly #inputs: PickerInputs;
  readonly #pipeline: Pipeline;
  readonly #data: DataRuntime;
  readonly #lag: EventLoopLag;
  readonly #rewriter: ModelRewriter;
  /** Aborts when everything has drained: plugins, discovery and scraping work until then. */
  readonly #lifetime: AbortController;

  private constructor(inputs: PickerInputs, pipeline: Pipeline, parts: Foundation) {
    const { options, config, clock, log } = inputs;
    const { registry, store } = parts;
    this.#lifetime = parts.lifetime;
    this.#inputs = inputs;
    this.#pipeline = pipeline;
    this.store = store;
    this.#lag = new EventLoopLag(registry, clock);
    registry.gauge('info', { commit: VERSION, build_ref: process.version }, () => 1);
    this.#data = new DataRuntime(pipeline.sources, {
      store,
      clock,
      rng: new SeededRng(randomSeed()),
      log: log.component('data'),
      instruments: registry,
      baseIntervalMs: options.refreshMetricsIntervalMs,
      stalenessMs: options.metricsStalenessThresholdMs,
    });
    store.observe(
      new PoolMetrics(registry, clock, {
        poolName: poolName(options),
        refreshMs: options.refreshPoolMetricsIntervalMs,
        stalenessMs: options.metricsStalenessThresholdMs,
        endpoints: () => store.endpoints,
      }),
    );
    for (const { plugin } of pipeline.endpointObservers) store.observe(plugin);
    this.#rewriter = new ModelRewriter({
      rng: new SeededRng(randomSeed()),
      instruments: registry,
      pinModel: (model) => registry.pinModel(model),
    });
    this.server = this.#createServer(registry);
    this.admin = new AdminServer({
      ...adminOptions(options),
      clock,
      log: log.component('admin'),
      registry,
      processMetrics: new ProcessMetrics(),
      plugins: pipeline.plugins,
      configText: () => effectiveConfiguration(config),
      endpoints: () => {
        refreshLoadViews(store.endpoints, clock.nowMs(), options.metricsStalenessThresholdMs);
        return store.endpoints;
      },
    });
  }

  /** Undefined when a plugin cannot be constructed; every such problem is logged. */
  static create(inputs: PickerInputs): Picker | undefined {
    const { options, clock, log } = inputs;
    const registry = new MetricRegistry({ deprecatedTwins: options.deprecatedMetrics });
    const store = new EndpointStore(log.component('pool'));
    const lifetime = new AbortController();
    const { pipeline, problems } = buildPipeline(inputs.config, (name, type) => ({
      name,
      type,
      clock,
      rng: new SeededRng(randomSeed()),
      log: log.component(name),
      instruments: registry,
      endpoints: () => store.endpoints,
      signal: lifetime.signal,
    }));
    reportProblems(problems, options, log);
    return pipeline && new Picker(inputs, pipeline, { registry, store, lifetime });
  }

  /** Serves until `signal` aborts, drains, and stops everything. */
  async run(signal: AbortSignal): Promise<void> {
    const { options, log } = this.#inputs;
    await runServices(this.#services(), {
      signal,
      started: () => {
        log.info(
          { version: VERSION, endpoints: this.store.endpoints.length, metricsPort: this.admin.port },
          'picker is ready',
        );
      },
      stopping: async () => {
        log.info({ openStreams: this.server.openStreams }, 'draining');
        await this.server.drain(options.drainTimeoutMs);
        log.info({}, 'drained');
      },
    });
  }

  /** The ext-proc port opens last, when there is something to route by. */
  #services(): readonly Service[] {
    const { admin, server, store } = this;
    const data = this.#data;
    const lag = this.#lag;
    return [
      {
        start: () => admin.start(),
        [Symbol.asyncDispose]: async () => {
          lag[Symbol.dispose]();
          await admin[Symbol.asyncDispose]();
        },
      },
      { start: async () => data.start(), [Symbol.asyncDispose]: () => data.close() },
      {
        start: async () => {
          const { discovery } = this.#pipeline;
          if (discovery === undefined)
            store.replaceAll(await resolveEndpoints(this.#inputs.options.endpoints));
          else await discovery.plugin.start(store, this.#lifetime.signal);
          await data.firstRound(FIRST_ROUND_MS);
        },
        [Symbol.asyncDispose]: async () => this.#lifetime.abort(),
      },
      { start: () => server.start(), [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() },
    ];
  }

  #createServer(registry: MetricRegistry): ExtProcServer {
    const { options, clock, log } = this.#inputs;
    const { store, inFlight } = this;
    const pipeline = this.#pipeline;
    const data = this.#data;
    const metrics = new RequestMetrics(registry, clock);
    const services = { clock, instruments: registry };
    const rewriter = this.#rewriter;
    const gate = new SaturationGate(pipeline.saturationDetector.plugin, clock);
    const scheduler = new Scheduler({ ...services, ...pipeline, log: log.component('scheduler') });
    const requestStage = new Director(
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
        noteActivity: () => data.noteActivity(),
        observer: metrics,
      },
      {
        emitScores: options.emitEndpointScores,
        ignoreSubset: options.ignoresSubset,
        trustControlHeaders: options.trustClientControlHeaders,
      },
    );
    const responseStage = new ResponseHandler({
      ...services,
      log: log.component('response'),
      observer: metrics,
      headerHooks: pipeline.responseHeaderHooks,
      bodyHooks: pipeline.responseBodyHooks,
      served: (hostPort) => store.byHostPort(hostPort),
      moved: (request, endpoint) => {
        if (request.heldEndpoint !== undefined) inFlight.hold(request, endpoint);
      },
      refused: (request: InferenceRequest) => {
        if (request.endpoint !== undefined) data.reportRefused(request.endpoint);
      },
      release: (request) => inFlight.release(request),
    });
    return new ExtProcServer(serverOptions(options), {
      clock,
      log: log.component('extproc'),
      instruments: registry,
      requestStage,
      responseStage,
      options: exchangeOptions(options),
      createTransport: createTransport(options.transport, clock, log.component('transport')),
      health: () => ({
        isLive: true,
        isProtocolSupported: true,
        arePluginsReady: true,
        leadership: 'off',
      }),
    });
  }
}

/** What exists before plugins are constructed. */
interface Foundation {
  readonly registry: MetricRegistry;
  readonly store: EndpointStore;
  readonly lifetime: AbortController;
}

/** Longest wait for the first scrapes before the port opens: a dead endpoint must not hold up the start. */
const FIRST_ROUND_MS = 500;
