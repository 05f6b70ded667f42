import type { Endpoint } from '../framework/endpoint.ts';
import type { Log } from '../framework/log.ts';
import type { Clock } from '../util/clock.ts';

/** Scrapes of an endpoint with no good one for this long cannot tell whether it is back. */
const SCRAPED_WITHIN_MS = 5_000;

/** How long a mark stays on an endpoint whose scrapes cannot tell whether it is back. */
const LAPSE_MS = 1_000;

/** The same where scraping worked before: the server may still be starting, or has lost its metrics page. */
const LONG_LAPSE_MS = 30_000;

/** A server that comes and goes is worth one pair of log lines in this time. */
const LOG_WINDOW_MS = 10_000;

/** Source whose scrapes take back what a failed request said. */
const PRIMARY_SOURCE = 0;

/** Why and since when an endpoint is unreachable. */
interface Mark {
  atMs: number;
  /** Source that was refused; the primary one for a failed request. Only its good scrape takes the mark away. */
  sourceIndex: number;
  /** Scraping worked before the mark, so a good scrape will tell when the endpoint is back. */
  readonly wasScraped: boolean;
  /** When the endpoint became unreachable; `atMs` moves with each further refusal. */
  readonly sinceMs: number;
  readonly isLogged: boolean;
}

/** What can find out whether an endpoint is back. */
export interface Scraper {
  /** Whether the primary source reads this endpoint. */
  scrapes(endpoint: Endpoint): boolean;
  /** Starts a scrape of it at the next chance. */
  scrapeSoon(endpoint: Endpoint): void;
}

/**
 * Owns `Endpoint.isReachable`: false as soon as a connection is refused, to a scrape or to a request; true with the
 * first good scrape that started after that.
 */
export class Reachability {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #scraper: Scraper;
  readonly #marks = new Map<Endpoint, Mark>();
  /** When the last pair of log lines about an endpoint began. */
  readonly #loggedAtMs = new Map<Endpoint, number>();

  constructor(clock: Clock, log: Log, scraper: Scraper) {
    this.#clock = clock;
    this.#log = log;
    this.#scraper = scraper;
  }

  /**
   * A request could not reach `endpoint` (the data plane's own 503). Nothing happens when no scrape could take it
   * back.
   */
  reportRefused(endpoint: Endpoint): void {
    if (!this.#scraper.scrapes(endpoint)) return;
    this.#mark(endpoint, PRIMARY_SOURCE, 'request');
    this.#scraper.scrapeSoon(endpoint);
  }

  /** A poll by source number `sourceIndex`, begun at `startedAtMs`, got an answer. */
  pollSucceeded(endpoint: Endpoint, sourceIndex: number, startedAtMs: number): void {
    const mark = this.#marks.get(endpoint);
    if (mark === undefined || mark.sourceIndex !== sourceIndex || startedAtMs < mark.atMs) return;
    this.#clear(endpoint, mark);
  }

  /** A poll by source number `sourceIndex` failed; `isRefused`: nobody listens at the serving port. */
  pollFailed(endpoint: Endpoint, sourceIndex: number, isRefused: boolean): void {
    if (isRefused) {
      this.#mark(endpoint, sourceIndex, 'scrape');
      return;
    }
    const mark = this.#marks.get(endpoint);
    // an endpoint without a metrics page would stay unreachable for good
    if (mark === undefined) return;
    const lapseMs = mark.wasScraped ? LONG_LAPSE_MS : LAPSE_MS;
    if (this.#clock.nowMs() - mark.atMs >= lapseMs) this.#clear(endpoint, mark);
  }

  /** The endpoint left the pool. */
  endpointRemoved(endpoint: Endpoint): void {
    this.#marks.delete(endpoint);
    this.#loggedAtMs.delete(endpoint);
  }

  #mark(endpoint: Endpoint, sourceIndex: number, refused: 'request' | 'scrape'): void {
    const nowMs = this.#clock.nowMs();
    const present = this.#marks.get(endpoint);
    if (present !== undefined) {
      present.atMs = nowMs;
      present.sourceIndex = sourceIndex;
      return;
    }
    const wasScraped = nowMs - endpoint.scraped.updatedAtMs < SCRAPED_WITHIN_MS;
    const sinceLogMs = nowMs - (this.#loggedAtMs.get(endpoint) ?? Number.NEGATIVE_INFINITY);
    const isLogged = sinceLogMs >= LOG_WINDOW_MS;
    this.#marks.set(endpoint, { atMs: nowMs, sourceIndex, sinceMs: nowMs, wasScraped, isLogged });
    endpoint.isReachable = false;
    if (!isLogged) return;
    this.#loggedAtMs.set(endpoint, nowMs);
    const fields = { endpoint: endpoint.id, hostPort: endpoint.hostPort, refused };
    this.#log.warn(fields, 'endpoint refuses connections');
  }

  #clear(endpoint: Endpoint, mark: Mark): void {
    this.#marks.delete(endpoint);
    endpoint.isReachable = true;
    if (!mark.isLogged) return;
    const afterMs = Math.round(this.#clock.nowMs() - mark.sinceMs);
    this.#log.info(
      { endpoint: endpoint.id, hostPort: endpoint.hostPort, afterMs },
      'endpoint is reachable again',
    );
  }
}
