import type { Endpoint } from '../../../framework/endpoint.ts';
import type { Clock } from '../../../util/clock.ts';
import { configuredBlockSize, MIN_BLOCK_SIZE_TOKENS, type Params } from './params.ts';

/** The pool is looked at no more often: block sizes change when model servers are replaced. */
const CHECK_MS = 1000;
/** A change makes everything remembered useless, so it has to last: a rollout passes, a new fleet stays. */
const HOLD_MS = 60_000;

/**
 * The one block size of an index. Chains of different block sizes never match, so it does not follow the endpoint that
 * happens to be first: it is what most model servers report, and changes when that has been another for a minute. The
 * first report counts at once.
 */
export class BlockSize {
  readonly #config: Params;
  readonly #clock: Clock;
  #tokens: number;
  #isReported = false;
  #checkedAtMs = Number.NEGATIVE_INFINITY;
  #wanted: number;
  #wantedSinceMs = 0;

  constructor(config: Params, clock: Clock) {
    this.#config = config;
    this.#clock = clock;
    this.#tokens = configuredBlockSize(config);
    this.#wanted = this.#tokens;
  }

  /** Tokens in one block; `endpoints` is the whole pool. */
  of(endpoints: readonly Endpoint[]): number {
    if (!this.#config.autoTune) return this.#tokens;
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#checkedAtMs >= CHECK_MS) {
      this.#checkedAtMs = nowMs;
      this.#check(endpoints, nowMs);
    }
    return this.#tokens;
  }

  #check(endpoints: readonly Endpoint[], nowMs: number): void {
    const reported = mostReported(endpoints);
    if (reported === 0) return;
    const wanted = Math.max(MIN_BLOCK_SIZE_TOKENS, reported);
    if (wanted !== this.#wanted) {
      this.#wanted = wanted;
      this.#wantedSinceMs = nowMs;
    }
    if (!this.#isReported || nowMs - this.#wantedSinceMs >= HOLD_MS) this.#tokens = wanted;
    this.#isReported = true;
  }
}

/** The block size that most endpoints report, the larger of equals; 0 when none does. */
function mostReported(endpoints: readonly Endpoint[]): number {
  const votes = new Map<number, number>();
  let best = 0;
  for (const { scraped } of endpoints) {
    const size = scraped.cacheBlockSize;
    if (!(size > 0)) continue;
    const count = (votes.get(size) ?? 0) + 1;
    votes.set(size, count);
    const bestCount = votes.get(best) ?? 0;
    if (count > bestCount || (count === bestCount && size > best)) best = size;
  }
  return best;
}
