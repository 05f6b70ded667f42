import { type Endpoint, staleAfterMs } from '../framework/endpoint.ts';
import type { EndpointObserver } from '../framework/hooks.ts';
import type { Instruments } from '../framework/instruments.ts';
import type { Clock } from '../util/clock.ts';

/** What the pool's gauges are computed from. */
export interface PoolMetricsOptions {
  readonly poolName: string;
  /** `--refresh-prometheus-metrics-interval`: age at which the computed values are computed anew. */
  readonly refreshMs: number;
  /** `--metrics-staleness-threshold`: age of a scrape at which an endpoint is left out, if another was due by then. */
  readonly stalenessMs: number;
  /** Pool members now. */
  endpoints(): readonly Endpoint[];
}

/** Values of one kind over the fresh endpoints, which are reachable; NaN, which hides the gauge, when there is none. */
interface Spread {
  readonly mean: number;
  /** Sample standard deviation, divisor max(1, n - 1). */
  readonly deviation: number;
}

/** Each endpoint counts as one of fresh, stale and unreachable. */
interface Summary {
  readonly fresh: number;
  readonly stale: number;
  readonly unreachable: number;
  readonly kvCacheUsage: Spread;
  readonly queueSize: Spread;
  readonly runningRequests: Spread;
}

/**
 * Gauges of the pool and of each endpoint. Nothing runs between scrapes of the page: the summary is computed when it
 * is read and older than `refreshMs`. Unlike the reference, averages are hidden while no endpoint is fresh instead of
 * keeping their last values.
 */
export class PoolMetrics implements EndpointObserver {
  readonly #instruments: Instruments;
  readonly #clock: Clock;
  readonly #options: PoolMetricsOptions;
  readonly #removals = new Map<Endpoint, () => void>();
  #summary: Summary | undefined = undefined;
  #computedAtMs = Number.NEGATIVE_INFINITY;

  constructor(instruments: Instruments, clock: Clock, options: PoolMetricsOptions) {
    this.#instruments = instruments;
    this.#clock = clock;
    this.#options = options;
    const name = options.poolName;
    const show = (gauge: string, read: (summary: Summary) => number) =>
      void instruments.gauge(gauge, { name }, () => read(this.#current()));
    show('ready_endpoints', ({ fresh }) => fresh);
    show('average_kv_cache_utilization', ({ kvCacheUsage }) => kvCacheUsage.mean);
    show('average_queue_size', ({ queueSize }) => queueSize.mean);
    show('average_running_requests', ({ runningRequests }) => runningRequests.mean);
    show('std_dev_kv_cache_utilization', ({ kvCacheUsage }) => kvCacheUsage.deviation);
    show('std_dev_queue_size', ({ queueSize }) => queueSize.deviation);
    show('std_dev_running_requests', ({ runningRequests }) => runningRequests.deviation);
    for (const state of ['fresh', 'stale', 'unreachable'] as const) {
      instruments.gauge('endpoints', { name, state }, () => this.#current()[state]);
    }
  }

  endpointAdded(endpoint: Endpoint): void {
    const nameAndRank = endpoint.id.slice(endpoint.namespace.length + 1);
    const labels = { name: this.#options.poolName, model_server_endpoint: nameAndRank };
    const ageMs = () => this.#clock.nowMs() - endpoint.scraped.updatedAtMs;
    const removals = [
      this.#instruments.gauge('per_endpoint_queue_size', labels, () => endpoint.scraped.waitingQueueSize),
      this.#instruments.gauge('endpoint_up', labels, () => (this.#isFresh(endpoint) ? 1 : 0)),
      this.#instruments.gauge('endpoint_scrape_age_seconds', labels, () => finite(ageMs() / 1000)),
    ];
    this.#removals.set(endpoint, () => {
      for (const remove of removals) remove();
    });
  }

  endpointRemoved(endpoint: Endpoint): void {
    this.#removals.get(endpoint)?.();
    this.#removals.delete(endpoint);
  }

  /**
   * Reachable, with metrics that are fresh. One that is polled less often, because nobody asks for it and there are
   * thousands, is not stale for that.
   */
  #isFresh(endpoint: Endpoint): boolean {
    if (!endpoint.isReachable) return false;
    const limitMs = staleAfterMs(endpoint, this.#options.stalenessMs);
    return this.#clock.nowMs() - endpoint.scraped.updatedAtMs <= limitMs;
  }

  #current(): Summary {
    const nowMs = this.#clock.nowMs();
    if (this.#summary === undefined || nowMs - this.#computedAtMs >= this.#options.refreshMs) {
      this.#summary = this.#compute();
      this.#computedAtMs = nowMs;
    }
    return this.#summary;
  }

  #compute(): Summary {
    const endpoints = this.#options.endpoints();
    const fresh = endpoints.filter((endpoint) => this.#isFresh(endpoint));
    const unreachable = endpoints.filter((endpoint) => !endpoint.isReachable).length;
    const stale = endpoints.length - fresh.length - unreachable;
    return {
      fresh: fresh.length,
      stale,
      unreachable,
      kvCacheUsage: spread(fresh.map((endpoint) => endpoint.scraped.kvCacheUsage)),
      queueSize: spread(fresh.map((endpoint) => endpoint.scraped.waitingQueueSize)),
      runningRequests: spread(fresh.map((endpoint) => endpoint.scraped.runningRequestsSize)),
    };
  }
}

function spread(values: readonly number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean: round2(mean), deviation: round2(Math.sqrt(squares / Math.max(1, values.length - 1)), mean) };
}

/** Two decimals; NaN when `presence` is, so that both values of an empty spread are hidden. */
function round2(value: number, presence = value): number {
  return Number.isNaN(presence) ? presence : Math.round(value * 100) / 100;
}

function finite(value: number): number {
  return Number.isFinite(value) ? value : Number.NaN;
}
