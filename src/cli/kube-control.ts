import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { HealthInputs } from '../extproc/health.ts';
import type { PoolWriter } from '../framework/discovery.ts';
import type { ObjectKind } from '../framework/hooks.ts';
import type { Instruments } from '../framework/instruments.ts';
import type { RewriteSink } from '../framework/model-rewrites.ts';
import type { Pipeline } from '../framework/pipeline.ts';
import { type KubeClient, loadKubeApi } from '../kube/client.ts';
import { LeaderElection, leaseName } from '../kube/lease.ts';
import { ObjectFeed } from '../kube/object-feed.ts';
import { selectorPool } from '../kube/pool-spec.ts';
import { type PoolSource, PoolWatcher } from '../kube/pool-watcher.ts';
import { type AccessAnswer, type AccessQuestion, AccessReview } from '../kube/review.ts';
import { SharedWatches } from '../kube/shared-watches.ts';
import type { RootLog } from '../telemetry/logger.ts';
import { type Clock, sleep } from '../util/clock.ts';
import { type Rng, randomSeed, SeededRng } from '../util/rng.ts';
import type { ServeOptions } from './flags.ts';
import { isInKubernetes, type PoolPlan } from './pool-plans.ts';

/** What is needed to work in a cluster. */
export interface KubeInputs {
  readonly options: ServeOptions;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: RootLog;
  /** Those that are to be found here, one or more; the only one may have no name, with `--endpoint-selector`. */
  readonly pools: readonly PoolPlan[];
  /** Replicas that do not lead know the pool too (feature gate `haPopulateNonLeaderDatastore`). */
  readonly followersDiscover: boolean;
}

/** A pool that runs, and what reads its requests. */
export interface ReadablePool {
  readonly plan: PoolPlan;
  readonly runtime: { readonly pipeline: Pick<Pipeline, 'parsers'> };
}

/** Longest wait for the pool before the ports open: probes must be answered, also while the API server is away. */
const START_WAIT_MS = 2000;

/** In the log. */
const COMPONENT = 'kubernetes';

/** How soon a new leader begins to look for its pool. */
const LEADER_POLL_MS = 100;

/** What Kubernetes adds to a picker: who is in the pools, who leads, who may read the metrics. */
export class KubeControl implements AsyncDisposable {
  readonly #inputs: KubeInputs;
  readonly #api: KubeClient;
  /** Name of the Deployment. */
  readonly #ownName: string;
  readonly #review: AccessReview | undefined;
  /** Of many pools, by namespace. */
  readonly #watches = new Map<string, SharedWatches>();
  /** Protocols that no parser understands, by pool, where that was logged. */
  readonly #reported = new Map<PoolPlan, string>();
  readonly #watchers = new Map<PoolPlan, PoolWatcher>();
  /** By namespace and kind. */
  readonly #feeds = new Map<string, ObjectFeed>();
  #election: LeaderElection | undefined = undefined;

  private constructor(inputs: KubeInputs, api: KubeClient) {
    const { options, env, clock, log } = inputs;
    this.#inputs = inputs;
    this.#api = api;
    this.#ownName = deploymentName(env);
    if (options.endpointSelector !== '') this.#source(''); // throws for what makes no pool
    this.#review = options.metricsEndpointAuth
      ? new AccessReview({ api, clock, log: log.component('metrics-auth') })
      : undefined;
  }

  /** Throws `ConfigurationError` when nothing says where the API server is, or the flags make no pool. */
  static async create(inputs: KubeInputs): Promise<KubeControl> {
    const { env, clock } = inputs;
    return new KubeControl(inputs, await loadKubeApi({ env, clock }));
  }

  /** Who may read the metrics port; undefined: everybody. */
  get authorize(): ((question: AccessQuestion) => Promise<AccessAnswer>) | undefined {
    const review = this.#review;
    return review && ((question) => review.authorize(question));
  }

