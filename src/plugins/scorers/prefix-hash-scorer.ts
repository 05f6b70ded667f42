import { z } from 'zod';
import type { Endpoint } from '../../framework/endpoint.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { Scorer } from '../../framework/scorer.ts';
import { BlockHasher } from '../../kvcache/hashing.ts';
import { METRIC_KEYS } from '../attributes/metrics.ts';
import { TOKENIZED_PROMPT } from '../attributes/tokenized-prompt.ts';

const params = z.strictObject({
  prefixTokens: z
    .int()
    .min(1)
    .max(65_536)
    .default(256)
    .describe('Tokens at the beginning of the prompt that are hashed; of a shorter prompt all.'),
  loadFactor: z
    .number()
    .min(1)
    .default(1.25)
    .describe('Load, as a multiple of the average, from which an endpoint is passed over.'),
});

type Config = z.infer<typeof params>;

/**
 * Consistent hashing with bounded loads on the beginning of the prompt.
 *
 *     key       = XXH64 chain(model ++ salt, first prefixTokens tokens)
 *     weight(e) = hash(key, id of e), uniform in [0, 1): rendezvous hashing, the greatest weight is the endpoint's turn
 *     load(e)   = running + waiting as scraped;  limit = ceil(loadFactor × (Σ load + 1) / n);  e is full at load >= limit
 *     score(e)  = (1 + weight / greatest) / 2 when not full, weight / greatest / 2 when full; each greatest of its kind
 *
 * Everything in it is the same for every replica that has scraped the same values; nothing is remembered between
 * requests. Without tokens all score 0. With loadFactor >= 1 somebody is never full.
 * Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded Loads", SODA 2018 (arXiv:1608.01350); Thaler and
 * Ravishankar, rendezvous hashing, 1996.
 */
class PrefixHashScorer implements Scorer {
  readonly category = 'affinity';
  readonly #config: Config;
  readonly #hasher = new BlockHasher();
  readonly #block = new Uint32Array(2);
  /** By slot: whose hash lies in `#ids`. */
  readonly #known: (Endpoint | undefined)[] = [];
  #ids = new Uint32Array(128);

  constructor(config: Config) {
    this.#config = config;
  }

  score(request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void {
    if (!this.#hashPrompt(request)) return;
    const low = this.#block[0] ?? 0;
    const high = this.#block[1] ?? 0;
    let total = 0;
    for (const candidate of candidates) total += loadOf(candidate);
    const limit = Math.ceil((this.#config.loadFactor * (total + 1)) / candidates.length);
    let greatest = 0;
    let greatestFull = 0;
    let i = 0;
    for (const candidate of candidates) {
      const weight = this.#weight(candidate, low, high);
      if (loadOf(candidate) >= limit) greatestFull = Math.max(greatestFull, weight);
      else greatest = Math.max(greatest, weight);
      out[i] = weight;
      i += 1;
    }
    i = 0;
    for (const candidate of candidates) {
      const weight = out[i] ?? 0;
      out[i] = loadOf(candidate) >= limit ? weight / greatestFull / 2 : (1 + weight / greatest) / 2;
      i += 1;
    }
  }

  /** Leaves the prompt's key in `#block`; false when there is nothing to hash. */
  #hashPrompt(request: InferenceRequest): boolean {
    const tokenized = request.attributes.get(TOKENIZED_PROMPT);
    const prompt = tokenized?.prompts[0];
    if (tokenized === undefined || prompt === undefined || prompt.count === 0) return false;
    const { prefixTokens } = this.#config;
    const seed = this.#hasher.seed(request.targetModel, tokenized.cacheSalt);
    this.#hasher.contents(prompt.bytes.subarray(0, 4 * prefixTokens), prefixTokens, this.#block, 0);
    for (const { hash, offset } of prompt.features) {
      if (offset < prefixTokens) this.#hasher.mix(this.#block, { from: 0, to: 1 }, hash);
    }
    this.#hasher.chain(this.#block, { from: 0, to: 1 }, seed);
    return true;
  }

  /** In (0, 1]; depends on nothing but the key and the endpoint's id. */
  #weight(endpoint: Endpoint, low: number, high: number): number {
    const { slot } = endpoint;
    if (this.#known[slot] !== endpoint) this.#learn(endpoint);
    let a = low ^ (this.#ids[2 * slot] ?? 0);
    let b = high ^ (this.#ids[2 * slot + 1] ?? 0);
    // Two rounds of MurmurHash3's finalizer, each half stirred into the other.
    for (let round = 0; round < 2; round += 1) {
      a = finalize(a ^ b);
      b = finalize(Math.imul(b, 0x9e3779b1) + a);
    }
    return ((a >>> 0) + 1 + (b >>> 0) / 4_294_967_296) / 4_294_967_297;
  }

  #learn(endpoint: Endpoint): void {
    const { slot } = endpoint;
    if (2 * slot + 1 >= this.#ids.length) {
      const grown = new Uint32Array(4 * (slot + 1));
      grown.set(this.#ids);
      this.#ids = grown;
    }
    while (this.#known.length <= slot) this.#known.push(undefined);
    const { low, high } = this.#hasher.seed(endpoint.id, '');
    this.#known[slot] = endpoint;
    this.#ids[2 * slot] = low;
    this.#ids[2 * slot + 1] = high;
  }
}

function loadOf({ metrics }: Endpoint): number {
  return metrics.runningRequestsSize + metrics.waitingQueueSize;
}

function finalize(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

/** `prefix-hash-scorer`. */
export const prefixHashScorer = definePlugin({
  type: 'prefix-hash-scorer',
  kinds: ['scorer'],
  stability: 'alpha',
  summary:
    'Sends a prompt to the endpoint that its beginning hashes to, unless that has more than its share of load.',
  params,
  dependencies: () => ({
    requires: [TOKENIZED_PROMPT, METRIC_KEYS.runningRequestsSize, METRIC_KEYS.waitingQueueSize],
  }),
  create: (config) => new PrefixHashScorer(config),
});
