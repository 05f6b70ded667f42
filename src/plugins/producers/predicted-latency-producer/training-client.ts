import type { CounterCell } from '../../../framework/instruments.ts';
import type { Log } from '../../../framework/log.ts';
import type { Clock } from '../../../util/clock.ts';
import type { JsonClient } from './json-client.ts';
import type { SampleBuffer } from './sample-buffer.ts';

/** At most one line about failed sendings in this time. */
const LOG_WINDOW_MS = 30_000;

/** Sends samples to the server that learns. What cannot be sent is dropped: fresher samples follow. */
export class TrainingClient {
  readonly #http: JsonClient;
  readonly #samples: SampleBuffer;
  readonly #target: { readonly url: string; readonly timeoutMs: number };
  readonly #services: { readonly clock: Clock; readonly log: Log };
  readonly #counters: { readonly ok: CounterCell; readonly failed: CounterCell };
  #isSending = false;
  #lastLoggedMs = Number.NEGATIVE_INFINITY;

  constructor(
    target: { readonly url: string; readonly timeoutMs: number },
    parts: {
      readonly http: JsonClient;
      readonly samples: SampleBuffer;
      readonly services: { readonly clock: Clock; readonly log: Log };
      readonly counters: { readonly ok: CounterCell; readonly failed: CounterCell };
    },
  ) {
    this.#target = target;
    this.#http = parts.http;
    this.#samples = parts.samples;
    this.#services = parts.services;
    this.#counters = parts.counters;
  }

  /** Sends what has been collected, unless the sending before is still under way. Never rejects. */
  async flush(signal: AbortSignal): Promise<void> {
    if (this.#isSending || this.#samples.size === 0) return;
    this.#isSending = true;
    try {
      await this.#http.send({
        method: 'POST',
        url: `${this.#target.url}/add_training_data_bulk`,
        body: `{"entries":[${this.#samples.take().join(',')}]}`,
        wantStatus: 202,
        timeoutMs: this.#target.timeoutMs,
        signal,
      });
      this.#counters.ok.value += 1;
    } catch (error) {
      this.#counters.failed.value += 1;
      this.#report(error);
    } finally {
      this.#isSending = false;
    }
  }

  #report(error: unknown): void {
    const { clock, log } = this.#services;
    if (clock.nowMs() - this.#lastLoggedMs < LOG_WINDOW_MS) return;
    this.#lastLoggedMs = clock.nowMs();
    log.warn({ err: error }, 'samples for the latency predictor could not be sent');
  }
}
