import type { PoolWriter } from '../framework/discovery.ts';
import { formatLabelSelector } from '../framework/label-selector.ts';
import type { RewriteSink } from '../framework/model-rewrites.ts';
import { sleep } from '../util/clock.ts';
import { EndpointTable } from './endpoint-table.ts';
import { objectivesOf } from './objectives.ts';
import { OwnWatches, type WatchServices } from './own-watches.ts';
import type { PoolIdentity } from './pool-ref.ts';
import type { PoolReading, PoolSpec } from './pool-spec.ts';
import { ProblemLog } from './problem-log.ts';
import type { SelectedPods, Watch, Watches } from './watches.ts';

/** Longest wait at the start for objectives and rewrites, without which requests can be routed. */
const EXTRAS_WAIT_MS = 2000;

/** What makes up the pool: an InferencePool with its objectives and rewrites, or pods alone. */
export type PoolSource =
  | ({ readonly kind: 'pool' } & PoolIdentity)
  /** `spec`: see `selectorPool`. */
  | { readonly kind: 'selector'; readonly spec: PoolSpec };

/** What a pool watcher follows and whom it tells; the namespace is that of the pool and of everything that belongs to it. */
export interface PoolWatcherOptions extends WatchServices {
  readonly source: PoolSource;
  readonly writer: PoolWriter;
  readonly rewrites: RewriteSink;
  /** Watches that the pools of the namespace have in common; undefined for some of its own. */
  readonly shared?: Watches | undefined;
}

/**
 * Keeps a pool as Kubernetes has it. Nothing that goes wrong there takes an endpoint away: what is known stays until
 * something else is known. A pool that is deleted loses its endpoints; objectives and rewrites have lives of their own.
 */
export class PoolWatcher {
  readonly #options: PoolWatcherOptions;
  readonly #pods: SelectedPods;
  readonly #pool: Watch | undefined = undefined;
  readonly #objectives: Watch | undefined = undefined;
  readonly #rewrites: Watch | undefined = undefined;
  readonly #poolProblems: ProblemLog;
  readonly #table = new EndpointTable();
  readonly #settled = Promise.withResolvers<void>();
  #signal: AbortSignal = AbortSignal.abort();
  #spec: PoolSpec | undefined = undefined;
  /** It has been said that there is no pool. */
  #isDismissed = false;
  #counts = { endpoints: 0, objectives: 0, rewriteRules: 0 };

  constructor(options: PoolWatcherOptions) {
    const { source, log, shared: watches = new OwnWatches(options) } = options;
    this.#options = options;
    this.#poolProblems = new ProblemLog(log, 'inferencepools');
    this.#pods = watches.pods(() => this.#apply());
    if (source.kind === 'selector') return;
    this.#pool = watches.pool(source.name, (reading) => this.#poolChanged(reading));
    this.#objectives = this.#watchObjectives(source, watches);
    this.#rewrites = this.#watchRewrites(source, watches);
  }

  /** There is a pool: its object exists and has been well-formed, or flags describe it. */
  get isPoolKnown(): boolean {
    return this.#spec !== undefined;
  }

  /** The pool's pods have been listed, by its selector or by the one before. */
  get hasSyncedPods(): boolean {
    return this.#spec !== undefined && this.#pods.pods !== undefined;
  }

  /** What the pool's model servers speak; undefined when the pool does not say or is not known. */
  get appProtocol(): PoolSpec['appProtocol'] {
    return this.#spec?.appProtocol;
  }

