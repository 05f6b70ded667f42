import type { Extractor } from '../framework/data-source.ts';
import type { Endpoint } from '../framework/endpoint.ts';
import { ConfigurationError } from '../framework/errors.ts';
import type { Instruments } from '../framework/instruments.ts';
import type { Log } from '../framework/log.ts';
import type { Pipeline } from '../framework/pipeline.ts';
import type { Named } from '../framework/plugin.ts';
import type { Clock } from '../util/clock.ts';
import type { Rng } from '../util/rng.ts';
import type { PollBinding } from './poll-entry.ts';
import type { PollGroup } from './poll-group.ts';
import { Poller } from './poller.ts';
import { Reachability } from './reachability.ts';
import type { EndpointStore } from './store.ts';

/** Shortest interval between two polls of an endpoint (llm-d-router: pkg/epp/datalayer). */
const MIN_INTERVAL_MS = 50;

/** What the data layer works with. */
export interface DataRuntimeOptions {
  readonly store: EndpointStore;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Log;
  readonly instruments: Instruments;
  /** What the pools of the process share. */
  readonly group: PollGroup;
  /** `--refresh-metrics-interval`; less than 50 ms is raised to that. */
  readonly baseIntervalMs: number;
  /** `--metrics-staleness-threshold`. */
  readonly stalenessMs: number;
}

/** Keeps what is known of the store's endpoints up to date: polls sources, feeds extractors, follows reachability. */
export class DataRuntime {
  readonly #poller: Poller;
  readonly #reachability: Reachability;

  /** Throws `ConfigurationError` when sources and extractors do not fit. */
  constructor(sources: Pipeline['sources'], options: DataRuntimeOptions) {
    const { store, clock, rng, log, group, stalenessMs } = options;
    const baseIntervalMs = baseInterval(sources, options);
    const bindings = bind(primaryFirst(sources), baseIntervalMs, options);
    if (bindings.length === 0) log.info({}, 'no data sources configured, metrics are not collected');
    // each of the two needs the other: polls tell of refusals, refusals call for polls
    const reachability = new Reachability(clock, log, {
      scrapes: (endpoint) => poller.scrapes(endpoint),
      scrapeSoon: (endpoint) => poller.scrapeSoon(endpoint),
    });
    const poller = new Poller({
      bindings,
      baseIntervalMs,
      stalenessMs,
      clock,
      group,
      rng,
      log,
      listener: reachability,
    });
    store.observe(poller);
    store.observe(reachability);
    this.#poller = poller;
    this.#reachability = reachability;
  }

  /** Begins to poll; may be called before or after endpoints are there. */
  start(): void {
    this.#poller.start();
  }

  /** Resolves when every endpoint that is there has been polled once, well or not, and at the latest after `waitMs`. */
  firstRound(waitMs: number): Promise<void> {
    return this.#poller.firstRound(waitMs);
  }

  /** Stops polling and closes all connections. Endpoints that join the store later are not polled. */
  async close(): Promise<void> {
    this.#poller.close();
  }

  /** A request came: polling goes on at full pace. Costs a field write. */
  noteActivity(): void {
    this.#poller.noteActivity();
  }

  /** A request could not reach `endpoint`: it is unreachable until a scrape proves otherwise, which starts at once. */
  reportRefused(endpoint: Endpoint): void {
    this.#reachability.reportRefused(endpoint);
  }

  /** Milliseconds between two scrapes of an endpoint as of now: more when idle than while requests flow. */
  get scrapeIntervalMs(): number {
    return this.#poller.intervalMs;
  }
}

/** The base interval: as asked for, lowered to the shortest interval of a source, never below 50 ms. */
function baseInterval(sources: Pipeline['sources'], { baseIntervalMs, log }: DataRuntimeOptions): number {
  if (baseIntervalMs < MIN_INTERVAL_MS) {
    log.warn({ baseIntervalMs, usedMs: MIN_INTERVAL_MS }, 'metrics refresh interval is too short');
  }
  let shortestMs = Math.max(MIN_INTERVAL_MS, baseIntervalMs);
  for (const { source } of sources) {
    const { intervalMs } = source.plugin;
    if (intervalMs > 0) shortestMs = Math.min(shortestMs, Math.max(MIN_INTERVAL_MS, intervalMs));
  }
  return shortestMs;
}

/** The primary source first: the one whose extractor keeps the metrics; the others as configured. */
function primaryFirst(sources: Pipeline['sources']): Pipeline['sources'] {
  const primary = sources.find(({ extractors }) =>
    extractors.some(({ plugin }) => plugin.isPrimary === true),
  );
  return primary === undefined ? sources : [primary, ...sources.filter((one) => one !== primary)];
}

function bind(
  sources: Pipeline['sources'],
  baseMs: number,
  { log, instruments }: DataRuntimeOptions,
): PollBinding[] {
  return sources.map(({ source, extractors }, index) => {
    checkExtractors(source, extractors);
    const { intervalMs } = source.plugin;
    const periodMs = intervalMs > 0 ? Math.max(1, Math.round(intervalMs / baseMs)) * baseMs : 0;
    if (periodMs !== intervalMs) {
      log.info({ source: source.name, intervalMs, usedMs: periodMs }, 'poll interval is rounded');
    }
    return {
      index,
      source,
      extractors,
      periodMs,
      pollErrors: instruments.counter('datalayer_poll_errors_total', { source_type: source.type }),
      extractErrors: extractors.map((extractor) =>
        instruments.counter('datalayer_extract_errors_total', {
          source_type: source.type,
          extractor_type: extractor.type,
        }),
      ),
    };
  });
}

function checkExtractors(
  source: Pipeline['sources'][number]['source'],
  extractors: readonly Named<Extractor>[],
): void {
  const types = new Set<string>();
  for (const extractor of extractors) {
    if (types.has(extractor.type)) {
      throw new ConfigurationError(
        `duplicate extractor type configured for the same source: source=${source.name}, extractor type=${extractor.type}`,
      );
    }
    types.add(extractor.type);
    if (extractor.plugin.payload !== source.plugin.payload) {
      throw new ConfigurationError(
        `source "${source.name}" rejected extractor "${extractor.name}": extractor type mismatch: ` +
          `got ${extractor.plugin.payload}, want ${source.plugin.payload}`,
      );
    }
  }
}
