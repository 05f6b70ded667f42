import { effectiveConfiguration } from '../config/effective.ts';
import { PollGroup } from '../data/poll-group.ts';
import type { RequestStage, ResponseStage } from '../extproc/exchange.ts';
import type { Parser } from '../framework/parser.ts';
import type { Named } from '../framework/plugin.ts';
import { ParserRegistry } from '../request/path.ts';
import type { PoolMembers } from '../telemetry/debug-pages.ts';
import type { RootLog } from '../telemetry/logger.ts';
import type { MetricRegistry } from '../telemetry/registry.ts';
import { RequestMetrics } from '../telemetry/request-metrics.ts';
import type { Clock } from '../util/clock.ts';
import type { ServeOptions } from './flags.ts';
import type { PoolPlan } from './pool-plans.ts';
import { PoolRouter } from './pool-router.ts';
import { PoolRuntime } from './pool-runtime.ts';

/** What pools are made with. */
export interface PoolSetInputs {
  readonly options: ServeOptions;
  /** One or more. */
  readonly plans: readonly PoolPlan[];
  readonly log: RootLog;
  readonly clock: Clock;
  readonly registry: MetricRegistry;
  /** Environment variables of the process. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** A pool that works. */
export interface RunningPool {
  readonly plan: PoolPlan;
  readonly runtime: PoolRuntime;
}

/** Fills a pool and keeps it filled until `signal` aborts; resolves when it is filled, or has had its time. */
export type Discover = (pool: RunningPool, signal: AbortSignal) => Promise<void>;

/** All pools of the process. One is as if there were no set; of many, each lives and fails on its own. */
export class PoolSet implements AsyncDisposable {
  readonly requestStage: RequestStage;
  readonly responseStage: ResponseStage;
  /** Those whose parts could be made, one or more. */
  readonly running: readonly RunningPool[];
  readonly #inputs: PoolSetInputs;

  private constructor(inputs: PoolSetInputs, running: readonly RunningPool[], metrics: RequestMetrics) {
    this.#inputs = inputs;
    this.running = running;
    const [first] = running;
    if (inputs.plans.length === 1 && first !== undefined) {
      this.requestStage = first.runtime.requestStage;
      this.responseStage = first.runtime.responseStage;
    } else {
      const router = this.#createRouter(metrics);
      this.requestStage = router;
      this.responseStage = router;
    }
  }

  /** Undefined when no pool can work; why each cannot is logged. */
  static create(inputs: PoolSetInputs): PoolSet | undefined {
    const { plans, clock, registry, log } = inputs;
    const metrics = new RequestMetrics(registry, clock);
    const shared = {
      polls: new PollGroup(clock),
      metrics,
      pinModel: (model: string) => registry.pinModel(model),
    };
    const running: RunningPool[] = [];
    for (const plan of plans) {
      const isOne = plans.length === 1;
      const { label, config, configSource } = plan;
      const poolLog = isOne ? log : log.forPool(label);
      const instruments = isOne ? registry : registry.forPart(`${plan.namespace}/${plan.name}`);
      const runtime =
        config &&
        PoolRuntime.create({
          ...inputs,
          config,
          configSource,
          log: poolLog,
          instruments,
          poolName: label,
          pools: plans.length,
          shared,
        });
      if (runtime !== undefined) running.push({ plan, runtime });
      else if (!isOne) poolLog.error({}, 'the pool cannot work, its requests are refused');
    }
    if (running.length === 0) return undefined;
    if (plans.length > 1) {
      log.info({ pools: plans.length, working: running.length }, 'one process serves many pools');
    }
    return new PoolSet(inputs, running, metrics);
  }

  /** Some pool can work as far as its plugins know: of many pools, one that waits keeps no other from working. */
  get arePluginsReady(): boolean {
    return this.running.some(({ runtime }) => runtime.arePluginsReady);
  }

  /** Plugins of all pools, under names that differ. */
  get plugins(): readonly Named<object>[] {
    return this.running.flatMap(({ plan, runtime }) => {
      const { plugins } = runtime.pipeline;
      if (this.#inputs.plans.length === 1) return plugins;
      return plugins.map((one) => ({ ...one, name: `${plan.label}/${one.name}` }));
    });
  }

  /** With what scorers read of them as of now. */
  members(): readonly PoolMembers[] {
    return this.running.map(({ plan, runtime }) => ({ pool: plan.label, endpoints: runtime.endpoints() }));
  }

  get endpointCount(): number {
    return this.running.reduce((sum, { runtime }) => sum + runtime.store.endpoints.length, 0);
  }

  /** The configurations in effect, each once, as YAML documents. */
  configText(): string {
    const texts = new Map(this.running.map(({ plan }) => [plan.config, plan.configSource] as const));
    if (texts.size === 1) {
      for (const [config] of texts) if (config !== undefined) return effectiveConfiguration(config);
    }
    const parts: string[] = [];
    for (const [config, source] of texts) {
      if (config !== undefined) parts.push(`# ${source}\n${effectiveConfiguration(config)}`);
    }
    return parts.join('---\n');
  }

  /** Starts all pools at once. Of many, one that fails is logged and stays empty. */
  async start(discover: Discover): Promise<void> {
    const { plans, log } = this.#inputs;
    await Promise.all(
      this.running.map(async (pool) => {
        try {
          await pool.runtime.start((signal) => discover(pool, signal));
        } catch (error) {
          if (plans.length === 1) throw error;
          log.forPool(pool.plan.label).error({ err: error }, 'the pool cannot find its endpoints');
        }
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.running.map(({ runtime }) => runtime[Symbol.asyncDispose]()));
  }

  #createRouter(metrics: RequestMetrics): PoolRouter {
    const { plans, options, clock, log } = this.#inputs;
    const runtimeOf = new Map(this.running.map(({ plan, runtime }) => [plan, runtime]));
    const pools = plans.map((plan) => {
      const runtime = runtimeOf.get(plan);
      const stages = runtime && { request: runtime.requestStage, response: runtime.responseStage };
      return { name: plan.name, namespace: plan.namespace, label: plan.label, stages };
    });
    const parsers: readonly Named<Parser>[] = this.running[0]?.runtime.pipeline.parsers ?? [];
    const paths = new ParserRegistry(parsers, log.component('parsers'));
    return new PoolRouter(pools, {
      defaultNamespace: options.poolNamespace,
      header: options.poolHeader.toLowerCase(),
      errorShapeOf: (path) => paths.resolve(path)?.plugin.errorShape ?? 'openai',
      clock,
      observer: metrics,
    });
  }
}
