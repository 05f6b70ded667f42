import type { Instruments } from '../framework/instruments.ts';
import type { Log } from '../framework/log.ts';
import { type Clock, sleep } from '../util/clock.ts';
import type { Rng } from '../util/rng.ts';
import { type KubeApi, KubeError, statusOf } from './api.ts';
import { bounded, type Limit } from './deadline.ts';
import { FaultLog } from './fault-log.ts';
import { LeaseEvents } from './lease-events.ts';
import {
  isSameRecord,
  LEASE_DURATION_MS,
  type LeaseRecord,
  microTime,
  readRecord,
  withRecord,
} from './lease-record.ts';
import type { KubeObject, Resource } from './objects.ts';
import { describeCall } from './paths.ts';

/** What an election is about and what it needs. */
export interface LeaderElectionOptions {
  readonly api: KubeApi;
  readonly namespace: string;
  /** Of the lease; `leaseName` gives it. */
  readonly name: string;
  /** Unlike that of any other process: `<hostname>_<uuid>`. */
  readonly identity: string;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Log;
  readonly instruments?: Instruments | undefined;
}

const LEASES: Resource = { group: 'coordination.k8s.io', version: 'v1', plural: 'leases' };

/** Without a renewal for this long nobody leads; others wait for the whole lease, five seconds more. */
const RENEW_DEADLINE_MS = 10_000;
/** Time between two looks at the lease, of the leader and of the others; varied by a fifth each way. */
const RETRY_PERIOD_MS = 2000;
const RETRY_JITTER = 0.2;
/** One call that hangs must leave time for another before the deadline. */
const ATTEMPT_LIMIT_MS = 4000;
/** Giving the lease up is worth this much of a shutdown. */
const RELEASE_LIMIT_MS = 3000;
const RELEASE_ATTEMPTS = 3;

/** Name of the lease of a pool, the same as the reference's, so that both never lead together. */
export function leaseName(poolNamespace: string, poolName: string): string {
  return `epp-${poolNamespace}-${poolName}.llm-d.ai`;
}

/**
 * Elects one leader among the replicas of a pool by a Lease, as client-go's leader election does (its timings: 15 s,
 * 10 s, 2 s). Safe as long as monotonic clocks tick equally fast: the leader counts from before it sent its last good
 * write, others from when they saw it, and every write carries the resource version it builds on.
 */