  /** `plans` with a name for the one that has none: that of the Deployment. */
  named(plans: readonly PoolPlan[]): readonly PoolPlan[] {
    return plans.map((plan) => (plan.name === '' ? { ...plan, label: this.#ownName } : plan));
  }

  /** Fills a pool and keeps it filled until `signal` aborts; resolves when it is filled, or has had its time. */
  async discover(
    plan: PoolPlan,
    sinks: { readonly writer: PoolWriter; readonly rewrites: RewriteSink },
    signal: AbortSignal,
  ): Promise<void> {
    const { pools, clock, log } = this.#inputs;
    const isOne = pools.length === 1;
    const watcher = new PoolWatcher({
      ...sinks,
      ...this.#services(),
      namespace: plan.namespace,
      source: this.#source(plan.name),
      log: (isOne ? log : log.forPool(plan.label)).component(COMPONENT),
      shared: isOne ? undefined : this.#watchesOf(plan.namespace),
    });
    this.#watchers.set(plan, watcher);
    const started = this.#mayDiscover(signal).then(() => watcher.start(signal));
    await Promise.race([started, sleep(clock, START_WAIT_MS, signal)]);
  }

  /** Tells plugins of a pool of the objects that they follow, until `signal` aborts; never rejects. */
  async observe(plan: PoolPlan, observers: Pipeline['objectObservers'], signal: AbortSignal): Promise<void> {
    await this.#mayDiscover(signal);
    for (const observer of observers) {
      const { observedKind } = observer.plugin;
      if (observedKind !== undefined) this.#feedOf(plan.namespace, observedKind).follow(observer, signal);
    }
  }

  /**
   * Takes part in the election until `signal` aborts. Resolves with false when leadership was lost, at once with true
   * when there is no election.
   */
  async lead(signal: AbortSignal, instruments: Instruments): Promise<boolean> {
    const { options, clock, log } = this.#inputs;
    if (!options.leaderElection) return true;
    this.#election = new LeaderElection({
      api: this.#api,
      namespace: options.poolNamespace,
      name: leaseName(options.poolNamespace, this.#leaseOwner),
      identity: `${hostname()}_${randomUUID()}`,
      clock,
      rng: new SeededRng(randomSeed()),
      log: log.component('leader-election'),
      instruments,
    });
    return (await this.#election.run(signal)) === 'released';
  }

  /**
   * As of now, but for the plugins. One parser that understands a pool's protocol is enough: others may be there for other
   * pools, or for paths that nobody asks for. Of many pools those count that work: one that is gone, cannot be followed, or speaks
   * what no parser of it understands keeps no request of another from being served.
   */
  health(running: readonly ReadablePool[]): Omit<HealthInputs, 'arePluginsReady'> {
    const live = running.filter(({ plan }) => this.#isLive(plan));
    return {
      isLive: live.length > 0,
      isProtocolSupported: (live.length > 0 ? live : running).some((pool) => this.#isUnderstood(pool)),
      leadership: !this.#inputs.options.leaderElection
        ? 'off'
        : this.#election?.isLeader === true
          ? 'leader'
          : 'follower',
    };
  }

  #isLive(plan: PoolPlan): boolean {
    if (!isInKubernetes(plan)) return true;
    const watcher = this.#watchers.get(plan);
    return watcher?.isPoolKnown === true && watcher.hasSyncedPods;
  }

  #isUnderstood({ plan, runtime }: ReadablePool): boolean {
    const protocol = this.#watchers.get(plan)?.appProtocol;
    if (protocol === undefined) return true;
    const { parsers } = runtime.pipeline;
    const isUnderstood = parsers.some(
      ({ plugin: { protocols } }) => protocols.length === 0 || protocols.includes(protocol),
    );
    if (isUnderstood) this.#reported.delete(plan);
    else if (this.#reported.get(plan) !== protocol) {
      this.#reported.set(plan, protocol);
      this.#inputs.log
        .component(COMPONENT)
        .error(
          { pool: plan.label, appProtocol: protocol, parsers: parsers.map(({ name }) => name) },
          'no parser understands what the model servers of the pool speak; it is not ready',
        );
    }
    return isUnderstood;
  }

  #source(name: string): PoolSource {
    const { poolGroup, endpointSelector, endpointTargetPorts } = this.#inputs.options;
    return endpointSelector === ''
      ? { kind: 'pool', name, group: poolGroup }
      : { kind: 'selector', spec: selectorPool(endpointSelector, endpointTargetPorts) };
  }

  /** What leads: the pool, or, for many, the Deployment. */
  get #leaseOwner(): string {
    const [first, ...others] = this.#inputs.pools;
    return others.length === 0 && first !== undefined && first.name !== '' ? first.name : this.#ownName;
  }

  #services(): { readonly api: KubeClient; readonly clock: Clock; readonly rng: Rng } {
    return { api: this.#api, clock: this.#inputs.clock, rng: new SeededRng(randomSeed()) };
  }

  #watchesOf(namespace: string): SharedWatches {
    let watches = this.#watches.get(namespace);
    if (watches === undefined) {
      const log = this.#inputs.log.component(COMPONENT);
      watches = new SharedWatches({ ...this.#services(), namespace, log });
      this.#watches.set(namespace, watches);
    }
    return watches;
  }

  #feedOf(namespace: string, kind: ObjectKind): ObjectFeed {
    const key = [namespace, kind.group, kind.version, kind.kind].join('/');
    let feed = this.#feeds.get(key);
    if (feed === undefined) {
      const log = this.#inputs.log.component(COMPONENT);
      feed = new ObjectFeed({ ...this.#services(), namespace, log }, kind);
      this.#feeds.set(key, feed);
    }
    return feed;
  }

  /** Resolves at once, or, where only the leader is to know the pool, when this replica leads. */
  async #mayDiscover(signal: AbortSignal): Promise<void> {
    const { options, followersDiscover, clock } = this.#inputs;
    if (followersDiscover || !options.leaderElection) return;
    while (this.#election?.isLeader !== true && !signal.aborted) await sleep(clock, LEADER_POLL_MS, signal);
  }

  /** What is known of the pools, for people. */
  dumpState(): unknown {
    const states = Array.from(
      this.#watchers,
      ([plan, watcher]) => [plan.label, watcher.dumpState()] as const,
    );
    return this.#inputs.pools.length === 1 ? states[0]?.[1] : Object.fromEntries(states);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#api[Symbol.asyncDispose]();
  }
}

/** Name of the Deployment by that of its pod; the pod's own where it is none's, as of a StatefulSet. */
function deploymentName(env: KubeInputs['env']): string {
  const pod = env['POD_NAME'] || hostname();
  return /^(.+)-[a-z0-9]+-[a-z0-9]+$/.exec(pod)?.[1] ?? pod;
}
