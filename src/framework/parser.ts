import type { JsonObject, ParsedBody } from './body.ts';
import type { Headers } from './headers.ts';
import type { InferenceRequest } from './request.ts';
import type { InferenceResponse, Usage } from './response.ts';

/** Follows one response body and knows its token counts at the end. Never throws, whatever the bytes are. */
export interface ResponseReader {
  /** A chunk of the body, not empty; not kept. None follows one with `isLast`. */
  push(chunk: Buffer, isLast: boolean): void;
  /** The body ended, or will not go on. Usage is complete afterwards. */
  finish(): void;
}

/** Where the JSON answers and events of an API hold token counts. */
export interface UsagePlace {
  /** Member of the document. */
  readonly member: string;
  /** A batch is answered with an array of documents; each is read. */
  readonly allowsArray: boolean;
  /** Text of events whose counts a later one tells anew, where counts of other events are added up. */
  readonly interim?: string;
}

/** Understands the bodies of one API family. */
export interface Parser {
  /** Path endings this parser claims, without leading slash; empty makes it the fallback. */
  readonly pathSuffixes: readonly string[];
  /** Pool `appProtocol` values it can serve; empty means any. */
  readonly protocols: readonly ('http' | 'kubernetes.io/h2c')[];
  /**
   * `bytes`: the whole body, not to be changed or kept. `path`: normalised. `headers`: of the request. Throws
   * `RejectionError`: `bad-request` for a body no server could take, `too-large` for a compressed one that grows beyond
   * all bounds.
   */
  parse(bytes: Buffer, path: string, headers?: Headers): ParsedBody;
  /**
   * Merges token counts found in `document` into `usage`. `document` has the member `usage` of a JSON response (or that
   * of `usagePlace`) and maybe others, or is the whole data of one server-sent event when `isEvent`. Never throws.
   */
  readUsage(document: JsonObject, isEvent: boolean, usage: Usage): void;
  /** Where answers hold token counts, when that is not the member `usage` of one object. */
  readonly usagePlace?: UsagePlace;
  /**
   * For answers that are no JSON: who reads this one. `response` has its headers; counts go into `response.usage`.
   * Undefined for an answer that cannot be read. A parser without it gets JSON documents through `readUsage`.
   */
  createResponseReader?(request: InferenceRequest, response: InferenceResponse): ResponseReader | undefined;
  /** Whether the response is worth reading at all; false for opaque bodies. */
  readonly readsResponse: boolean;
  /** JSON shape of this API's errors. */
  readonly errorShape: 'openai' | 'anthropic';
}
