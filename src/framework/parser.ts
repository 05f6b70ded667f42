import type { JsonObject, ParsedBody } from './body.ts';
import type { Usage } from './response.ts';

/** Understands the bodies of one API family. */
export interface Parser {
  /** Path endings this parser claims, without leading slash; empty makes it the fallback. */
  readonly pathSuffixes: readonly string[];
  /** Pool `appProtocol` values it can serve; empty means any. */
  readonly protocols: readonly ('http' | 'kubernetes.io/h2c')[];
  /**
   * `bytes`: the whole body, not to be changed or kept. `path`: normalised. Throws `RejectionError` `bad-request`
   * for a body no server could take.
   */
  parse(bytes: Buffer, path: string): ParsedBody;
  /**
   * Merges token counts found in `document` into `usage`. `document` has the member `usage` of a JSON response and maybe
   * others, or is the whole data of one server-sent event when `isEvent`. Never throws.
   */
  readUsage(document: JsonObject, isEvent: boolean, usage: Usage): void;
  /** Whether the response is worth reading at all; false for opaque bodies. */
  readonly readsResponse: boolean;
  /** JSON shape of this API's errors. */
  readonly errorShape: 'openai' | 'anthropic';
}
