import type { Endpoint } from './endpoint.ts';
import type { ObjectKind } from './hooks.ts';

/** Kind of payload a polling source delivers; an extractor fits sources of its own kind. */
export type PayloadKind = 'prometheus' | 'json-models';

/** Reads something from each endpoint at intervals. */
export interface PollSource {
  readonly payload: PayloadKind;
  /** Milliseconds between two polls of one endpoint; 0 means every base tick. */
  readonly intervalMs: number;
  /**
   * Rejects on any failure with a `PollError`; `data/poller.ts` counts it and keeps the old values. The bytes are
   * valid until the next poll of the same endpoint.
   */
  poll(endpoint: Endpoint, signal: AbortSignal): Promise<Uint8Array>;
  /** Closes what is kept open for an endpoint that left. */
  release(endpoint: Endpoint): void;
}

/** A poll that failed. */
export class PollError extends Error {
  override readonly name = 'PollError';
  /** The server refused or reset the connection before it answered: nobody listens there. */
  readonly isRefused: boolean;

  constructor(message: string, isRefused: boolean, options?: ErrorOptions) {
    super(message, options);
    this.isRefused = isRefused;
  }
}

/**
 * Stands in a configuration for events that the picker delivers by itself: which endpoints there are, or objects of
 * Kubernetes. What `extractors` binds to it gets them, bound or not; `config/build.ts` checks that they fit.
 */
export interface EventSource {
  /** `endpoints`: bound plugins observe endpoints; else they observe objects of this kind. */
  readonly events: 'endpoints' | ObjectKind;
}

/** Turns a source's bytes into endpoint metrics or attributes. */
export interface Extractor {
  readonly payload: PayloadKind;
  /**
   * It keeps `endpoint.scraped` up to date. The first source with such an extractor is the primary one, by which the
   * age of an endpoint's metrics and its reachability are judged.
   */
  readonly isPrimary?: boolean;
  /**
   * Writes what `bytes` says to `endpoint.scraped` or its attributes; returns whether at least one value was
   * found. Throws when the page is malformed; then nothing is written. A `PageError` of `util/prometheus-text.ts` or a
   * `SyntaxError` puts it down to the page, which counts as a failed poll.
   */
  extract(bytes: Uint8Array, endpoint: Endpoint, nowMs: number): boolean;
}
