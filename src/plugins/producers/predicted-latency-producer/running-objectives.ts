import type { Endpoint } from '../../../framework/endpoint.ts';

/** A request under way whose client allows only so much time for one token. */
export interface RunningObjective {
  readonly endpoint: Endpoint;
  /** Above 0. */
  readonly tpotMs: number;
  readonly sinceMs: number;
  /** Place among those of its endpoint; -1 when it is not there. */
  at: number;
}

/** Those of one endpoint. */
class EndpointObjectives {
  readonly entries: RunningObjective[] = [];
  tightestMs = Number.POSITIVE_INFINITY;

  add(entry: RunningObjective): void {
    entry.at = this.entries.length;
    this.entries.push(entry);
    if (entry.tpotMs < this.tightestMs) this.tightestMs = entry.tpotMs;
  }

  remove(entry: RunningObjective): void {
    const last = this.entries.pop();
    if (last !== undefined && last !== entry) {
      this.entries[entry.at] = last;
      last.at = entry.at;
    }
    entry.at = -1;
    if (entry.tpotMs > this.tightestMs) return;
    this.tightestMs = Number.POSITIVE_INFINITY;
    for (const { tpotMs } of this.entries) if (tpotMs < this.tightestMs) this.tightestMs = tpotMs;
  }
}

/** The tightest objective for one token among the requests under way at each endpoint: adding one more must not break it. */
export class RunningObjectives {
  readonly #byEndpoint = new WeakMap<Endpoint, EndpointObjectives>();
  readonly #used = new Set<EndpointObjectives>();

  /** Requests with an objective that are under way. */
  get size(): number {
    let size = 0;
    for (const { entries } of this.#used) size += entries.length;
    return size;
  }

  add(endpoint: Endpoint, tpotMs: number, nowMs: number): RunningObjective {
    let own = this.#byEndpoint.get(endpoint);
    if (own === undefined) {
      own = new EndpointObjectives();
      this.#byEndpoint.set(endpoint, own);
    }
    const entry = { endpoint, tpotMs, sinceMs: nowMs, at: -1 };
    own.add(entry);
    this.#used.add(own);
    return entry;
  }

  /** A second time does nothing. */
  remove(entry: RunningObjective): void {
    const own = this.#byEndpoint.get(entry.endpoint);
    if (own === undefined || entry.at < 0) return;
    own.remove(entry);
    if (own.entries.length === 0) this.#used.delete(own);
  }

  /** Milliseconds; Infinity when no request there has an objective. */
  tightestMs(endpoint: Endpoint): number {
    return this.#byEndpoint.get(endpoint)?.tightestMs ?? Number.POSITIVE_INFINITY;
  }

  /** Removes those that began before `beforeMs`. */
  expire(beforeMs: number): void {
    for (const { entries } of this.#used) {
      for (const entry of entries.filter(({ sinceMs }) => sinceMs < beforeMs)) this.remove(entry);
    }
  }
}
