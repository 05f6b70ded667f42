import { AttributeKey } from '../framework/attribute.ts';
import type { Endpoint } from '../framework/endpoint.ts';
import type { ResponseBodyHook, ResponseHeaderHook } from '../framework/hooks.ts';
import type { Log } from '../framework/log.ts';
import type { ResponseReader } from '../framework/parser.ts';
import type { Named } from '../framework/plugin.ts';
import type { InferenceRequest } from '../framework/request.ts';
import type { InferenceResponse, MetadataEntry } from '../framework/response.ts';
import type { Clock } from '../util/clock.ts';
import { EventCounter } from './event-counter.ts';
import { type BodyKind, bodyKind, isEventStream, isRefusal } from './headers.ts';
import { type ResponseHookServices, ResponseHooks } from './hooks.ts';
import { ModelRestorer } from './restore-model.ts';
import { EventUsageReader } from './sse.ts';
import { DocumentUsageReader } from './usage-reader.ts';

/** Told what responses do; supplied by telemetry. What it throws is contained. */
export interface ResponseObserver {
  /** Streams only: `gapMs` passed between two successive non-empty chunks. */
  chunkFollowed(request: InferenceRequest, response: InferenceResponse, gapMs: number): void;
  /**
   * Once for every accepted request, whatever became of it: `request.endpoint` is undefined when it was refused,
   * `response.status` 0 when no answer came. Usage is final. `processingMs`: for a stream the time spent on its chunks,
   * else the time from response headers to the end; NaN without response headers.
   */
  completed(request: InferenceRequest, response: InferenceResponse, processingMs: number): void;
}

/** What following responses needs of the parts around it. */
export interface ResponseServices extends ResponseHookServices {
  readonly observer: ResponseObserver;
  readonly headerHooks: readonly Named<ResponseHeaderHook>[];
  readonly bodyHooks: readonly Named<ResponseBodyHook>[];
  /** Pool member that serves at `ip:port`; undefined when there is none. */
  served(hostPort: string): Endpoint | undefined;
  /** `request` was served by `endpoint` and not by the one first chosen: what is counted for it moves there. */
  moved(request: InferenceRequest, endpoint: Endpoint): void;
  /** The data plane could not reach `request.endpoint`. */
  refused(request: InferenceRequest): void;
  /** Gives back what the request holds; called last, exactly once for every accepted request. */
  release(request: InferenceRequest): void;
}

/** What is known of one response between two calls. */
class ResponseState {
  usage: ResponseReader | undefined = undefined;
  restorer: ModelRestorer | undefined = undefined;
  events: EventCounter | undefined = undefined;
  /** `Clock.nowMs()` at the response headers; NaN before. */
  headersAtMs = Number.NaN;
  /** Time spent on chunks. */
  chunkMs = 0;
  isEnded = false;
}

const NO_METADATA: readonly MetadataEntry[] = [];

/** Lives on the request, so that it leaves with it. */
const STATE = new AttributeKey<ResponseState>('ResponseState', 'response-handler');

