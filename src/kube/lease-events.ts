import type { Log } from '../framework/log.ts';
import type { Clock } from '../util/clock.ts';
import { rfc3339 } from '../util/timestamp.ts';
import type { KubeApi } from './api.ts';
import { bounded } from './deadline.ts';
import { FaultLog } from './fault-log.ts';
import { microTime } from './lease-record.ts';
import type { KubeObject, Resource } from './objects.ts';
import { describeCall } from './paths.ts';

const EVENTS: Resource = { group: '', version: 'v1', plural: 'events' };

/** An event is a courtesy: nothing waits longer for it. */
const LIMIT_MS = 2000;

/** An event has its content beside `metadata`, not in `spec`. */
interface KubeEvent extends KubeObject {
  readonly involvedObject: object;
  readonly reason: string;
  readonly message: string;
  readonly type: 'Normal';
  readonly source: { readonly component: string };
  readonly firstTimestamp: string;
  readonly lastTimestamp: string;
  readonly count: number;
}

/** Tells the cluster of changes of leadership, as events about the lease. */
export class LeaseEvents {
  readonly #options: {
    readonly api: KubeApi;
    readonly namespace: string;
    readonly name: string;
    readonly identity: string;
    readonly clock: Clock;
  };
  readonly #faults: FaultLog;

  constructor(options: {
    readonly api: KubeApi;
    readonly namespace: string;
    /** Of the lease. */
    readonly name: string;
    readonly identity: string;
    readonly clock: Clock;
    readonly log: Log;
  }) {
    this.#options = options;
    this.#faults = new FaultLog(options.log, {
      permission: `create events in ${options.namespace}`,
      failing: 'events about the leader cannot be written',
      working: 'events about the leader are written again',
    });
  }

  /** Never rejects: an event that cannot be written is logged once. `change`: such as `became leader`. */
  async tell(change: string): Promise<void> {
    const { api, namespace, clock } = this.#options;
    try {
      await bounded((signal) => api.create(EVENTS, namespace, this.#event(change), signal), {
        clock,
        call: describeCall('creation', EVENTS, namespace),
        limitMs: LIMIT_MS,
      });
      this.#faults.worked();
    } catch (error) {
      this.#faults.failed(error);
    }
  }

  #event(change: string): KubeEvent {
    const { namespace, name, identity, clock } = this.#options;
    const wallMs = clock.wallMs();
    const timestamp = rfc3339(wallMs, 'none');
    const suffix = microTime(wallMs).replace(/\D/g, '');
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${name}.${suffix}`, namespace },
      involvedObject: { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace, name },
      reason: 'LeaderElection',
      message: `${identity} ${change}`,
      type: 'Normal',
      source: { component: 'endpoint-picker' },
      firstTimestamp: timestamp,
      lastTimestamp: timestamp,
      count: 1,
    };
  }
}
