import type { Log } from '../../../framework/log.ts';
import type { Clock } from '../../../util/clock.ts';
import { nextInt, type Rng } from '../../../util/rng.ts';

/** Failures in a row after which a server is left alone for a while. */
const MAX_FAILURES = 3;
const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 30_000;

/** One server that predicts. */
export interface PredictionServer {
  readonly url: string;
  /** Calls that failed since the last one that did not. */
  failures: number;
  /** `Clock.nowMs()` before which it is not asked; 0 while it answers. */
  pausedUntilMs: number;
  /** It says that it has no models yet. */
  isUntrained: boolean;
}

/**
 * The servers to choose from. One that has failed three times in a row is left alone for 1 s, then one call finds out
 * whether it answers; each further failure doubles the pause, up to 30 s. So a server that hangs costs a few requests
 * their wait, not all of them.
 */
export class PredictionServers {
  readonly all: readonly PredictionServer[];
  readonly #clock: Clock;
  readonly #rng: Rng;
  readonly #log: Log;

  constructor(
    urls: readonly string[],
    services: { readonly clock: Clock; readonly rng: Rng; readonly log: Log },
  ) {
    this.all = urls.map((url) => ({ url, failures: 0, pausedUntilMs: 0, isUntrained: false }));
    this.#clock = services.clock;
    this.#rng = services.rng;
    this.#log = services.log;
  }

  /** Whether `pick` would find one. */
  get hasAny(): boolean {
    const nowMs = this.#clock.nowMs();
    return this.all.some((server) => isOpen(server, nowMs));
  }

  /** Any one that may be asked, each as likely; undefined when there is none. */
  pick(): PredictionServer | undefined {
    const nowMs = this.#clock.nowMs();
    const open = this.all.filter((server) => isOpen(server, nowMs));
    const server = open[nextInt(this.#rng, open.length)];
    // only this call finds out how a server is that has been paused
    if (server !== undefined && server.pausedUntilMs > 0)
      server.pausedUntilMs = nowMs + pauseMs(server.failures);
    return server;
  }

  succeeded(server: PredictionServer): void {
    if (server.pausedUntilMs > 0) this.#log.info({ url: server.url }, 'a latency predictor answers again');
    server.failures = 0;
    server.pausedUntilMs = 0;
  }

  failed(server: PredictionServer, error: unknown): void {
    server.failures += 1;
    if (server.failures < MAX_FAILURES) return;
    if (server.failures === MAX_FAILURES) {
      this.#log.warn({ url: server.url, err: error }, 'a latency predictor fails, requests go without it');
    }
    server.pausedUntilMs = this.#clock.nowMs() + pauseMs(server.failures);
  }
}

function isOpen(server: PredictionServer, nowMs: number): boolean {
  return nowMs >= server.pausedUntilMs && !server.isUntrained;
}

function pauseMs(failures: number): number {
  return Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.max(0, failures - MAX_FAILURES));
}
