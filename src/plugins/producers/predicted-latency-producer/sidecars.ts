import type { CounterCell } from '../../../framework/instruments.ts';
import type { PluginContext } from '../../../framework/plugin.ts';
import { JsonClient } from './json-client.ts';
import { type Config, connectionSettings } from './params.ts';
import { type Estimates, PredictionClient } from './prediction-client.ts';
import { PredictionServers } from './prediction-servers.ts';
import { SampleBuffer } from './sample-buffer.ts';
import { refreshStatus, type ServerStatus } from './server-status.ts';
import { TrainingClient } from './training-client.ts';

/** Time after which a server that had no models, or did not answer, is asked again. */
const RETRY_STATUS_MS = 5_000;
const FIRST_STATUS_MS = 100;
/** Expired requests are looked for this often. */
const SWEEP_MS = 60_000;

/** The servers beside the picker: asks the ones that predict, feeds the one that learns, looks how they are. */
export class Sidecars {
  /** What waits to be learnt. */
  readonly samples: SampleBuffer;
  readonly #context: PluginContext;
  readonly #servers: PredictionServers;
  readonly #predictions: PredictionClient;
  #status: readonly ServerStatus[] = [];

  /** `sweep` is called once a minute. Everything ends when the context's signal aborts. */
  constructor(config: Config, context: PluginContext, sweep: () => void) {
    const { clock, log, rng, signal } = context;
    const settings = connectionSettings(config, context.environment, log);
    this.#context = context;
    this.samples = new SampleBuffer(settings.maxSampleSize, rng);
    this.#servers = new PredictionServers(settings.predictionUrls, { clock, log, rng });
    const http = new JsonClient(settings.maxConcurrentDispatches, clock);
    this.#predictions = new PredictionClient(
      { ...settings, slowMs: config.predictionTimeout / 2 },
      {
        http,
        servers: this.#servers,
        counters: {
          ok: this.counter('predict', 'ok'),
          failed: this.counter('predict', 'failed'),
          abandoned: this.counter('predict', 'abandoned'),
        },
        clock,
      },
    );
    const training = new TrainingClient(
      { url: settings.trainingUrl, timeoutMs: settings.httpTimeoutMs },
      {
        http,
        samples: this.samples,
        services: { clock, log },
        counters: { ok: this.counter('train', 'ok'), failed: this.counter('train', 'failed') },
      },
    );
    if (signal.aborted) return;
    const timers = [
      clock.every(settings.flushIntervalMs, () => void training.flush(signal)),
      clock.every(SWEEP_MS, sweep),
    ];
    if (config.predictInProduce) this.#watchStatus(http, settings);
    signal.addEventListener('abort', () => {
      for (const cancel of timers) cancel();
      http.close();
    });
  }

  /** False while no prediction server may be asked. */
  get canPredict(): boolean {
    return this.#servers.hasAny;
  }

  /** See `PredictionClient.predict`. */
  predict(rows: readonly string[], signal: AbortSignal): Promise<Estimates> {
    return this.#predictions.predict(rows, signal);
  }

  counter(call: 'predict' | 'train', outcome: 'ok' | 'failed' | 'abandoned' | 'skipped'): CounterCell {
    const { instruments, name, type } = this.#context;
    const labels = { plugin_name: name, plugin_type: type, call, outcome };
    return instruments.counter('latency_predictor_calls_total', labels);
  }

  /** State without addresses. */
  dump(): object {
    const nowMs = this.#context.clock.nowMs();
    return {
      predictionServers: this.#servers.all.map(({ failures, pausedUntilMs, isUntrained }, i) => ({
        failures,
        pausedForMs: Math.max(0, Math.round(pausedUntilMs - nowMs)),
        isUntrained,
        modelType: this.#status[i]?.modelType ?? '',
        objectiveType: this.#status[i]?.objectiveType ?? '',
      })),
      calls: this.#predictions.load,
      samples: this.samples.size,
    };
  }

  /** Looks at once, then in every interval; sooner while a server is not ready. */
  #watchStatus(
    http: JsonClient,
    {
      httpTimeoutMs,
      statusIntervalMs,
    }: { readonly httpTimeoutMs: number; readonly statusIntervalMs: number },
  ): void {
    const { clock, log, signal } = this.#context;
    const look = async () => {
      if (signal.aborted) return;
      const options = { timeoutMs: httpTimeoutMs, signal, log };
      this.#status = await refreshStatus(this.#servers.all, http, options);
      const isSettled = this.#status.every(({ isReady }) => isReady === true);
      clock.after(
        isSettled ? statusIntervalMs : Math.min(RETRY_STATUS_MS, statusIntervalMs),
        () => void look(),
      );
    };
    clock.after(FIRST_STATUS_MS, () => void look());
  }
}
