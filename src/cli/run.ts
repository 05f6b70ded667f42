import { effectiveConfiguration } from '../config/effective.ts';
import type { EndpointPickerConfig } from '../config/load.ts';
import type { HealthInputs } from '../extproc/health.ts';
import { ExtProcServer } from '../extproc/server.ts';
import type { PoolWriter } from '../framework/discovery.ts';
import { AdminServer } from '../telemetry/admin-server.ts';
import { EventLoopLag } from '../telemetry/event-loop-lag.ts';
import type { RootLog } from '../telemetry/logger.ts';
import { ProcessMetrics } from '../telemetry/process-metrics.ts';
import { MetricRegistry } from '../telemetry/registry.ts';
import type { Clock } from '../util/clock.ts';
import type { ServeOptions } from './flags.ts';
import type { KubeControl } from './kube-control.ts';
import { PoolRuntime } from './pool-runtime.ts';
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
  /** Undefined without Kubernetes. */
  readonly kube: KubeControl | undefined;
}

/** Every service of `epp serve`, constructed and wired; here and in `pool-runtime.ts`, and nowhere else. */
export class Picker {
  readonly server: ExtProcServer;
  readonly admin: AdminServer;
  readonly #inputs: PickerInputs;
  readonly #pool: PoolRuntime;
  readonly #registry: MetricRegistry;
  readonly #lag: EventLoopLag;

  private constructor(inputs: PickerInputs, pool: PoolRuntime, registry: MetricRegistry) {
    const { options, config, clock, log } = inputs;
    this.#inputs = inputs;
    this.#pool = pool;
    this.#registry = registry;
    this.#lag = new EventLoopLag(registry, clock);
    registry.gauge('info', { commit: VERSION, build_ref: process.version }, () => 1);
    this.server = new ExtProcServer(serverOptions(options), {
      clock,
      log: log.component('extproc'),
      instruments: registry,
      requestStage: pool.requestStage,
      responseStage: pool.responseStage,
      options: exchangeOptions(options),
      createTransport: createTransport(options.transport, clock, log.component('transport')),
      health: () => ({ ...this.#health(), arePluginsReady: true }),
    });
    this.admin = new AdminServer({
      ...adminOptions(options),
      clock,
      log: log.component('admin'),
      registry,
      processMetrics: new ProcessMetrics(),
      plugins: [
        ...pool.pipeline.plugins,
        ...(inputs.kube === undefined
          ? []
          : [{ name: 'kubernetes', type: 'kubernetes', plugin: inputs.kube }]),
      ],
      authorize: inputs.kube?.authorize,
      configText: () => effectiveConfiguration(config),
      endpoints: () => pool.endpoints(),
    });
  }

  /** Undefined when a plugin cannot be constructed; every such problem is logged. */
  static create(inputs: PickerInputs): Picker | undefined {
    const registry = new MetricRegistry({ deprecatedTwins: inputs.options.deprecatedMetrics });
    const pool = PoolRuntime.create({
      ...inputs,
      registry,
      poolName: inputs.kube?.poolName ?? poolName(inputs.options),
    });
    return pool && new Picker(inputs, pool, registry);
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
          { version: VERSION, endpoints: this.#pool.store.endpoints.length, metricsPort: this.admin.port },
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
    return kube.health(this.#pool.pipeline.parsers.map(({ plugin }) => plugin));
  }

  /** The ext-proc port opens last, when there is something to route by. */
  #services(): readonly Service[] {
    const { admin, server } = this;
    const pool = this.#pool;
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
        start: () => pool.start((writer, signal) => this.#discover(writer, signal)),
        [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
      },
      { start: () => server.start(), [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() },
    ];
  }

  async #discover(writer: PoolWriter, signal: AbortSignal): Promise<void> {
    const { kube } = this.#inputs;
    const { discovery } = this.#pool.pipeline;
    if (kube !== undefined) await kube.discover({ writer, rewrites: this.#pool.rewriter }, signal);
    else if (discovery === undefined)
      writer.replaceAll(await resolveEndpoints(this.#inputs.options.endpoints));
    else await discovery.plugin.start(writer, signal);
  }
}