export class LeaderElection {
  readonly #options: LeaderElectionOptions;
  readonly #events: LeaseEvents;
  readonly #faults: FaultLog;
  /** The lease as this replica wrote it last; undefined when it must be read before it is written. */
  #own: KubeObject | undefined = undefined;
  /** The last record known and since when; kept when the object goes, so that a deletion does not cut a lease short. */
  #seen: { readonly record: LeaseRecord; readonly sinceMs: number } | undefined = undefined;
  #leadsUntilMs = Number.NEGATIVE_INFINITY;
  /** A write in our name was sent, whatever came of it. */
  #mayHold = false;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#events = new LeaseEvents(options);
    this.#faults = new FaultLog(options.log, {
      permission: `get, create, update leases.coordination.k8s.io in ${options.namespace}`,
      failing: 'the lease of the leader cannot be read or written',
      working: 'the lease of the leader is read and written again',
    });
  }

  /** Whether this replica may act as leader at this moment. */
  get isLeader(): boolean {
    return this.#options.clock.nowMs() < this.#leadsUntilMs;
  }

  /**
   * Takes part until `signal` aborts, which gives up the lease and resolves with `released`, or until another leads:
   * then what this process knows of requests in flight is of no use any more; it should end. A leader that cannot reach
   * the lease in time leads no more, but stays: when nobody can reach it, nobody else leads. Never rejects. To be called
   * once. The metric is 0 from the end on, while the process answers what is open.
   */
  async run(signal: AbortSignal): Promise<'released' | 'lost'> {
    const { log, name, identity, instruments } = this.#options;
    instruments?.gauge('leader', { name }, () => (this.isLeader ? 1 : 0));
    try {
      if (!(await this.#acquire(signal))) {
        await this.#release();
        return 'released';
      }
      log.info({ lease: name, identity }, 'became leader');
      const told = this.#events.tell('became leader');
      const outcome = await this.#keep(signal);
      if (outcome === 'released') await this.#release();
      else log.error({ lease: name, identity, holder: this.#seen?.record.holder }, 'leadership lost');
      await told;
      await this.#events.tell('stopped leading');
      return outcome;
    } finally {
      this.#leadsUntilMs = Number.NEGATIVE_INFINITY;
    }
  }

  /** Resolves with true as leader, with false when `signal` aborted before. */
  async #acquire(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      await this.#attempt(ATTEMPT_LIMIT_MS, signal);
      if (this.isLeader) return true;
      await this.#pause(Number.POSITIVE_INFINITY, signal);
    }
    return false;
  }

  async #keep(signal: AbortSignal): Promise<'released' | 'lost'> {
    const { log, name, identity } = this.#options;
    let isInTime = true;
    while (!signal.aborted) {
      await this.#pause(isInTime ? this.#leftMs() : Number.POSITIVE_INFINITY, signal);
      if (signal.aborted) break;
      const limitMs = isInTime ? Math.min(ATTEMPT_LIMIT_MS, this.#leftMs()) : ATTEMPT_LIMIT_MS;
      if (limitMs > 0) await this.#attempt(limitMs, signal);
      if (signal.aborted) break;
      if (this.#isTaken()) return 'lost';
      if (this.isLeader === isInTime) continue;
      isInTime = this.isLeader;
      if (isInTime) log.info({ lease: name, identity }, 'leads again, nobody else did meanwhile');
      else log.error({ lease: name, identity }, 'not the leader any more: the lease was not renewed in time');
    }
    return 'released';
  }

  #limit(verb: string, limitMs: number): Limit {
    const { clock, namespace, name } = this.#options;
    return { clock, call: describeCall(verb, LEASES, namespace, name), limitMs };
  }

  #leftMs(): number {
    return this.#leadsUntilMs - this.#options.clock.nowMs();
  }

  #pause(limitMs: number, signal: AbortSignal): Promise<void> {
    const { clock, rng } = this.#options;
    const delayMs = RETRY_PERIOD_MS * (1 + RETRY_JITTER * (2 * rng.next() - 1));
    return sleep(clock, Math.max(0, Math.min(delayMs, limitMs)), signal);
  }

  /** One round; what fails leaves everything as it was, the deadline of the leader included. */
  async #attempt(limitMs: number, signal: AbortSignal): Promise<void> {
    try {
      await bounded((inner) => this.#claim(inner), { ...this.#limit('renewal', limitMs), signal });
      this.#faults.worked();
    } catch (error) {
      this.#own = undefined; // whether the write arrived is not known
      if (!signal.aborted && !isConflict(error)) this.#faults.failed(error);
    }
  }

  async #claim(signal: AbortSignal): Promise<void> {
    if (this.#own !== undefined) {
      try {
        return await this.#write(this.#own, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!isConflict(error) && !isGone(error)) throw error;
        this.#own = undefined; // somebody else wrote it or deleted it: see whether that changes who leads
      }
    }
    const { api, namespace, name } = this.#options;
    const lease = await api.get(LEASES, { namespace, name }, signal);
    signal.throwIfAborted();
    if (lease !== undefined) this.#observe(readRecord(lease));
    if (this.#isTaken()) this.#leadsUntilMs = Number.NEGATIVE_INFINITY;
    else await this.#write(lease, signal);
  }

  #observe(record: LeaseRecord): void {
    const { clock, log, name } = this.#options;
    const seen = this.#seen?.record;
    if (seen !== undefined && isSameRecord(seen, record)) return;
    this.#seen = { record, sinceMs: clock.nowMs() };
    if (record.holder !== '' && record.holder !== seen?.holder) {
      log.info({ lease: name, holder: record.holder }, 'the leader changed');
    }
  }

  /** Somebody else holds the lease and has not been silent for its duration. */
  #isTaken(): boolean {
    if (this.#seen === undefined) return false;
    const { record, sinceMs } = this.#seen;
    if (record.holder === '' || record.holder === this.#options.identity) return false;
    return this.#options.clock.nowMs() < sinceMs + record.durationMs;
  }

  async #write(lease: KubeObject | undefined, signal: AbortSignal): Promise<void> {
    const { api, namespace, name, clock } = this.#options;
    const object = this.#claimed(lease);
    if (lease !== undefined && versionOf(lease) === '') {
      throw new KubeError(0, 'Invalid', `lease ${namespace}/${name} has no resource version, want one`);
    }
    const sentAtMs = clock.nowMs();
    this.#mayHold = true;
    const written = await (lease === undefined
      ? api.create(LEASES, namespace, object, signal)
      : api.replace(LEASES, namespace, object, signal));
    signal.throwIfAborted();
    this.#own = versionOf(written) === '' ? undefined : written;
    this.#observe(readRecord(object));
    this.#leadsUntilMs = sentAtMs + RENEW_DEADLINE_MS;
  }

  /** The lease to write: renewed when it is ours, taken over when it was another's. */
  #claimed(lease: KubeObject | undefined): KubeObject {
    const { namespace, name, identity, clock } = this.#options;
    const now = microTime(clock.wallMs());
    const old = lease === undefined ? undefined : readRecord(lease);
    const isRenewal = old?.holder === identity && old.acquireTime !== '';
    return withRecord(
      lease ?? {
        apiVersion: `${LEASES.group}/${LEASES.version}`,
        kind: 'Lease',
        metadata: { name, namespace },
      },
      {
        holder: identity,
        durationMs: LEASE_DURATION_MS,
        acquireTime: isRenewal ? old.acquireTime : now,
        renewTime: now,
        transitions: old === undefined ? 0 : old.transitions + (old.holder === identity ? 0 : 1),
      },
    );
  }

  /** Stands down first, then says so in the lease, so that the next leader need not wait for it to expire. */
  async #release(): Promise<void> {
    this.#leadsUntilMs = Number.NEGATIVE_INFINITY;
    const { log, name } = this.#options;
    if (!this.#mayHold) return;
    try {
      await bounded((signal) => this.#clear(signal), this.#limit('release', RELEASE_LIMIT_MS));
    } catch (error) {
      log.warn({ lease: name, err: error }, 'the lease was not given up, it expires by itself');
    }
  }

  async #clear(signal: AbortSignal): Promise<void> {
    const { api, namespace, name, identity, clock } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      const lease = await api.get(LEASES, { namespace, name }, signal);
      if (lease === undefined) return;
      const record = readRecord(lease);
      if (record.holder !== identity) return;
      const now = microTime(clock.wallMs());
      const cleared = { ...record, holder: '', durationMs: 1000, acquireTime: now, renewTime: now };
      try {
        await api.replace(LEASES, namespace, withRecord(lease, cleared), signal);
        return;
      } catch (error) {
        if (!isConflict(error) || attempt === RELEASE_ATTEMPTS) throw error;
      }
    }
  }
}

/** Somebody else wrote in between. */
function isConflict(error: unknown): boolean {
  return statusOf(error) === 409;
}

function isGone(error: unknown): boolean {
  return statusOf(error) === 404;
}

/** '' when the object has none; without it a write would not be checked against the writes of others. */
function versionOf(lease: KubeObject): string {
  return lease.metadata.resourceVersion ?? '';
}
