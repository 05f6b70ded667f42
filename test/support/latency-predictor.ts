import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { z } from 'zod';
import { LinearModel } from './linear-model.ts';

const row = z.object({
  kv_cache_percentage: z.number().min(0).max(1),
  input_token_length: z.int().min(0),
  num_request_waiting: z.int().min(0),
  num_request_running: z.int().min(0),
  num_tokens_generated: z.int().min(0),
  prefix_cache_score: z.number().min(0).max(1),
  encoder_input_size: z.int().min(0),
  encoder_matched_size: z.int().min(0),
  prefill_tokens_in_flight: z.int().min(0),
  decode_tokens_in_flight: z.int().min(0),
  pod_type: z.enum(['prefill', 'decode']).optional(),
});

/** What the predictor is asked about one endpoint. */
export type PredictionRow = z.infer<typeof row>;

const sample = row.extend({
  actual_ttft_ms: z.number().min(0),
  actual_tpot_ms: z.number().min(0),
  timestamp: z.iso.datetime(),
});

/** What the predictor is taught. */
export type TrainingSample = z.infer<typeof sample>;

/** A latency in milliseconds that does not have to be learnt. */
export interface FixedPrediction {
  readonly ttft: number;
  readonly tpot: number;
}

/** How the predictor answers. */
export type PredictorMode =
  | 'serve'
  /** HTTP 500. */
  | 'error'
  /** Half a JSON document. */
  | 'malformed'
  /** One prediction fewer than asked for. */
  | 'few'
  /** Takes the request and never answers. */
  | 'stall'
  /** Has no models yet: 503, and says so in its status. */
  | 'not-ready';

/** What an untrained predictor says of everything. */
const UNTRAINED: FixedPrediction = { ttft: 10, tpot: 10 };

/**
 * The latency predictor's two servers in one, over real HTTP: `/predict/bulk/strict`, `/predict/bulk`,
 * `/add_training_data_bulk`, `/status`, `/healthz`. It learns a linear model of each latency from the samples it is sent,
 * unless a test says what to predict, and refuses rows that the real one would refuse.
 */
export class LatencyPredictor implements AsyncDisposable {
  mode: PredictorMode = 'serve';
  /** Time before each answer to a question, in milliseconds. */
  delayMs = 0;
  /** Says what is predicted; undefined: what was learnt. */
  predict: ((row: PredictionRow) => FixedPrediction) | undefined = undefined;
  /** Sizes of the calls for predictions, in rows. */
  readonly asked: PredictionRow[][] = [];
  /** In the order in which they came. */
  readonly samples: TrainingSample[] = [];
  /** Sizes of the calls with samples. */
  readonly flushes: number[] = [];
  /** Says nothing when it takes samples. */
  takesSilently = false;
  statusCalls = 0;
  /** Calls for predictions that have not been answered. */
  open = 0;
  mostOpen = 0;
  readonly #minSamples: number;
  readonly #ttft = new LinearModel();
  readonly #tpot = new LinearModel();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #port = 0;

