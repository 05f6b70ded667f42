import { z } from 'zod';
import type { AttributeKey } from '../../framework/attribute.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { DataProducer, Patience } from '../../framework/hooks.ts';
import { definePlugin, type PluginContext } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { hashNumber } from '../../kvcache/hashing.ts';
import { type PrefixMatch, prefixMatchKey } from '../attributes/prefix-match.ts';
import { TOKENIZED_PROMPT } from '../attributes/tokenized-prompt.ts';
import { PromptHasher } from './approx-prefix-cache-producer/prompt-hasher.ts';
import { type PlacementRules, type Prompt, placeBatch } from './burst-prefix-cache-producer/placement.ts';

/** What placing takes beyond the window before the request goes on without it (llm-d-router). */
const GRACE_MS = 300;
const DEFAULT_MAX_BLOCKS = 2048;

const params = z
  .strictObject({
    windowDurationMs: z
      .int()
      .min(1)
      .max(10_000)
      .default(100)
      .describe('How long requests are collected before they are placed together; each waits for it.'),
    maxPerReplica: z
      .int()
      .min(-1)
      .default(-1)
      .describe('Most equal prompts of one window on one endpoint; -1 for no limit.'),
    blockSizeTokens: z.int().min(1).default(64).describe('Tokens in one block.'),
    maxPrefixTokensToMatch: z
      .int()
      .min(0)
      .default(0)
      .describe('Tokens of a prompt that are looked at; 0 means 2,048 blocks.'),
    minColocateBlocks: z
      .int()
      .min(0)
      .default(0)
      .describe('Leading blocks that make different prompts stay together; 0: only equal prompts do.'),
    maxBatchSize: z.int().min(-1).default(1000).describe('Most requests of one window; -1 for no limit.'),
    balanceBy: z
      .enum(['requests', 'tokens', ''])
      .default('requests')
      .describe('What is spread evenly: requests, or tokens to be computed; empty means requests.'),
  })
  .refine((config) => config.maxPerReplica !== 0, {
    path: ['maxPerReplica'],
    message: 'want -1 or at least 1',
  })
  .refine((config) => config.maxBatchSize !== 0, {
    path: ['maxBatchSize'],
    message: 'want -1 or at least 1',
  })
  .refine(
    (config) =>
      config.maxPrefixTokensToMatch === 0 || config.maxPrefixTokensToMatch >= config.blockSizeTokens,
    { path: ['maxPrefixTokensToMatch'], message: 'less than one block matches nothing' },
  );

type Config = z.infer<typeof params>;

/** A request that waits for the end of the window. */
interface Waiting {
  readonly request: InferenceRequest;
  readonly candidates: readonly Endpoint[];
  readonly prompt: Prompt;
  readonly patience: Patience;
  resolve(): void;
}

/**
 * Holds requests for a short window and places equal prompts of it together, while no cache knows them yet; such as the
 * samples of one prompt. The endpoint chosen for a request matches all of its blocks, all others none; a request that is
 * like no other in its window matches nothing anywhere.
 *
 * The window opens with the first request and nothing of it is remembered afterwards. A request whose client left still
 * counts in the placement. Requests without a full block do not wait.
 * llm-d-router: pkg/epp/framework/plugins/requestcontrol/dataproducer/burstprefix
 */
class BurstPrefixCacheProducer implements DataProducer {
  readonly timeoutMs: number;
  readonly #config: Config;
  readonly #context: PluginContext;
  readonly #key: AttributeKey<PrefixMatch>;
  readonly #hasher = new PromptHasher();
  readonly #rules: PlacementRules;
  #batch: Waiting[] = [];

  constructor(config: Config, context: PluginContext) {
    this.timeoutMs = config.windowDurationMs + GRACE_MS;
    this.#config = config;
    this.#context = context;
    this.#key = prefixMatchKey(context.name);
    this.#rules = {
      maxPerEndpoint: config.maxPerReplica === -1 ? Number.POSITIVE_INFINITY : config.maxPerReplica,
      minColocateBlocks: config.minColocateBlocks,
      balanceBy: config.balanceBy === 'tokens' ? 'tokens' : 'requests',
    };
  }

  produce(
    request: InferenceRequest,
    candidates: readonly Endpoint[],
    patience: Patience,
  ): void | Promise<void> {
    const prompt = this.#promptOf(request);
    if (prompt.blocks.length === 0) {
      this.#write(request, prompt, undefined);
      return undefined;
    }
    const { maxBatchSize, windowDurationMs } = this.#config;
    if (maxBatchSize !== -1 && this.#batch.length >= maxBatchSize) {
      throw new Error(`the window holds ${maxBatchSize} requests already (maxBatchSize)`);
    }
    if (this.#batch.length === 0) this.#context.clock.after(windowDurationMs, () => this.#seal());
    return new Promise((resolve) => {
      this.#batch.push({ request, candidates, prompt, patience, resolve });
    });
  }

  #promptOf(request: InferenceRequest): Prompt {
    const tokenized = request.attributes.get(TOKENIZED_PROMPT);
    if (tokenized === undefined) return { blocks: [], ends: [] };
    const { blockSizeTokens, maxPrefixTokensToMatch } = this.#config;
    const { hashes, ends } = this.#hasher.hash(tokenized, {
      model: request.targetModel,
      blockSizeTokens,
      maxBlocks:
        maxPrefixTokensToMatch === 0
          ? DEFAULT_MAX_BLOCKS
          : Math.floor(maxPrefixTokensToMatch / blockSizeTokens),
    });
    const blocks: number[] = [];
    for (let i = 0; i < hashes.length; i += 2) {
      blocks.push(hashNumber(hashes[i] ?? 0, hashes[i + 1] ?? 0));
    }
    return { blocks, ends };
  }

  #seal(): void {
    const batch = this.#batch;
    this.#batch = [];
    const endpoints = batch[0]?.candidates ?? [];
    const places = placeBatch(
      batch.map(({ prompt }) => prompt),
      endpoints,
      this.#rules,
    );
    for (const [i, { request, prompt, patience, resolve }] of batch.entries()) {
      if (!patience.signal.aborted) this.#write(request, prompt, places[i]);
      resolve();
    }
  }

  #write(request: InferenceRequest, { blocks }: Prompt, endpoint: Endpoint | undefined): void {
    const matchBlocks = new Int32Array(endpoint === undefined ? 0 : endpoint.slot + 1);
    if (endpoint !== undefined) matchBlocks[endpoint.slot] = blocks.length;
    request.attributes.set(this.#key, {
      matchBlocks,
      cachedBlocks: matchBlocks,
      totalBlocks: blocks.length,
      blockSizeTokens: this.#config.blockSizeTokens,
    });
  }
}

/** `burst-prefix-cache-producer`. */
export const burstPrefixCacheProducer = definePlugin({
  type: 'burst-prefix-cache-producer',
  kinds: ['producer'],
  stability: 'alpha',
  summary: 'Collects requests for a moment and places equal prompts together before any cache knows them.',
  params,
  dependencies: (_config, name) => ({ requires: [TOKENIZED_PROMPT], produces: [prefixMatchKey(name)] }),
  create: (config, context) => new BurstPrefixCacheProducer(config, context),
});
