import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { HealthInputs } from '../extproc/health.ts';
import type { PoolWriter } from '../framework/discovery.ts';
import type { Instruments } from '../framework/instruments.ts';
import type { RewriteSink } from '../framework/model-rewrites.ts';
import type { Parser } from '../framework/parser.ts';
import { type KubeClient, loadKubeApi } from '../kube/client.ts';
import { LeaderElection, leaseName } from '../kube/lease.ts';
import { selectorPool } from '../kube/pool-spec.ts';
import { type PoolSource, PoolWatcher } from '../kube/pool-watcher.ts';
import { type AccessAnswer, type AccessQuestion, AccessReview } from '../kube/review.ts';
import type { RootLog } from '../telemetry/logger.ts';
import { type Clock, sleep } from '../util/clock.ts';
import { randomSeed, SeededRng } from '../util/rng.ts';
import type { ServeOptions } from './flags.ts';

/** What is needed to work in a cluster. */
export interface KubeInputs {
  readonly options: ServeOptions;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: RootLog;
  /** Replicas that do not lead know the pool too (feature gate `haPopulateNonLeaderDatastore`). */
  readonly followersDiscover: boolean;
}

/** Longest wait for the pool before the ports open: probes must be answered, also while the API server is away. */
const START_WAIT_MS = 2000;

/** How soon a new leader begins to look for its pool. */
const LEADER_POLL_MS = 100;

/** What Kubernetes adds to a picker: who is in the pool, who leads, who may read the metrics. */
export class KubeControl implements AsyncDisposable {
  /** Of the pool; in selector mode that of the Deployment. */
  readonly poolName: string;
  readonly #inputs: KubeInputs;
  readonly #api: KubeClient;
  readonly #source: PoolSource;
  readonly #review: AccessReview | undefined;
  #watcher: PoolWatcher | undefined = undefined;
  #election: LeaderElection | undefined = undefined;

  private constructor(inputs: KubeInputs, api: KubeClient) {
    const { options, env, clock, log } = inputs;
    this.#inputs = inputs;
    this.#api = api;
    this.poolName = options.poolName === '' ? deploymentName(env) : options.poolName;
    this.#source =
      options.endpointSelector === ''
        ? { kind: 'pool', name: options.poolName, group: options.poolGroup }
        : {
            kind: 'selector',
            spec: selectorPool(options.endpointSelector, options.endpointTargetPorts),
          };
    this.#review = options.metricsEndpointAuth
      ? new AccessReview({ api, clock, log: log.component('metrics-auth') })
      : undefined;
  }

  /** Flags ask for Kubernetes: they name a pool or select pods, and nothing else says where the endpoints are. */
  static isWanted(options: ServeOptions, hasDiscovery: boolean): boolean {
    const isNamed = options.poolName !== '' || options.endpointSelector !== '';
    return isNamed && options.endpoints.length === 0 && !hasDiscovery;
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

  /** Fills the pool and keeps it filled until `signal` aborts; resolves when it is filled, or has had its time. */
  async discover(
    sinks: { readonly writer: PoolWriter; readonly rewrites: RewriteSink },
    signal: AbortSignal,
  ): Promise<void> {
    const { options, clock, log } = this.#inputs;
    const watcher = new PoolWatcher({
      ...sinks,
      api: this.#api,
      namespace: options.poolNamespace,
      source: this.#source,
      clock,
      rng: new SeededRng(randomSeed()),
      log: log.component('kubernetes'),
    });
    this.#watcher = watcher;
    const started = this.#mayDiscover(signal).then(() => watcher.start(signal));
    await Promise.race([started, sleep(clock, START_WAIT_MS, signal)]);
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
      name: leaseName(options.poolNamespace, this.poolName),
      identity: `${hostname()}_${randomUUID()}`,
      clock,
      rng: new SeededRng(randomSeed()),
      log: log.component('leader-election'),
      instruments,
    });
    return (await this.#election.run(signal)) === 'released';
  }

  /** As of now, but for the plugins. */
  health(parsers: readonly Parser[]): Omit<HealthInputs, 'arePluginsReady'> {
    const watcher = this.#watcher;
    const protocol = watcher?.appProtocol;
    return {
      isLive: watcher?.isPoolKnown === true && watcher.hasSyncedPods,
      isProtocolSupported:
        protocol === undefined ||
        parsers.every(({ protocols }) => protocols.length === 0 || protocols.includes(protocol)),
      leadership: !this.#inputs.options.leaderElection
        ? 'off'
        : this.#election?.isLeader === true
          ? 'leader'
          : 'follower',
    };
  }

  /** Resolves at once, or, where only the leader is to know the pool, when this replica leads. */
  async #mayDiscover(signal: AbortSignal): Promise<void> {
    const { options, followersDiscover, clock } = this.#inputs;
    if (followersDiscover || !options.leaderElection) return;
    while (this.#election?.isLeader !== true && !signal.aborted) await sleep(clock, LEADER_POLL_MS, signal);
  }

  /** What is known of the pool, for people. */
  dumpState(): unknown {
    return this.#watcher?.dumpState();
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
