import type { Headers } from './headers.ts';

/** Token counts of one response; NaN where the server reported none. */
export class Usage {
  promptTokens = Number.NaN;
  completionTokens = Number.NaN;
  totalTokens = Number.NaN;
  cachedTokens = Number.NaN;
}

/** One number that the data plane gets to know with the end of a response, as dynamic metadata. */
export interface MetadataEntry {
  readonly namespace: string;
  readonly key: string;
  /** Finite. */
  readonly value: number;
}

/** How an exchange ended, as end-of-stream hooks see it. */
export type TerminationCause = 'natural' | 'client-disconnect' | 'evicted' | 'error';

/** The answer to one request. Fixed shape; one per request, created with it. */
export class InferenceResponse {
  /** HTTP status; 0 before the headers arrived, and when the data plane does not send it. */
  status = 0;
  /** Undefined before the headers arrived, and when the data plane skips them. */
  headers: Headers | undefined = undefined;
  /** False when the body flows around the picker. */
  isBodySeen = true;
  /** Server-sent events. */
  isStreaming = false;
  readonly usage = new Usage();
  /** Bytes of the body so far. */
  sizeBytes = 0;
  /** Events of a readable stream so far, without `[DONE]`; 0 unless a plugin has `countsEvents`. */
  events = 0;
  /** `Clock.nowMs()` of the first non-empty body chunk; NaN before. */
  firstByteAtMs = Number.NaN;
  lastByteAtMs = Number.NaN;
  /** `ip:port` that Envoy says served the request; '' when it does not say. */
  servedEndpoint = '';
  /** The data plane sent metadata of namespace `envoy.lb` with the response headers, whatever is in it. */
  hasLoadBalancerMetadata = false;
  /** '' while the exchange is open. */
  cause: TerminationCause | '' = '';
}