  /** `minSamples`: of each latency, before anything is learnt. */
  constructor(minSamples = 20) {
    this.#minSamples = minSamples;
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Rows of all calls for predictions. */
  get rows(): readonly PredictionRow[] {
    return this.asked.flat();
  }

  /** Listens, on the same port as before when it listened before. */
  async listen(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port; // it listens on TCP
  }

  /** From here on the port refuses. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    try {
      for await (const part of request) parts.push(part as Buffer); // no encoding is set
    } catch {
      return; // the client left
    }
    const body = Buffer.concat(parts).toString('utf8');
    switch (`${request.method} ${request.url}`) {
      case 'GET /healthz':
        reply(response, 200, { status: 'ok' });
        return;
      case 'GET /status':
        this.statusCalls += 1;
        reply(response, 200, {
          is_ready: this.mode !== 'not-ready',
          model_type: 'bayesian_ridge',
          objective_type: 'mean',
          quantile: 0.9,
          last_model_load: null,
        });
        return;
      case 'POST /add_training_data_bulk':
        this.#learn(body, response);
        return;
      case 'POST /predict/bulk/strict':
      case 'POST /predict/bulk':
        this.open += 1;
        this.mostOpen = Math.max(this.mostOpen, this.open);
        response.on('close', () => {
          this.open -= 1;
        });
        setTimeout(() => this.#predict(body, response), this.delayMs).unref();
        return;
      default:
        reply(response, 404, { detail: 'Not Found' });
    }
  }

  #learn(body: string, response: ServerResponse): void {
    if (this.mode === 'stall') return;
    if (this.mode === 'error') {
      reply(response, 500, { detail: 'Internal Server Error' });
      return;
    }
    const parsed = z.object({ entries: z.array(sample).min(1) }).safeParse(JSON.parse(body));
    if (!parsed.success) {
      reply(response, 422, { detail: parsed.error.issues });
      return;
    }
    const { entries } = parsed.data;
    this.flushes.push(entries.length);
    this.samples.push(...entries);
    for (const entry of entries) {
      if (entry.actual_ttft_ms > 0) this.#ttft.learn(ttftFeatures(entry), entry.actual_ttft_ms);
      if (entry.actual_tpot_ms > 0) this.#tpot.learn(tpotFeatures(entry), entry.actual_tpot_ms);
    }
    if (this.takesSilently) response.writeHead(202).end();
    else reply(response, 202, { message: `accepted ${entries.length}` });
  }

  #predict(body: string, response: ServerResponse): void {
    const parsed = z.object({ requests: z.array(row).min(1).max(10_000) }).safeParse(JSON.parse(body));
    if (!parsed.success) {
      reply(response, 422, { detail: parsed.error.issues });
      return;
    }
    const { requests } = parsed.data;
    this.asked.push(requests);
    switch (this.mode) {
      case 'stall':
        return;
      case 'error':
        reply(response, 500, { detail: 'Internal error during batch prediction' });
        return;
      case 'not-ready':
        reply(response, 503, { detail: 'Models not ready' });
        return;
      case 'malformed':
        response.writeHead(200, { 'content-type': 'application/json' }).end('{"predictions": [{"ttft_ms": 1');
        return;
      case 'few':
      case 'serve':
        this.#replyWithPredictions(requests.slice(0, this.mode === 'few' ? -1 : undefined), response);
        return;
      default:
        this.mode satisfies never;
    }
  }

  #replyWithPredictions(requests: readonly PredictionRow[], response: ServerResponse): void {
    const predictions = requests.map((one) => {
      const { ttft, tpot } = this.predict?.(one) ?? this.#estimate(one);
      return { ttft_ms: ttft, tpot_ms: tpot, model_type: 'bayesian_ridge', objective_type: 'mean' };
    });
    const { length } = predictions;
    reply(response, 200, {
      predictions,
      total_requests: length,
      successful_predictions: length,
      failed_predictions: 0,
      processing_time_ms: 1,
    });
  }

  #estimate(one: PredictionRow): FixedPrediction {
    if (this.#ttft.size < this.#minSamples) return UNTRAINED;
    return {
      ttft: Math.max(0, this.#ttft.estimate(ttftFeatures(one))),
      tpot:
        this.#tpot.size < this.#minSamples
          ? UNTRAINED.tpot
          : Math.max(0, this.#tpot.estimate(tpotFeatures(one))),
    };
  }
}

/** A listening one, on a free port. */
export async function startLatencyPredictor(minSamples?: number): Promise<LatencyPredictor> {
  const predictor = new LatencyPredictor(minSamples);
  await predictor.listen();
  return predictor;
}

function ttftFeatures(one: PredictionRow): readonly number[] {
  return [
    1,
    one.kv_cache_percentage,
    one.num_request_waiting / 10,
    one.num_request_running / 10,
    (one.input_token_length * (1 - one.prefix_cache_score)) / 1000,
  ];
}

function tpotFeatures(one: PredictionRow): readonly number[] {
  return [1, one.kv_cache_percentage, one.num_request_running / 10];
}

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
