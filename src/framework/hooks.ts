import type { Endpoint } from './endpoint.ts';
import type { RejectionError } from './errors.ts';
import type { SchedulingResult } from './profile-handler.ts';
import type { InferenceRequest } from './request.ts';
import type { InferenceResponse, MetadataEntry } from './response.ts';

/** Runs once per request before admission. */
export interface HeaderProcessor {
  requestHeaders(request: InferenceRequest): void;
}

/**
 * Takes endpoints out before anything is found out about them, for every profile. Each screener gets the same candidates;
 * those that all of them keep stay.
 */
export interface Screener {
  /**
   * Returns those of `candidates` that stay; the input itself when all do. Never changes the input. Nobody left ends
   * the request with 503 `rejected-no-endpoints`. A failure is contained: all stay.
   */
  screen(request: InferenceRequest, candidates: readonly Endpoint[]): readonly Endpoint[];
}

/** Says whether a request is let in, once producers have run. */
export interface Admitter {
  /** Why the request is refused; undefined lets it in. The first refusal counts. A failure is contained: it lets in. */
  admit(request: InferenceRequest, candidates: readonly Endpoint[]): RejectionError | undefined;
}

/** Says whether a stage of a disaggregated request runs; asked by profile handlers that name it. */
export interface Decider {
  /**
   * `endpoint`: where the stage before was placed; undefined when there is none. Synchronous; reads what producers
   * found out.
   */
  decide(request: InferenceRequest, endpoint: Endpoint | undefined): boolean;
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
  /** Reads `response.events`: where no hook does, nothing is counted. */
  readonly countsEvents?: boolean;
  /** First non-empty chunk of the body arrived. */
  responseStarted?(request: InferenceRequest, response: InferenceResponse): void;
  /**
   * The last part of the response is here and usage is final: what is returned goes to the data plane with the answer to
   * that part. At most once, before `responseComplete`; not for an exchange that breaks off.
   */
  finalMetadata?(request: InferenceRequest, response: InferenceResponse): MetadataEntry | undefined;
  /** Exactly once for every request that got a target, however it ended; `response.cause` says how. */
  responseComplete(request: InferenceRequest, response: InferenceResponse): void;
}

/** Follows the pool's membership. */
export interface EndpointObserver {
  endpointAdded?(endpoint: Endpoint): void;
  /** Its labels are others than before. */
  endpointChanged?(endpoint: Endpoint): void;
  /** After this returns, `endpoint.slot` may be given to another endpoint. */
  endpointRemoved(endpoint: Endpoint): void;
}

/** An object of the Kubernetes API as observers see it: identity, labels, and the rest as received. */
export interface ObservedObject {
  readonly namespace: string;
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  /** The whole object; read members through type checks. */
  readonly object: { readonly [key: string]: unknown };
}

/** Kind of Kubernetes objects; `group` '' is core. */
export interface ObjectKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/**
 * Follows Kubernetes objects of one kind, where there is a Kubernetes: those in the pool's namespace, or all of a kind
 * that has no namespaces. Level-triggered: the present state arrives first, then changes; the same state may arrive
 * twice. What a method throws is logged and goes no further.
 */
export interface ObjectObserver {
  /** Undefined: none, nothing is watched. */
  readonly observedKind: ObjectKind | undefined;
  objectChanged(object: ObservedObject): void;
  objectRemoved(namespace: string, name: string): void;
  /**
   * Called once: with true when all objects that were there have been told, with false where there is no Kubernetes and
   * none ever will be.
   */
  objectsSettled?(areFollowed: boolean): void;
}

/** Says when a plugin has what it needs; health checks of the process ask. */
export interface ReadinessCheck {
  /** False keeps the picker from being ready. A failure counts as false. Cheap: asked at every health check. */
  isReady(): boolean;
}

/** Shows a bounded picture of a plugin's state on `/debug/plugins/state`: no addresses, no labels. */
export interface StateDumper {
  /** Any JSON value; at most about 100 entries. */
  dumpState(): unknown;
}