/** Follows each response from its headers to its end: forwards, counts, tells hooks, and cleans up once. */
export class ResponseHandler {
  readonly #services: ResponseServices;
  readonly #hooks: ResponseHooks;
  /** Some hook wants to know how many events a stream has. */
  readonly #countsEvents: boolean;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(services: ResponseServices) {
    this.#services = services;
    this.#hooks = new ResponseHooks(services.headerHooks, services.bodyHooks, services);
    this.#countsEvents = services.bodyHooks.some(({ plugin }) => plugin.countsEvents === true);
    this.#clock = services.clock;
    this.#log = services.log;
  }

  /**
   * Response headers are in. Settles whether the answer is a stream, who served it, and what is done with its body;
   * hooks of requests that got an endpoint may change headers. `content-length` goes when the body may change.
   */
  headers(request: InferenceRequest, response: InferenceResponse): void {
    const state = stateOf(request);
    state.headersAtMs = this.#clock.nowMs();
    response.isStreaming = isEventStream(request, response);
    if (request.endpoint !== undefined) {
      if (isRefusal(response)) this.#services.refused(request);
      else this.#attribute(request, request.endpoint, response.servedEndpoint);
    }
    if (response.status === 0 || (response.status >= 200 && response.status < 300))
      this.#follow(request, response, state);
    if (request.endpoint !== undefined) this.#hooks.headers(request, response);
  }

  /** See `ResponseStage`. Bytes come back as they are unless a model name is restored; `chunk` is not kept. */
  chunk(request: InferenceRequest, response: InferenceResponse, chunk: Buffer, isLast: boolean): Buffer {
    const state = stateOf(request);
    if (chunk.length === 0) return state.restorer === undefined ? chunk : state.restorer.push(chunk, isLast);
    const nowMs = this.#clock.nowMs();
    if (response.headers === undefined && response.sizeBytes === 0) {
      response.isStreaming = isEventStream(request, response);
      this.#follow(request, response, state);
    }
    this.#count(request, response, chunk.length, nowMs);
    state.usage?.push(chunk, isLast);
    if (state.events !== undefined) response.events += state.events.push(chunk);
    const forwarded = state.restorer === undefined ? chunk : state.restorer.push(chunk, isLast);
    state.chunkMs += this.#clock.nowMs() - nowMs;
    return forwarded;
  }

  /** See `ResponseStage`. Usage is final from here on. */
  finalMetadata(request: InferenceRequest, response: InferenceResponse): readonly MetadataEntry[] {
    if (!this.#hooks.hasReporters || request.endpoint === undefined) return NO_METADATA;
    this.#finishUsage(stateOf(request));
    return this.#hooks.finalMetadata(request, response);
  }

  /** The exchange is over: usage, hooks, observer, release, in this order. A second call does nothing. */
  end(request: InferenceRequest, response: InferenceResponse): void {
    const state = stateOf(request);
    if (state.isEnded) return;
    state.isEnded = true;
    let nowMs = this.#clock.nowMs();
    this.#finishUsage(state);
    state.restorer = undefined;
    if (request.endpoint !== undefined) nowMs = this.#hooks.complete(request, response, nowMs);
    const processingMs = response.isStreaming ? state.chunkMs : nowMs - state.headersAtMs;
    try {
      this.#services.observer.completed(request, response, processingMs);
    } catch (error) {
      this.#contain('observer', error);
    }
    try {
      this.#services.release(request);
    } catch (error) {
      this.#contain('release', error);
    }
  }

  #finishUsage(state: ResponseState): void {
    try {
      state.usage?.finish();
    } catch (error) {
      this.#contain('usage', error);
    }
    state.usage = undefined;
  }

  /** Gives the credit to the endpoint that the data plane names, when that is another one. */
  #attribute(request: InferenceRequest, chosen: Endpoint, servedEndpoint: string): void {
    if (servedEndpoint === '' || servedEndpoint === chosen.hostPort) return;
    const served = this.#services.served(servedEndpoint);
    if (served === undefined || served === chosen) return;
    // sent to one port of the address for all ranks, which is the address of another rank
    if (request.result?.destination !== undefined && served.address === chosen.address) return;
    request.endpoint = served;
    this.#services.moved(request, served);
  }

  /** Prepares reading and changing the body of a successful response. */
  #follow(request: InferenceRequest, response: InferenceResponse, state: ResponseState): void {
    const { parser } = request;
    if (parser === undefined || !parser.readsResponse || !response.isBodySeen) return;
    if (parser.createResponseReader !== undefined) {
      state.usage = parser.createResponseReader(request, response);
      return;
    }
    const kind: BodyKind = bodyKind(request, response);
    if (kind === 'opaque') return;
    const isEvents = kind === 'events';
    state.usage = isEvents
      ? new EventUsageReader(parser, response.usage)
      : new DocumentUsageReader(parser, response.usage);
    if (isEvents && this.#countsEvents) state.events = new EventCounter();
    const { targetModel } = request;
    const { model } = request.body;
    if (model === '' || targetModel === '' || model === targetModel) return;
    state.restorer = new ModelRestorer(targetModel, model, { isEvents });
    response.headers?.remove('content-length');
  }

  #count(request: InferenceRequest, response: InferenceResponse, sizeBytes: number, nowMs: number): void {
    if (response.sizeBytes === 0) {
      response.firstByteAtMs = nowMs;
      if (request.endpoint !== undefined) this.#hooks.started(request, response, nowMs);
    } else if (response.isStreaming) {
      this.#services.observer.chunkFollowed(request, response, nowMs - response.lastByteAtMs);
    }
    response.lastByteAtMs = nowMs;
    response.sizeBytes += sizeBytes;
  }

  /** One part of the end that fails must not keep the others from running. */
  #contain(part: string, error: unknown): void {
    this.#log.error({ part, err: error }, 'end of a response failed in part');
  }
}

function stateOf(request: InferenceRequest): ResponseState {
  let state = request.attributes.get(STATE);
  if (state === undefined) {
    state = new ResponseState();
    request.attributes.set(STATE, state);
  }
  return state;
}
