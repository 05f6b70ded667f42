import { type AttributeKey, attributeKey } from '../../framework/attribute.ts';

/** How much of one request's prompt each endpoint already holds. Arrays are indexed by `Endpoint.slot`. */
export interface PrefixMatch {
  /** Blocks matched; may be weighted by cache tier. Slots past the end matched nothing. */
  readonly matchBlocks: Int32Array;
  /** Literal contiguous blocks; the same array as `matchBlocks` unless tiers are weighted. */
  readonly cachedBlocks: Int32Array;
  /** Blocks of the whole request, summed over prompts; 0 when it has no tokens. */
  readonly totalBlocks: number;
  /** Tokens in one block. */
  readonly blockSizeTokens: number;
}

/** Producer whose match consumers read when they name none. */
export const DEFAULT_PREFIX_PRODUCER = 'approx-prefix-cache-producer';

/** On the request. `producer`: instance name; '' means the default one. */
export function prefixMatchKey(producer: string): AttributeKey<PrefixMatch> {
  return attributeKey('PrefixCacheMatchInfoDataKey', producer === '' ? DEFAULT_PREFIX_PRODUCER : producer);
}

/** Share of the request's blocks that match at the endpoint with this slot, 0..1; 0 where nothing is known. */
export function matchedShare(match: PrefixMatch | undefined, slot: number): number {
  if (match === undefined || match.totalBlocks <= 0) return 0;
  return Math.min(1, (match.matchBlocks[slot] ?? 0) / match.totalBlocks);
}
