import { AttributeKey } from '../framework/attribute.ts';
import type { CounterCell, HistogramCell } from '../framework/instruments.ts';
import type { InferenceRequest } from '../framework/request.ts';
import type { InferenceResponse } from '../framework/response.ts';
import type { Clock } from '../util/clock.ts';
import { OTHER } from './label-bound.ts';
import type { MetricRegistry } from './registry.ts';
import { seriesKey } from './series.ts';

/**
 * Most combinations of model, target, fairness id and priority that are told apart. Each label is bounded by the
 * registry, but their product is not, and a combination costs some 10 kB of memory and 200 lines of the page.
 */
const MAX_COMBINATIONS = 5000;

/** Error code of an exchange that ended without the picker or the model server saying why. */
const UNKNOWN_ERROR = 'Unknown';
const MODEL_SERVER_ERROR = 'ModelServerError';
const EVICTED_ERROR = 'ResourceExhausted';

/** Labels that every metric of a request has. */
type FlowLabels = Readonly<Record<'model_name' | 'target_model_name' | 'fairness_id' | 'priority', string>>;

/** The metrics of one combination of labels; obtained once per request, so that a chunk is counted in fields. */
class RequestCells {
  /** False for the empty model name, whose running requests the reference does not show. */
  readonly showsRunning: boolean;
  running = 0;
  readonly total: CounterCell;
  readonly requestBytes: HistogramCell;
  readonly responseBytes: HistogramCell;
  readonly duration: HistogramCell;
  readonly inputTokens: HistogramCell;
  readonly outputTokens: HistogramCell;
  readonly cachedTokens: HistogramCell;
  readonly normalizedPerToken: HistogramCell;
  readonly perToken: HistogramCell;
  readonly interToken: HistogramCell;
  readonly firstToken: HistogramCell;
  readonly firstTokenStreaming: HistogramCell;
  readonly #errors = new Map<string, CounterCell>();
  readonly #registry: MetricRegistry;
  readonly #labels: FlowLabels;

  constructor(registry: MetricRegistry, labels: FlowLabels) {
    this.#registry = registry;
    this.#labels = labels;
    this.showsRunning = labels.model_name !== '';
    this.total = registry.counter('request_total', labels);
    this.requestBytes = registry.histogram('request_size_bytes', labels);
    this.responseBytes = registry.histogram('response_size_bytes', labels);
    this.duration = registry.histogram('request_duration_seconds', labels);
    this.inputTokens = registry.histogram('request_input_tokens', labels);
    this.outputTokens = registry.histogram('request_output_tokens', labels);
    this.cachedTokens = registry.histogram('request_cached_tokens', labels);
    this.normalizedPerToken = registry.histogram('request_ntpot_seconds', labels);
    this.perToken = registry.histogram('request_streaming_tpot_seconds', labels);
    this.interToken = registry.histogram('request_streaming_itl_seconds', labels);
    this.firstToken = registry.histogram('request_ttft_seconds', { ...labels, streaming: 'false' });
    this.firstTokenStreaming = registry.histogram('request_ttft_seconds', { ...labels, streaming: 'true' });
    if (this.showsRunning) registry.gauge('request_running', labels, () => this.running);
  }

  countError(code: string): void {
    let cell = this.#errors.get(code);
    if (cell === undefined) {
      cell = this.#registry.counter('request_error_total', { ...this.#labels, error_code: code });
      this.#errors.set(code, cell);
    }
    cell.value += 1;
  }
}

/** What the metrics remember of one request until it ends. */
class RequestRecord {
  readonly cells: RequestCells;
  isRunning = false;
  hasError = false;

  constructor(cells: RequestCells) {
    this.cells = cells;
  }
}

const RECORD = new AttributeKey<RequestRecord>('RequestRecord', 'telemetry');

/** The cells of the latest request, and what they belong to. */
interface LastCells {
  readonly model: string;
  readonly targetModel: string;
  readonly fairnessId: string;
  readonly priority: number;
  readonly cells: RequestCells | undefined;
}

/**
 * Counts requests on their way. Each method is called at one place: `scheduled` or `rejected` by the request stage,
 * `chunkFollowed` and `completed` by the response stage; `completed` once for every request, however it ended.
 */
export class RequestMetrics {
  readonly #registry: MetricRegistry;
  readonly #clock: Clock;
  readonly #combinations = new Map<string, RequestCells>();
  #last: LastCells = { model: '', targetModel: '', fairnessId: '', priority: 0, cells: undefined };
  readonly #requestProcessing: HistogramCell;
  readonly #responseProcessing: HistogramCell;
  /** By hundreds: index 2 is `2xx`. */
  readonly #responses: readonly CounterCell[];

