import type { PollBinding } from '../../src/data/poll-entry.ts';
import { PollGroup } from '../../src/data/poll-group.ts';
import { Poller } from '../../src/data/poller.ts';
import type { Extractor, PollSource } from '../../src/framework/data-source.ts';
import type { Endpoint } from '../../src/framework/endpoint.ts';
import { SeededRng } from '../../src/util/rng.ts';
import { RecordingLog } from './builders.ts';
import { FakeClock } from './fake-clock.ts';

/** A source whose polls end as the test says, at the moment the test says. */
export class ScriptedSource implements PollSource {
  readonly payload = 'prometheus';
  readonly intervalMs = 0;
  readonly polls: { endpoint: Endpoint; atMs: number }[] = [];
  readonly released: Endpoint[] = [];
  /** How long a poll takes; Infinity for one that ends with its signal only. */
  tookMs = 1;
  /** The same for endpoints that are an exception. */
  readonly tookMsOf = new Map<Endpoint, number>();
  failure: Error | undefined;
  page: Uint8Array = Buffer.from('page');
  /** Most polls of one endpoint under way at one time. */
  mostAtOnce = 0;
  readonly #clock: FakeClock;
  readonly #underWay = new Map<Endpoint, number>();

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  poll(endpoint: Endpoint, signal: AbortSignal): Promise<Uint8Array> {
    this.polls.push({ endpoint, atMs: this.#clock.nowMs() });
    const count = (this.#underWay.get(endpoint) ?? 0) + 1;
    this.#underWay.set(endpoint, count);
    this.mostAtOnce = Math.max(this.mostAtOnce, count);
    const { failure } = this;
    const tookMs = this.tookMsOf.get(endpoint) ?? this.tookMs;
    return new Promise<Uint8Array>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error));
      if (tookMs === Number.POSITIVE_INFINITY) return;
      this.#clock.after(tookMs, () => (failure === undefined ? resolve(this.page) : reject(failure)));
    }).finally(() => this.#underWay.set(endpoint, (this.#underWay.get(endpoint) ?? 0) - 1));
  }

  release(endpoint: Endpoint): void {
    this.released.push(endpoint);
  }

  /** Times of the polls of one endpoint. */
  times(endpoint: Endpoint): number[] {
    return this.polls.filter((poll) => poll.endpoint === endpoint).map((poll) => poll.atMs);
  }
}

interface Options {
  sources?: number;
  periodMs?: number;
  extract?: Extractor['extract'];
  /** Shared with other pollers. */
  clock?: FakeClock;
  group?: PollGroup;
}

/** A poller of scripted sources, at a base interval of 50 ms and with data that is stale after 2 s. */
export function setUpPoller(options: Options = {}) {
  const { sources: count = 1, periodMs = 0, extract, clock = new FakeClock() } = options;
  const log = new RecordingLog();
  const ends: string[] = [];
  const sources = Array.from({ length: count }, () => new ScriptedSource(clock));
  const extractor: Extractor | undefined = extract && { payload: 'prometheus', extract };
  const bindings = sources.map(
    (plugin, index): PollBinding => ({
      index,
      source: { name: `s${index}`, type: 't', plugin },
      extractors: extractor === undefined ? [] : [{ name: 'x', type: 'x', plugin: extractor }],
      periodMs,
      pollErrors: { value: 0 },
      extractErrors: [{ value: 0 }],
    }),
  );
  const poller = new Poller({
    bindings,
    baseIntervalMs: 50,
    stalenessMs: 2_000,
    clock,
    group: options.group ?? new PollGroup(clock),
    rng: new SeededRng(7),
    log,
    listener: {
      pollSucceeded: (endpoint, index) => void ends.push(`${endpoint.name} ${index} ok`),
      pollFailed: (endpoint, index, isRefused) =>
        void ends.push(`${endpoint.name} ${index} ${isRefused ? 'refused' : 'failed'}`),
    },
  });
  const [source] = sources;
  if (source === undefined) throw new Error('at least one source is needed');
  return { clock, log, ends, sources, source, bindings, poller };
}

/** Time between each of `times` and the next. */
export function gaps(times: readonly number[]): number[] {
  return times.slice(1).map((time, i) => time - (times[i] ?? 0));
}
