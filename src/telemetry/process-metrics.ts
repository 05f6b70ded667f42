import { collectDefaultMetrics, Registry } from 'prom-client';

/** Sampling interval of prom-client's event loop monitor; finer costs idle wake-ups and tells operators nothing. */
const EVENT_LOOP_PRECISION_MS = 20;

/** The `process_*` and `nodejs_*` metrics that dashboards for any Node.js program expect. */
export class ProcessMetrics {
  readonly #registry = new Registry();

  constructor() {
    collectDefaultMetrics({
      register: this.#registry,
      eventLoopMonitoringPrecision: EVENT_LOOP_PRECISION_MS,
    });
  }

  /** Prometheus text, to be appended to the page of `MetricRegistry`; no name occurs in both. */
  async render(): Promise<string> {
    const text = await this.#registry.metrics();
    return text.replace(/\n{2,}/g, '\n').replace(/ Nan$/gm, ' NaN'); // `Nan` is prom-client's spelling
  }
}