  constructor(registry: MetricRegistry, clock: Clock) {
    this.#registry = registry;
    this.#clock = clock;
    this.#requestProcessing = registry.histogram('request_processing_duration_seconds', {});
    this.#responseProcessing = registry.histogram('response_processing_duration_seconds', {});
    this.#responses = ['other', '1xx', '2xx', '3xx', '4xx', '5xx'].map((codeClass) =>
      registry.counter('upstream_responses_total', { code_class: codeClass }),
    );
  }

  /** The request was parsed, admitted and scheduled; it counts as running until `completed`. */
  scheduled(request: InferenceRequest): void {
    const record = this.#record(request);
    const { cells } = record;
    cells.total.value += 1;
    cells.requestBytes.observe(request.bodySizeBytes);
    if (record.isRunning) return;
    record.isRunning = true;
    cells.running += 1;
  }

  /** The picker refused the request; `code` is the `label` of its `RejectionError`. */
  rejected(request: InferenceRequest, code: string): void {
    this.#fail(this.#record(request), code);
  }

  /** Time from the request headers to the decision or refusal. */
  processed(durationMs: number): void {
    this.#requestProcessing.observe(durationMs / 1000);
  }

  /** Streams only: `gapMs` passed between two successive chunks of the response body. */
  chunkFollowed(request: InferenceRequest, _response: InferenceResponse, gapMs: number): void {
    request.attributes.get(RECORD)?.cells.interToken.observe(gapMs / 1000);
  }

  /**
   * The exchange is over; `response.cause` says how. `processingMs`: time this program spent on the response, not
   * counted unless positive. A second call for the same request counts nothing.
   */
  completed(request: InferenceRequest, response: InferenceResponse, processingMs: number): void {
    if (response.cause === 'error' || response.cause === 'evicted') {
      const code = response.cause === 'evicted' ? EVICTED_ERROR : UNKNOWN_ERROR;
      this.#fail(this.#record(request), code);
    }
    const record = request.attributes.get(RECORD);
    if (record === undefined || !record.isRunning) return;
    record.isRunning = false;
    record.cells.running -= 1;
    if (processingMs > 0) this.#responseProcessing.observe(processingMs / 1000);
    if (response.status === 0) return;
    const hundreds = Math.trunc(response.status / 100);
    const responses = this.#responses[hundreds] ?? this.#responses[0];
    if (responses !== undefined) responses.value += 1;
    if (response.status >= 400) this.#fail(record, MODEL_SERVER_ERROR);
    observeResponse(record.cells, request, response);
    if (response.cause === 'natural') {
      observeWhole(record.cells, response, (this.#clock.nowMs() - request.receivedAtMs) / 1000);
    }
  }

  #fail(record: RequestRecord, code: string): void {
    if (record.hasError) return;
    record.hasError = true;
    record.cells.countError(code);
  }

  #record(request: InferenceRequest): RequestRecord {
    let record = request.attributes.get(RECORD);
    if (record === undefined) {
      record = new RequestRecord(this.#cells(request));
      request.attributes.set(RECORD, record);
    }
    return record;
  }

  /** Most requests are like the one before them. */
  #cells(request: InferenceRequest): RequestCells {
    const { body, targetModel, fairnessId, priority } = request;
    const last = this.#last;
    if (
      last.model === body.model &&
      last.targetModel === targetModel &&
      last.fairnessId === fairnessId &&
      last.priority === priority &&
      last.cells !== undefined
    ) {
      return last.cells;
    }
    const cells = this.#lookUp(request);
    this.#last = { model: body.model, targetModel, fairnessId, priority, cells };
    return cells;
  }

  #lookUp(request: InferenceRequest): RequestCells {
    const labels = {
      model_name: this.#registry.admit('model', request.body.model),
      target_model_name: this.#registry.admit('model', request.targetModel),
      fairness_id: this.#registry.admit('fairness', request.fairnessId),
      priority: String(request.priority),
    };
    const known = this.#combinations.get(combinationKey(labels));
    if (known !== undefined) return known;
    if (this.#combinations.size < MAX_COMBINATIONS) return this.#add(labels);
    const rest = { ...labels, model_name: OTHER, target_model_name: OTHER, fairness_id: OTHER };
    return this.#combinations.get(combinationKey(rest)) ?? this.#add(rest);
  }

  #add(labels: FlowLabels): RequestCells {
    const cells = new RequestCells(this.#registry, labels);
    this.#combinations.set(combinationKey(labels), cells);
    return cells;
  }
}

function combinationKey(labels: FlowLabels): string {
  return seriesKey([labels.model_name, labels.target_model_name, labels.fairness_id, labels.priority]);
}

/** What is known however the exchange ended. */
function observeResponse(cells: RequestCells, request: InferenceRequest, response: InferenceResponse): void {
  const { usage } = response;
  if (usage.promptTokens > 0) cells.inputTokens.observe(usage.promptTokens);
  if (usage.completionTokens > 0) cells.outputTokens.observe(usage.completionTokens);
  cells.cachedTokens.observe(usage.cachedTokens);
  if (response.status >= 400) return;
  const firstToken = response.isStreaming ? cells.firstTokenStreaming : cells.firstToken;
  firstToken.observe((response.firstByteAtMs - request.receivedAtMs) / 1000);
}

/** What only a whole response tells. */
function observeWhole(cells: RequestCells, response: InferenceResponse, seconds: number): void {
  const tokens = response.usage.completionTokens;
  cells.responseBytes.observe(response.sizeBytes);
  if (seconds > 0) cells.duration.observe(seconds);
  if (tokens > 0) cells.normalizedPerToken.observe(seconds / tokens);
  if (response.isStreaming && tokens > 1) {
    cells.perToken.observe((response.lastByteAtMs - response.firstByteAtMs) / 1000 / (tokens - 1));
  }
}
