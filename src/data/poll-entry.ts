import type { Extractor, PollSource } from '../framework/data-source.ts';
import type { Endpoint } from '../framework/endpoint.ts';
import type { CounterCell } from '../framework/instruments.ts';
import type { Named } from '../framework/plugin.ts';
import { PageError } from '../util/prometheus-text.ts';
import { pollCostMs } from './pace.ts';

/** Bytes of a page that nobody has seen yet. */
const USUAL_PAGE_BYTES = 50_000;

/** A source with its extractors, as `data/runtime.ts` checked them. */
export interface PollBinding {
  /** Position among the sources; 0 is the primary one. */
  readonly index: number;
  readonly source: Named<PollSource>;
  readonly extractors: readonly Named<Extractor>[];
  /** Milliseconds between two polls of one endpoint; 0 means the base interval. */
  readonly periodMs: number;
  readonly pollErrors: CounterCell;
  /** Parallel to `extractors`. */
  readonly extractErrors: readonly CounterCell[];
}

/** The timetable of one source at one endpoint. Fixed shape; owned by the poller. */
export class PollEntry {
  readonly endpoint: Endpoint;
  readonly binding: PollBinding;
  /** When to poll; Infinity while a poll is under way. */
  dueMs: number;
  /** When to give up on the poll under way; Infinity while there is none. */
  deadlineMs = Number.POSITIVE_INFINITY;
  /** When the last poll was due; the next one is reckoned from here, so that the phase stays. */
  plannedMs: number;
  startedMs = Number.NEGATIVE_INFINITY;
  /** Last poll that succeeded and told something; at first, when the entry was made. */
  lastGoodMs: number;
  /** Estimated CPU time of a poll. */
  costMs = pollCostMs(USUAL_PAGE_BYTES);
  /** Failures since the last good poll. */
  failures = 0;
  /** No poll has ended; the first one decides the phase. */
  isFirst = true;
  /** The log says that the values are stale. */
  isLoggedStale = false;
  /** Poll again as soon as the one under way has ended. */
  isWantedSoon = false;
  isRemoved = false;
  aborter = new AbortController();
  /** Bound once, so that a poll allocates no closures. */
  readonly onPage: (page: Uint8Array) => void;
  readonly onError: (error: unknown) => void;

  constructor(endpoint: Endpoint, binding: PollBinding, nowMs: number, owner: PollOwner) {
    this.endpoint = endpoint;
    this.binding = binding;
    this.dueMs = nowMs;
    this.plannedMs = nowMs;
    this.lastGoodMs = nowMs;
    this.onPage = (page) => owner.pageArrived(this, page);
    this.onError = (error) => owner.pollFailed(this, error);
  }

  get isPolling(): boolean {
    return this.dueMs === Number.POSITIVE_INFINITY;
  }

  /**
   * Gives a page to all extractors; undefined when it told one of them something, or there is none, else why not. A page
   * that cannot be parsed counts as one failed poll, anything else as an error of its extractor.
   */
  extract(page: Uint8Array, nowMs: number): string | undefined {
    const { extractors, extractErrors } = this.binding;
    let isTold = extractors.length === 0;
    let isReadable = true;
    let problem = '';
    for (let i = 0; i < extractors.length; i += 1) {
      try {
        if (extractors[i]?.plugin.extract(page, this.endpoint, nowMs) === true) {
          isTold = true;
          continue;
        }
        problem = 'the page has none of the expected values';
      } catch (error) {
        problem = error instanceof Error ? error.message : String(error);
        if (isOfThePage(error)) {
          isReadable = false;
          continue;
        }
      }
      const errors = extractErrors[i];
      if (errors !== undefined) errors.value += 1;
    }
    if (!isReadable) this.binding.pollErrors.value += 1;
    return isTold ? undefined : problem;
  }
}

/** Whether the page is at fault: no metrics page, or no JSON of the kind that was asked for. */
function isOfThePage(error: unknown): boolean {
  return error instanceof PageError || error instanceof SyntaxError;
}

/** Where an entry's polls end. */
interface PollOwner {
  pageArrived(entry: PollEntry, page: Uint8Array): void;
  pollFailed(entry: PollEntry, error: unknown): void;
}
