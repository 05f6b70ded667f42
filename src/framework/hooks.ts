import type { Endpoint } from './endpoint.ts';
import type { SchedulingResult } from './profile-handler.ts';
import type { InferenceRequest } from './request.ts';
import type { InferenceResponse } from './response.ts';

/** Runs once per request before admission. */
export interface HeaderProcessor {
  requestHeaders(request: InferenceRequest): void;
}

/** How long somebody waits. The signal is made when it is first read: most requests never need one. */
export interface Patience {
  readonly signal: AbortSignal;
}

/** Finds out something about a request or its candidates before scheduling. */
export interface DataProducer {
  /** Budget of one run in milliseconds; set by producers that wait. A promise without it is given 400 ms. */
  readonly timeoutMs?: number;
  /**
   * Sets attributes on `request`. Return a promise only when it must wait; `patience.signal` aborts when the client
   * leaves and, with `timeoutMs`, at the budget; nothing may be written after that. A failure is contained, counted
   * and logged, and the request goes on without what this producer would have written.
   */
  produce(
    request: InferenceRequest,
    candidates: readonly Endpoint[],
    patience: Patience,
  ): void | Promise<void>;
}

/** Runs after scheduling and before the answer is sent to Envoy. */
export interface PreRequestHook {
  preRequest(request: InferenceRequest, result: SchedulingResult): void;
}

/** Sees, and may change, the response headers. */
export interface ResponseHeaderHook {
  responseHeaders(request: InferenceRequest, response: InferenceResponse): void;
}

/** Sees the response body go by and its end. */
export interface ResponseBodyHook {
  /** First non-empty chunk of the body arrived. */
  responseStarted?(request: InferenceRequest, response: InferenceResponse): void;
  /** Exactly once for every request that got a target, however it ended; `response.cause` says how. */
  responseComplete(request: InferenceRequest, response: InferenceResponse): void;
}

/** Follows the pool's membership. */
export interface EndpointObserver {
  endpointAdded?(endpoint: Endpoint): void;
  /** After this returns, `endpoint.slot` may be given to another endpoint. */
  endpointRemoved(endpoint: Endpoint): void;
}

/** Shows a bounded picture of a plugin's state on `/debug/plugins/state`: no addresses, no labels. */
export interface StateDumper {
  /** Any JSON value; at most about 100 entries. */
  dumpState(): unknown;
}
