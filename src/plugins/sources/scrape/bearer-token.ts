import { readFileSync, statSync } from 'node:fs';
import { ConfigurationError } from '../../../framework/errors.ts';
import type { Log } from '../../../framework/log.ts';
import type { Clock } from '../../../util/clock.ts';

/** How often a request looks whether the file has changed; tokens of service accounts rotate within the hour. */
const RELOAD_CHECK_MS = 10_000;

/** What a header value may consist of. */
const TOKEN = /^[\x21-\x7e]+$/;

/** A token in a file that may be replaced while it is in use. */
export class BearerToken {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #log: Log;
  #header: string;
  #stamp: string;
  #checkedAtMs: number;

  /** Reads the file at once; throws `ConfigurationError` when it has no token. */
  constructor(path: string, clock: Clock, log: Log) {
    this.#path = path;
    this.#clock = clock;
    this.#log = log;
    this.#header = this.#read();
    this.#stamp = this.#stampNow();
    this.#checkedAtMs = clock.nowMs();
  }

  /** Value of the `authorization` header as of now; the last usable one while the file has none. */
  get header(): string {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#checkedAtMs < RELOAD_CHECK_MS) return this.#header;
    this.#checkedAtMs = nowMs;
    const stamp = this.#stampNow();
    if (stamp === this.#stamp) return this.#header;
    this.#stamp = stamp;
    try {
      this.#header = this.#read();
    } catch (error) {
      this.#log.warn({ file: this.#path, err: error }, 'cannot reload the token for scraping');
    }
    return this.#header;
  }

  #read(): string {
    let token: string;
    try {
      token = readFileSync(this.#path, 'utf8').trim();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new ConfigurationError(`reading bearer token ${this.#path}: ${reason}`, { cause: error });
    }
    if (!TOKEN.test(token))
      throw new ConfigurationError(`reading bearer token ${this.#path}: it is no token`);
    return `Bearer ${token}`;
  }

  #stampNow(): string {
    const stat = statSync(this.#path, { throwIfNoEntry: false });
    return stat === undefined ? 'missing' : `${stat.ino}:${stat.size}:${stat.mtimeMs}`;
  }
}
