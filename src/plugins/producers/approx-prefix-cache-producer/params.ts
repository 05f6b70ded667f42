import { z } from 'zod';
import { quantity } from '../../../framework/schema.ts';

/** Smaller blocks make the index grow faster than what it knows is worth. llm-d-router: minBlockSizeTokens */
export const MIN_BLOCK_SIZE_TOKENS = 64;
/** The reference's defaults. */
const DEFAULT_BLOCK_SIZE_TOKENS = 16;
const DEFAULT_CAPACITY_BLOCKS = 31_250;
const DEFAULT_INDEX_BYTES = 128 * 1024 * 1024;
const LEAST_INDEX_BYTES = 4 * 1024 * 1024;

/** Parameters of `approx-prefix-cache-producer`. */
export const params = z
  .strictObject({
    autoTune: z
      .boolean()
      .default(true)
      .describe('Take block size and capacity from what the model servers report, where they do.'),
    blockSizeTokens: z
      .int()
      .default(DEFAULT_BLOCK_SIZE_TOKENS)
      .describe('Tokens in one block where no model server reports it; counts as 64 at least.'),
    blockSize: z.int().default(0).describe('Deprecated: older name of blockSizeTokens.'),
    maxPrefixTokensToMatch: z
      .int()
      .min(0)
      .default(131_072)
      .describe('Tokens of a prompt that are looked at, from its beginning; 0 leaves it to the block limit.'),
    maxPrefixBlocksToMatch: z
      .int()
      .min(0)
      .default(2048)
      .describe('Deprecated: the same in blocks, when maxPrefixTokensToMatch is 0; 0 for the whole prompt.'),
    lruCapacityPerServer: z
      .int()
      .optional()
      .describe(
        'Blocks remembered per endpoint, whatever the model server reports; set it where an engine caches beyond the accelerator. Without it: what the server reports, else 31250.',
      ),
    indexMemory: quantity()
      .optional()
      .describe(
        'Bytes of the index of one pool; 128Mi when absent, divided by the number of pools in the process, but not less than 4Mi. Fixed at start; when it is full, the fullest endpoint forgets first.',
      ),
    referenceBehavior: z
      .boolean()
      .default(false)
      .describe(
        'Do as llm-d-router does: forget prompts from their beginning, and count every block that an endpoint holds, gaps or not, up to the first that nobody holds.',
      ),
  })
  .refine((value) => value.autoTune || value.blockSizeTokens > 0 || value.blockSize > 0, {
    path: ['blockSizeTokens'],
    message: 'must be above 0 when autoTune is false',
  })
  .refine(
    (value) => value.maxPrefixTokensToMatch === 0 || value.maxPrefixTokensToMatch >= smallestBlock(value),
    { path: ['maxPrefixTokensToMatch'], message: 'is less than one block, so nothing would ever match' },
  )
  .refine((value) => (value.indexMemory ?? LEAST_INDEX_BYTES) >= LEAST_INDEX_BYTES, {
    path: ['indexMemory'],
    message: 'must be at least 4Mi',
  });

/** Parameters of `approx-prefix-cache-producer`, after defaults. */
export type Params = z.infer<typeof params>;

interface BlockSizes {
  readonly autoTune: boolean;
  readonly blockSizeTokens: number;
  readonly blockSize: number;
}

/** The configured block size, deprecated name included; at least `MIN_BLOCK_SIZE_TOKENS`. */
export function configuredBlockSize(value: BlockSizes): number {
  const isDefault = value.blockSizeTokens === DEFAULT_BLOCK_SIZE_TOKENS;
  const tokens = value.blockSize > 0 && isDefault ? value.blockSize : value.blockSizeTokens;
  return Math.max(MIN_BLOCK_SIZE_TOKENS, tokens);
}

/** Whether somebody chose a block size that is not used as given. */
export function raisesBlockSize({ blockSizeTokens }: BlockSizes): boolean {
  const isDefault = blockSizeTokens === DEFAULT_BLOCK_SIZE_TOKENS;
  return blockSizeTokens > 0 && blockSizeTokens < MIN_BLOCK_SIZE_TOKENS && !isDefault;
}

/** Bytes of the index of one of `pools` pools. */
export function indexBytes({ indexMemory }: Pick<Params, 'indexMemory'>, pools: number): number {
  return indexMemory ?? Math.max(LEAST_INDEX_BYTES, Math.floor(DEFAULT_INDEX_BYTES / pools));
}

function smallestBlock(value: BlockSizes): number {
  return value.autoTune ? MIN_BLOCK_SIZE_TOKENS : configuredBlockSize(value);
}

/** Most blocks of one prompt that are looked at; Infinity for all. */
export function maxBlocks(value: Params, blockSizeTokens: number): number {
  if (value.maxPrefixTokensToMatch > 0) {
    return Math.max(1, Math.floor(value.maxPrefixTokensToMatch / blockSizeTokens));
  }
  return value.maxPrefixBlocksToMatch > 0 ? value.maxPrefixBlocksToMatch : Number.POSITIVE_INFINITY;
}

/**
 * Blocks to remember of one endpoint: the explicit setting; else what its cache holds, converted from the engine's
 * blocks to blocks of the index; else the default.
 */
export function capacityBlocks(
  value: Params,
  engine: { readonly cacheBlockSize: number; readonly cacheNumBlocks: number },
  blockSizeTokens: number,
): number {
  const explicit = value.lruCapacityPerServer ?? 0;
  if (explicit > 0) return explicit;
  if (!value.autoTune || !(engine.cacheNumBlocks > 0)) return DEFAULT_CAPACITY_BLOCKS;
  const engineBlock = engine.cacheBlockSize > 0 ? engine.cacheBlockSize : blockSizeTokens;
  return Math.max(1, Math.floor((engine.cacheNumBlocks * engineBlock) / blockSizeTokens));
}
