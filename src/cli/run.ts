import type { HealthInputs } from '../extproc/health.ts';
import { ExtProcServer } from '../extproc/server.ts';
import { countStrayErrors } from '../own-plugins/stray.ts';
import { AdminServer } from '../telemetry/admin-server.ts';
import { EventLoopLag } from '../telemetry/event-loop-lag.ts';
import type { RootLog } from '../telemetry/logger.ts';
import { ProcessMetrics } from '../telemetry/process-metrics.ts';
import { MetricRegistry } from '../telemetry/registry.ts';
import type { Clock } from '../util/clock.ts';
import type { ServeOptions } from './flags.ts';
import type { KubeControl } from './kube-control.ts';
import type { PoolPlan } from './pool-plans.ts';
import { PoolSet, type RunningPool } from './pool-set.ts';
import { adminOptions, exchangeOptions, serverOptions } from './serve-options.ts';
import { runServices, type Service } from './services.ts';
import { resolveEndpoints } from './static-pool.ts';
import { createTransport } from './transports.ts';
import { VERSION } from './version.ts';

/** What a picker is made of. */
export interface PickerInputs {
  readonly options: ServeOptions;
  /** One or more. */
  readonly plans: readonly PoolPlan[];
  readonly log: RootLog;
  readonly clock: Clock;
  /** Environment variables of the process. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Undefined without Kubernetes. */
  readonly kube: KubeControl | undefined;
}

/** Every service of `epp serve`, constructed and wired; here and in `pool-runtime.ts`, and nowhere else. */
export class Picker {
  readonly server: ExtProcServer;
  readonly admin: AdminServer;
  readonly #inputs: PickerInputs;
  readonly #pools: PoolSet;
  readonly #registry: MetricRegistry;
  readonly #lag: EventLoopLag;

  private constructor(inputs: PickerInputs, pools: PoolSet, registry: MetricRegistry) {
    const { options, plans, clock, log } = inputs;
    this.#inputs = inputs;
    this.#pools = pools;
    this.#registry = registry;
    this.#lag = new EventLoopLag(registry, clock);
    const strayErrors = registry.counter('plugin_stray_errors_total', {});
    countStrayErrors(() => {
      strayErrors.value += 1;
    });
    registry.gauge('info', { commit: VERSION, build_ref: process.version }, () => 1);
    this.server = new ExtProcServer(serverOptions(options), {
      clock,
      log: log.component('extproc'),
      instruments: registry,
      requestStage: pools.requestStage,
      responseStage: pools.responseStage,
      options: exchangeOptions(options, plans.length),
      createTransport: createTransport(options.transport, clock, log.component('transport')),
      health: () => ({ ...this.#health(), arePluginsReady: pools.arePluginsReady }),
    });
    this.admin = new AdminServer({
      ...adminOptions(options),
      clock,
      log: log.component('admin'),
      registry,
      processMetrics: new ProcessMetrics(),
      plugins: [
        ...pools.plugins,
        ...(inputs.kube === undefined
          ? []
          : [{ name: 'kubernetes', type: 'kubernetes', plugin: inputs.kube }]),
      ],
      authorize: inputs.kube?.authorize,
      configText: () => pools.configText(),
      endpoints: () => pools.members(),
    });
  }

  /** Undefined when no pool can work; every reason is logged. */
  static create(inputs: PickerInputs): Picker | undefined {
    const registry = new MetricRegistry({ deprecatedTwins: inputs.options.deprecatedMetrics });
    const pools = PoolSet.create({ ...inputs, registry });
    return pools && new Picker(inputs, pools, registry);
  }

  /**
   * Serves until `signal` aborts, drains, and stops everything. Resolves with false when it ended because another
   * replica leads.
   */
  async run(signal: AbortSignal): Promise<boolean> {
    const { options, log, kube } = this.#inputs;
    const lost = new AbortController();
    const leading = kube?.lead(signal, this.#registry).then((isOrderly) => {
      if (!isOrderly) lost.abort();
    });
    await runServices(this.#services(), {
      signal: AbortSignal.any([signal, lost.signal]),
      started: () => {
        log.info(
          { version: VERSION, endpoints: this.#pools.endpointCount, metricsPort: this.admin.port },
          'picker is ready',
        );
      },
      stopping: async () => {
        log.info({ openStreams: this.server.openStreams }, 'draining');
        await this.server.drain(options.drainTimeoutMs);
        log.info({}, 'drained');
      },
    });
    await leading;
    await kube?.[Symbol.asyncDispose]();
    return !lost.signal.aborted;
  }

  #health(): Omit<HealthInputs, 'arePluginsReady'> {
    const { kube } = this.#inputs;
    if (kube === undefined) return { isLive: true, isProtocolSupported: true, leadership: 'off' };
    return kube.health(this.#pools.running);
  }

  /** The ext-proc port opens last, when there is something to route by. */
  #services(): readonly Service[] {
    const { admin, server } = this;
    const pools = this.#pools;
    const lag = this.#lag;
    return [
      {
        start: () => admin.start(),
        [Symbol.asyncDispose]: async () => {
          lag[Symbol.dispose]();
          await admin[Symbol.asyncDispose]();
        },
      },
      {
        start: () => pools.start((pool, signal) => this.#discover(pool, signal)),
        [Symbol.asyncDispose]: () => pools[Symbol.asyncDispose](),
      },
      { start: () => server.start(), [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() },
    ];
  }

  async #discover({ plan, runtime }: RunningPool, signal: AbortSignal): Promise<void> {
    const { kube } = this.#inputs;
    const { store, rewriter } = runtime;
    const { discovery } = runtime.pipeline;
    if (plan.endpoints.length > 0) {
      runtime.followNoObjects();
      store.replaceAll(await resolveEndpoints(plan.endpoints));
    } else if (discovery !== undefined) {
      runtime.followNoObjects();
      await discovery.plugin.start(store, signal);
    } else if (kube !== undefined) {
      void kube.observe(plan, runtime.pipeline.objectObservers, signal);
      await kube.discover(plan, { writer: store, rewrites: rewriter }, signal);
    }
  }
}
