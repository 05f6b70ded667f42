import type { LongTexts } from '../util/json-outline.ts';

/** Which API a request speaks; decides which members of `json` mean what. */
export type Api =
  | 'completions'
  | 'chat'
  | 'messages'
  | 'responses'
  | 'conversations'
  | 'embeddings'
  | 'generate'
  | 'images'
  | 'opaque';

/** A decoded JSON object of unknown members; read members through type checks. */
export type JsonObject = { readonly [key: string]: unknown };

/** A request body as a parser understood it. All hints are best effort; the bytes go on as received. */
export interface ParsedBody {
  readonly api: Api;
  /** Decoded body; undefined for `opaque`, for requests without body, and once the destination is chosen. */
  readonly json: JsonObject | undefined;
  /**
   * Prompt texts that are so long that `json` holds short strings in their place; `find` tells them from others. Views
   * of the received bytes, valid until the destination is chosen.
   */
  readonly longTexts: LongTexts | undefined;
  /** Client-facing model name, '' when absent. */
  readonly model: string;
  /** The client asked for a streamed answer. */
  readonly isStreaming: boolean;
  /** NaN when the client set none. */
  readonly maxOutputTokens: number;
  /** '' when absent. */
  readonly cacheSalt: string;
  /** Token ids the client sent instead of text, one array per prompt; empty when it sent text. */
  readonly tokenIds: readonly Uint32Array[];
  /** The top-level `model` member of the bytes may be replaced. */
  readonly canRewriteModel: boolean;
  /** A request of this API without model is refused with 400. */
  readonly requiresModel: boolean;
  /** Route only: the exchange ends after the request phase. */
  readonly skipsResponse: boolean;
}

/** The body of a request that has none. */
export const NO_BODY: ParsedBody = {
  api: 'opaque',
  json: undefined,
  longTexts: undefined,
  model: '',
  isStreaming: false,
  maxOutputTokens: Number.NaN,
  cacheSalt: '',
  tokenIds: [],
  canRewriteModel: false,
  requiresModel: false,
  skipsResponse: false,
};
