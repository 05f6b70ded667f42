import { type AttributeKey, attributeKey } from '../../framework/attribute.ts';

/** Media inside a prompt: where its placeholder tokens are and what it hashes to. */
export interface MediaFeature {
  readonly modality: 'image' | 'audio' | 'video';
  /** Content hash, lower-case hex. */
  readonly hash: string;
  /** Position in tokens. */
  readonly offset: number;
  /** Length in tokens. */
  readonly length: number;
}

/** One prompt as tokens. */
export interface PromptTokens {
  /** Token ids as little-endian uint32, 4 bytes each; real ids or the estimate backend's packed text. */
  readonly bytes: Uint8Array;
  /** `bytes.length / 4`. */
  readonly count: number;
  readonly features: readonly MediaFeature[];
}

/** A request as tokens. */
export interface TokenizedRequest {
  readonly prompts: readonly PromptTokens[];
  /** Sum over prompts. */
  readonly count: number;
  /** '' when the client sent none. */
  readonly cacheSalt: string;
}

/**
 * On the request until the first byte of the response, whose arrival ends the tokens' validity; written by any token
 * producer, so the producer's name is not part of the choice.
 */
export const TOKENIZED_PROMPT: AttributeKey<TokenizedRequest> = attributeKey(
  'TokenizedPrompt',
  'token-producer',
);