  /**
   * Resolves when the pool's endpoints have been written, or there is known to be no pool; waits a little for objectives
   * and rewrites. That is never when the API server cannot be reached. Goes on until `signal` aborts, and then resolves.
   */
  async start(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { source, clock } = this.#options;
    this.#signal = signal;
    const waits = new AbortController();
    signal.addEventListener('abort', () => this.#settled.resolve(), { once: true });
    if (source.kind === 'selector') this.#adopt(source.spec);
    const extras = Promise.all([this.#objectives?.start(signal), this.#rewrites?.start(signal)]);
    void this.#pool?.start(signal).then(() => {
      if (this.#spec === undefined) this.#settled.resolve();
    });
    await Promise.all([
      this.#settled.promise,
      Promise.race([extras, sleep(clock, EXTRAS_WAIT_MS, AbortSignal.any([signal, waits.signal]))]),
    ]);
    waits.abort();
  }

  /** For people: what is known, and for how long what is not up to date. */
  dumpState(): unknown {
    const { source, clock } = this.#options;
    const spec = this.#spec;
    const pods = this.#pods.pods;
    const watches = {
      pool: this.#pool,
      pods: this.#pods,
      objectives: this.#objectives,
      rewrites: this.#rewrites,
    };
    const failing = new Map<string, number>();
    for (const [name, watch] of Object.entries(watches)) {
      const forMs = clock.nowMs() - (watch?.failingSinceMs ?? Number.NaN);
      if (!Number.isNaN(forMs)) failing.set(name, Math.round(forMs));
    }
    return {
      source: source.kind,
      ...this.#place(),
      pool: spec && {
        selector: formatLabelSelector(spec.selector),
        targetPorts: spec.targetPorts,
        appProtocol: spec.appProtocol ?? '',
      },
      pods: pods?.length ?? 0,
      eligiblePods: pods?.filter((pod) => pod.isEligible).length ?? 0,
      hasSyncedPods: this.hasSyncedPods,
      ...this.#counts,
      followed: {
        pool: this.#pool?.apiVersion ?? '',
        objectives: this.#objectives?.apiVersion ?? '',
        rewrites: this.#rewrites?.apiVersion ?? '',
      },
      failingForMs: Object.fromEntries(failing),
    };
  }

  #poolChanged(reading: PoolReading | undefined): void {
    const { source } = this.#options;
    const name = source.kind === 'pool' ? source.name : '';
    this.#poolProblems.update(reading === undefined ? [] : [{ name, problems: reading.problems }]);
    if (reading !== undefined && reading.spec === undefined) return;
    if (reading?.spec === undefined || reading.spec.isDeleted) this.#dismiss();
    else this.#adopt(reading.spec);
  }

  #adopt(spec: PoolSpec): void {
    const before = this.#spec;
    this.#spec = spec;
    this.#isDismissed = false;
    const { log } = this.#options;
    const fields = {
      ...this.#place(),
      selector: formatLabelSelector(spec.selector),
      targetPorts: spec.targetPorts,
      appProtocol: spec.appProtocol ?? '',
    };
    if (before === undefined) log.info(fields, 'the pool is known');
    else if (!isSameSpec(before, spec)) log.info(fields, 'the pool has changed');
    this.#pods.follow(spec.selector, this.#signal);
    this.#apply();
  }

  #dismiss(): void {
    const { log, writer } = this.#options;
    if (this.#spec !== undefined) log.warn(this.#place(), 'the pool is gone');
    else if (!this.#isDismissed) log.warn(this.#place(), 'there is no such pool');
    this.#isDismissed = true;
    this.#spec = undefined;
    this.#pods.stop();
    this.#table.clear();
    this.#counts = { ...this.#counts, endpoints: 0 };
    writer.replaceAll([]);
    this.#settled.resolve();
  }

  /** Which pool it is, for logs and people. */
  #place(): object {
    const { source, namespace } = this.#options;
    return source.kind === 'pool' ? { namespace, name: source.name, group: source.group } : { namespace };
  }

  /** Brings the endpoints up to date with pool and pods. */
  #apply(): void {
    const { pods } = this.#pods;
    if (this.#spec === undefined || pods === undefined) return;
    const endpoints = this.#table.update(pods, this.#spec.targetPorts);
    if (endpoints !== undefined) {
      this.#counts = { ...this.#counts, endpoints: endpoints.length };
      this.#options.writer.replaceAll(endpoints);
    }
    this.#settled.resolve();
  }

  #watchObjectives(pool: PoolIdentity, watches: Watches): Watch {
    const { writer, log } = this.#options;
    const problems = new ProblemLog(log, 'inferenceobjectives');
    return watches.objectives(pool, (readings) => {
      problems.update(readings);
      this.#counts = { ...this.#counts, objectives: readings.length };
      writer.replaceObjectives(objectivesOf(readings));
    });
  }

  #watchRewrites(pool: PoolIdentity, watches: Watches): Watch {
    const { rewrites, log } = this.#options;
    const problems = new ProblemLog(log, 'inferencemodelrewrites');
    return watches.rewrites(pool, (readings) => {
      problems.update(readings);
      const rules = readings.flatMap((reading) => reading.rules);
      this.#counts = { ...this.#counts, rewriteRules: rules.length };
      rewrites.replaceRules(rules);
    });
  }
}

function isSameSpec(a: PoolSpec, b: PoolSpec): boolean {
  return (
    formatLabelSelector(a.selector) === formatLabelSelector(b.selector) &&
    a.targetPorts.join() === b.targetPorts.join() &&
    a.appProtocol === b.appProtocol
  );
}
