import { type Seed, Xxh64 } from './xxh64.ts';

/**
 * Chained hashes of a prompt's blocks.
 *
 *     seed    = XXH64(utf8(model) ++ utf8(salt))
 *     content = XXH64(tokens of the block, 4 bytes each, little-endian)
 *     hash    = XXH64(content ++ hash of the block before, or the seed)
 *
 * Hashes are pairs of uint32 (low, high) in one `Uint32Array`. Content hashes depend on neither model nor position.
 * llm-d-router: pkg/epp/framework/plugins/requestcontrol/dataproducer/prefixhash
 */
export class BlockHasher {
  readonly #xxh64 = new Xxh64();

  /** Where the chains of a model begin; `salt` '' when there is none. */
  seed(model: string, salt: string): Seed {
    this.#xxh64.digestText(salt === '' ? model : model + salt);
    return { low: this.#xxh64.low, high: this.#xxh64.high };
  }

  /**
   * Content hashes of the blocks of `tokens` (4 bytes per token) into `out` from block `at` on; a shorter last block
   * counts as one. Returns the number of blocks.
   */
  contents(tokens: Uint8Array, blockSizeTokens: number, out: Uint32Array, at: number): number {
    return this.#xxh64.contents(tokens, 4 * blockSizeTokens, out, at);
  }

  /**
   * Mixes `text`, such as the content hash of an image whose placeholder tokens do not tell it from others, into the
   * content hashes of blocks `from` to `to` (exclusive).
   */
  mix(hashes: Uint32Array, range: { readonly from: number; readonly to: number }, text: string): void {
    this.#xxh64.digestText(text);
    const { low, high } = this.#xxh64;
    for (let i = 2 * range.from; i < 2 * range.to; i += 2) {
      // Multiplying by odd constants keeps equal texts from undoing each other.
      hashes[i] = Math.imul((hashes[i] ?? 0) ^ low, 0x9e3779b1);
      hashes[i + 1] = Math.imul((hashes[i + 1] ?? 0) ^ high, 0x85ebca77);
    }
  }

  /** Turns the content hashes of blocks `from` to `to` (exclusive) of one prompt into its chain. */
  chain(hashes: Uint32Array, range: { readonly from: number; readonly to: number }, seed: Seed): void {
    this.#xxh64.chain(hashes, range, seed);
  }
}

/** 53 bits of a hash as one number, for keys of sets and maps; both halves signed or unsigned. */
export function hashNumber(low: number, high: number): number {
  return (high & 0x1f_ffff) * 2 ** 32 + (low >>> 0);
}
