import type { Log } from '../framework/log.ts';
import type { PollEntry } from './poll-entry.ts';

/** Intervals this much longer than planned are worth a line in the log. */
const NOTABLE_CROWDING = 1.2;

/** How a poller gets on as a whole. */
export interface PollerState {
  /** Factor by which intervals are longer than planned; 1 or more. */
  readonly crowding: number;
  readonly endpoints: number;
  /** Between two polls of an endpoint. */
  readonly intervalMs: number;
}

/** Tells people when values grow stale and when polls are too many: one line when it begins, one when it is over. */
export class PollLog {
  readonly #log: Log;
  readonly #stalenessMs: number;
  #isCrowded = false;

  /** `stalenessMs`: age from which an endpoint's values count as stale. */
  constructor(log: Log, stalenessMs: number) {
    this.#log = log;
    this.#stalenessMs = stalenessMs;
  }

  /** A poll told something; to be called before the entry takes note of it. */
  fresh(entry: PollEntry, nowMs: number): void {
    if (!entry.isLoggedStale) return;
    entry.isLoggedStale = false;
    const { endpoint, binding, lastGoodMs } = entry;
    const fields = {
      endpoint: endpoint.id,
      source: binding.source.name,
      afterMs: Math.round(nowMs - lastGoodMs),
    };
    this.#log.info(fields, 'endpoint data is fresh again');
  }

  /** A poll told nothing, for `reason`. */
  failed(entry: PollEntry, nowMs: number, reason: string): void {
    const { endpoint, binding, lastGoodMs, isLoggedStale } = entry;
    const ageMs = nowMs - lastGoodMs;
    // of an unreachable endpoint the log knows more already
    if (isLoggedStale || !endpoint.isReachable || ageMs <= this.#stalenessMs) return;
    entry.isLoggedStale = true;
    const fields = { endpoint: endpoint.id, source: binding.source.name, ageMs: Math.round(ageMs), reason };
    this.#log.warn(fields, 'endpoint data is stale');
  }

  weighed({ crowding, endpoints, intervalMs }: PollerState): void {
    const isCrowded = crowding > (this.#isCrowded ? 1 : NOTABLE_CROWDING);
    if (isCrowded === this.#isCrowded) return;
    this.#isCrowded = isCrowded;
    const message = isCrowded
      ? 'endpoints are polled less often than configured: together their pages take too much CPU'
      : 'endpoints are polled as often as configured again';
    this.#log.info({ endpoints, intervalMs: Math.round(intervalMs) }, message);
  }
}
