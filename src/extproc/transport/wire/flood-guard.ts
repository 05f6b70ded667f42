import { ConnectionError, ERROR } from './frames.ts';

/** What a peer may cause without sending a request, and what each second forgives. */
const LIMITS = {
  /** SETTINGS, PING, PRIORITY, unknown and empty frames, streams that were refused. */
  idle: { perSecond: 10_000, what: 'frames without use' },
  /** Frames that were under way when their stream ended: a peer may send one or two for every exchange. */
  late: { perSecond: 100_000, what: 'frames of streams that are over' },
  /** Settings that change the window of every stream: each visits all streams that are open. */
  window: { perSecond: 100, what: 'changes of the initial window' },
  /**
   * Streams that the peer itself broke off, or made us break off by breaking a rule (CVE-2025-8671). A data plane resets the stream of every client that leaves, and some
   * that of every exchange, so this is far beyond what one of its workers can send.
   */
  reset: { perSecond: 50_000, what: 'streams reset' },
  /** Streams broken off before a byte of content: what a rapid reset attack consists of (CVE-2023-44487). */
  'empty reset': { perSecond: 2000, what: 'streams reset at once' },
} as const;

type Kind = keyof typeof LIMITS;

/** Counts on one connection what costs a server more than its peer (RFC 9113, section 10.5). */
export class FloodGuard {
  readonly #counts: Record<Kind, number> = { idle: 0, late: 0, window: 0, reset: 0, 'empty reset': 0 };

  /** Throws `ConnectionError` when it is too much. */
  count(kind: Kind): void {
    this.#counts[kind] += 1;
    const { perSecond, what } = LIMITS[kind];
    if (this.#counts[kind] > perSecond) {
      throw new ConnectionError(ERROR.ENHANCE_YOUR_CALM, `more than ${perSecond} ${what} a second`);
    }
  }

  /** Once a second. */
  forgive(): void {
    this.#counts.idle = 0;
    this.#counts.late = 0;
    this.#counts.window = 0;
    this.#counts.reset = 0;
    this.#counts['empty reset'] = 0;
  }
}
