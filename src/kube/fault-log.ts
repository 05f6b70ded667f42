import type { Log } from '../framework/log.ts';
import { statusOf } from './api.ts';

/** What goes wrong, in constant sentences. */
export interface FaultTexts {
  /** What the API server was asked to do, as it would be written in a role: `create tokenreviews.authentication.k8s.io`. */
  readonly permission: string;
  readonly failing: string;
  readonly working: string;
  /** Sent with each line, such as which objects it is about. */
  readonly fields?: object;
}

/** Logs the state of one kind of call, not its repetitions: when it begins to fail, fails in another way, works again. */
export class FaultLog {
  readonly #log: Log;
  readonly #texts: FaultTexts;
  #state: 'working' | 'forbidden' | 'failing' = 'working';

  constructor(log: Log, texts: FaultTexts) {
    this.#log = log;
    this.#texts = texts;
  }

  failed(error: unknown): void {
    const state = statusOf(error) === 403 ? 'forbidden' : 'failing';
    if (state === this.#state) return;
    this.#state = state;
    const { permission, failing, fields } = this.#texts;
    if (state === 'forbidden')
      this.#log.error({ ...fields, permission, err: error }, 'Kubernetes permission is missing');
    else this.#log.warn({ ...fields, err: error }, failing);
  }

  worked(): void {
    if (this.#state === 'working') return;
    this.#state = 'working';
    this.#log.info({ ...this.#texts.fields }, this.#texts.working);
  }
}
