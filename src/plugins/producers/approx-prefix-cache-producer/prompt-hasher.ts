import { BlockHasher } from '../../../kvcache/hashing.ts';
import type { PromptTokens, TokenizedRequest } from '../../attributes/tokenized-prompt.ts';

/** Hashes of a request's full blocks, prompt after prompt. */
export interface PromptBlocks {
  /** Pairs of uint32 (low, high). */
  readonly hashes: Uint32Array;
  /** Block at which each prompt that has any ends. */
  readonly ends: readonly number[];
  /** The last of `ends`; 0 for none. */
  readonly count: number;
}

/** What a request's hashes depend on besides its tokens. */
export interface HashSettings {
  readonly model: string;
  readonly blockSizeTokens: number;
  /** Most blocks of one prompt. */
  readonly maxBlocks: number;
}

const NO_BLOCKS: PromptBlocks = { hashes: new Uint32Array(0), ends: [], count: 0 };

/** Hashes the full blocks of prompts, each prompt a chain of its own. */
export class PromptHasher {
  readonly #hasher = new BlockHasher();

  /** The result owns its memory. */
  hash({ prompts, cacheSalt }: TokenizedRequest, settings: HashSettings): PromptBlocks {
    const { blockSizeTokens } = settings;
    let count = 0;
    for (const prompt of prompts) count += fullBlocks(prompt, settings);
    if (count === 0) return NO_BLOCKS;
    const seed = this.#hasher.seed(settings.model, cacheSalt);
    const hashes = new Uint32Array(2 * count);
    const ends: number[] = [];
    let at = 0;
    for (const prompt of prompts) {
      const blocks = fullBlocks(prompt, settings);
      if (blocks === 0) continue;
      const range = { from: at, to: at + blocks };
      const tokens = prompt.bytes.subarray(0, 4 * blocks * blockSizeTokens);
      this.#hasher.contents(tokens, blockSizeTokens, hashes, at);
      this.#mixMedia(prompt, hashes, range, blockSizeTokens);
      this.#hasher.chain(hashes, range, seed);
      at += blocks;
      ends.push(at);
    }
    return { hashes, ends, count };
  }

  /** Where ids come from a renderer, the placeholders of any two images are the same; their hashes are not. */
  #mixMedia(
    { features }: PromptTokens,
    hashes: Uint32Array,
    range: { readonly from: number; readonly to: number },
    blockSizeTokens: number,
  ): void {
    for (const { hash, offset, length } of features) {
      const from = range.from + Math.floor(Math.max(0, offset) / blockSizeTokens);
      const last = range.from + Math.floor((offset + length - 1) / blockSizeTokens);
      this.#hasher.mix(hashes, { from, to: Math.min(range.to, last + 1) }, hash);
    }
  }
}

function fullBlocks(prompt: PromptTokens, { blockSizeTokens, maxBlocks }: HashSettings): number {
  return Math.min(maxBlocks, Math.floor(prompt.count / blockSizeTokens));
}
