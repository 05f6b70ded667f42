import type { InferenceRequest } from '../framework/request.ts';
import type { InferenceResponse, MetadataEntry } from '../framework/response.ts';

/** How much of the request body the picker gets to see. */
export type BodyView = 'whole' | 'prefix' | 'none' | 'absent';

/** What the data plane says about one exchange besides its headers and body. */
export interface ExchangeContext {
  /**
   * `whole`: all of it. `prefix`: cut at the data plane's buffer limit. `none`: it flows around the picker. `absent`: there
   * is none.
   */
  readonly bodyView: BodyView;
  /** Subset hint from `envoy.lb.subset_hint`: `ip:port` or `ip` items; undefined when there is none. */
  readonly subset: readonly string[] | undefined;
  /** Aborts when the client leaves or the data plane answers by itself. */
  readonly signal: AbortSignal;
}

/** Where a request goes. */
export interface Decision {
  /** `ip:port[,ip:port…]`, best first. */
  readonly destination: string;
  /** Score of each scored endpoint by `ip:port`; undefined unless they are to be emitted. */
  readonly scores: ReadonlyMap<string, number> | undefined;
  /** Replacement of the body, in order; undefined to forward what was received. */
  readonly body: readonly Uint8Array[] | undefined;
  /** The exchange ends after the request phase. */
  readonly skipsResponse: boolean;
}

/** From a received request to a destination; supplied by `request/director.ts`. */
export interface RequestStage {
  /**
   * Called once when the headers are in: cleans control headers, sets request id, path and method. Sets only
   * fields of `request`; never waits.
   */
  accept(request: InferenceRequest): void;
  /**
   * Chooses the destination. `body` is what was received, empty when there is none. Returns a promise only when
   * something must wait. Throws or rejects with `RejectionError` for a refusal; any other error is a fault.
   */
  decide(request: InferenceRequest, body: Buffer, context: ExchangeContext): Decision | Promise<Decision>;
}

/** Follows the answer; supplied by `response/handler.ts`. */
export interface ResponseStage {
  /** Response headers are in `response`; hooks may change them. */
  headers(request: InferenceRequest, response: InferenceResponse): void;
  /**
   * A chunk of the body. Returns what to forward instead: the chunk itself unless the model name is restored, maybe
   * empty while part of an event is held back. With `isLast` everything held back is returned.
   */
  chunk(request: InferenceRequest, response: InferenceResponse, chunk: Buffer, isLast: boolean): Buffer;
  /**
   * All of the response went through `chunk`: what the data plane is told with the answer to its last part. Called at
   * most once, before `end`.
   */
  finalMetadata(request: InferenceRequest, response: InferenceResponse): readonly MetadataEntry[];
  /** The exchange is over; `response.cause` says how. Called exactly once for every accepted request. */
  end(request: InferenceRequest, response: InferenceResponse): void;
}
