import type { CounterCell, HistogramCell, Instruments } from '../framework/instruments.ts';

/** Counts `Process` streams (`--enable-grpc-stream-metrics`). */
export class StreamMetrics {
  readonly #duration: HistogramCell;
  readonly #ok: CounterCell;
  readonly #canceled: CounterCell;

  /** `inFlight` is read at exposition. */
  constructor(instruments: Instruments, inFlight: () => number) {
    instruments.gauge('extproc_streams_inflight', {}, inFlight);
    this.#duration = instruments.histogram('extproc_stream_duration_seconds', {});
    this.#ok = instruments.counter('extproc_streams_total', { code: 'OK' });
    this.#canceled = instruments.counter('extproc_streams_total', { code: 'Canceled' });
  }

  /** One stream is over. */
  closed(durationMs: number, isCancelled: boolean): void {
    this.#duration.observe(durationMs / 1000);
    if (isCancelled) this.#canceled.value += 1;
    else this.#ok.value += 1;
  }
}
