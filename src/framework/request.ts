import { Attributes } from './attribute.ts';
import { NO_BODY, type ParsedBody } from './body.ts';
import type { Endpoint } from './endpoint.ts';
import type { Headers } from './headers.ts';
import type { Parser } from './parser.ts';
import { NO_HINTS, type PoolHint } from './pool-hint.ts';
import type { SchedulingResult } from './profile-handler.ts';

/** Flow of requests that say nothing of theirs. */
export const DEFAULT_FAIRNESS_ID = 'default-flow';

let streams = 0;

/** One HTTP request on its way through the picker. Fixed shape; fields fill in as stages pass. */
export class InferenceRequest {
  /** Unique in the process; key of per-request plugin state. `x-request-id` is the client's and may repeat. */
  readonly streamId = ++streams;
  readonly headers: Headers;
  /** `Clock.nowMs()` when the headers arrived. */
  readonly receivedAtMs: number;
  /** `x-request-id`, generated when the client sent none; for logs and forwarding only. */
  requestId = '';
  method = '';
  /** Path without query, white space and trailing slash. */
  path = '';
  /** What was said of the pool that the request is for, in the order in which it counts; read only where there are many. */
  poolHints: readonly PoolHint[] = NO_HINTS;
  body: ParsedBody = NO_BODY;
  /** Who understands this request and its answer; undefined until resolved, and for requests without body. */
  parser: Parser | undefined = undefined;
  /** JSON shape in which this client expects errors; set as soon as the parser is known. */
  errorShape: 'openai' | 'anthropic' = 'openai';
  /** Bytes of the body as received. */
  bodySizeBytes = 0;
  /** Model after rewrite; what prefix hashing and LoRA scoring use. */
  targetModel = '';
  /** Higher is more important; negative may be shed. */
  priority = 0;
  /** The flow this request belongs to; at most 256 characters once headers are processed. */
  fairnessId = DEFAULT_FAIRNESS_ID;
  /** What producers and header processors found out about this request. */
  readonly attributes = new Attributes('request');
  /** Pool members this request may go to (subset hint applied, unreachable ones left out). */
  candidates: readonly Endpoint[] = [];
  result: SchedulingResult | undefined = undefined;
  /** First target of the primary profile; undefined until scheduled. */
  endpoint: Endpoint | undefined = undefined;
  /** Endpoint whose in-flight count this request holds; owned by `request/in-flight.ts`. */
  heldEndpoint: Endpoint | undefined = undefined;

  constructor(headers: Headers, receivedAtMs: number) {
    this.headers = headers;
    this.receivedAtMs = receivedAtMs;
  }
}
