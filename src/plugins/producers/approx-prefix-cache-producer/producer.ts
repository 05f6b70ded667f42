import { AttributeKey } from '../../../framework/attribute.ts';
import type { Endpoint } from '../../../framework/endpoint.ts';
import type {
  DataProducer,
  EndpointObserver,
  PreRequestHook,
  ResponseBodyHook,
  StateDumper,
} from '../../../framework/hooks.ts';
import type { HistogramCell } from '../../../framework/instruments.ts';
import type { PluginContext } from '../../../framework/plugin.ts';
import type { SchedulingResult } from '../../../framework/profile-handler.ts';
import type { InferenceRequest } from '../../../framework/request.ts';
import type { InferenceResponse } from '../../../framework/response.ts';
import { BlockIndex, type BlockIndexSize, type BlockRange } from '../../../kvcache/block-index.ts';
import { type PrefixMatch, prefixMatchKey } from '../../attributes/prefix-match.ts';
import { TOKENIZED_PROMPT } from '../../attributes/tokenized-prompt.ts';
import { BlockSize } from './block-size.ts';
import {
  capacityBlocks,
  indexBytes,
  MIN_BLOCK_SIZE_TOKENS,
  maxBlocks,
  type Params,
  raisesBlockSize,
} from './params.ts';
import { type PromptBlocks, PromptHasher } from './prompt-hasher.ts';

/** Profile whose target holds the prompt too, where the profile handler names none. */
const PREFILL_PROFILE = 'prefill';
const MAX_ENDPOINTS = 1024;
const DUMPED_ENDPOINTS = 100;
const NO_MATCHES = new Int32Array(0);
/** Entries of endpoints that left, cleared at a time: about half a millisecond. */
const SWEEP_ENTRIES = 5000;
const SWEEP_INTERVAL_MS = 10;

/** What one request put into the index. */
interface Recorded {
  readonly endpoint: Endpoint;
  /** Bit per block that the endpoint did not hold before. */
  readonly added: Uint32Array;
}

interface RequestState {
  readonly blocks: PromptBlocks;
  readonly recorded: Recorded[];
}

/**
 * Remembers which prompt went to which endpoint and says how much of a request each endpoint has seen, without a word
 * from the model servers.
 *
 * Only full blocks count, as engines cache only those: totalBlocks = Σ floor(tokens / blockSize) over the prompts, 1
 * when that is 0. (The reference counts and stores the shorter last block, which no longer prompt ever matches.) So a
 * repeated prompt scores 1, and one shorter than a block 0.
 * llm-d-router: pkg/epp/framework/plugins/requestcontrol/dataproducer/approximateprefix
 */
export class ApproxPrefixCacheProducer
  implements DataProducer, PreRequestHook, ResponseBodyHook, EndpointObserver, StateDumper
{
  readonly #config: Params;
  readonly #context: PluginContext;
  readonly #key: AttributeKey<PrefixMatch>;
  readonly #stateKey: AttributeKey<RequestState>;
  readonly #hasher = new PromptHasher();
  readonly #blockSize: BlockSize;
  /** Of many pools most may never see a prompt, so each has its index from the first one on. */
  #lateIndex: BlockIndex | undefined = undefined;
  readonly #hitRatio: HistogramCell;
  readonly #hitBytes: HistogramCell;
  /** Endpoints in the index, by slot. */
  readonly #present: (Endpoint | undefined)[] = [];
  /** Endpoints that left: a request that waited meanwhile must not bring one back. */
  readonly #gone = new WeakSet<Endpoint>();
  #isSweeping = false;
  #isFull = false;

  constructor(config: Params, context: PluginContext) {
    this.#config = config;
    this.#context = context;
    this.#key = prefixMatchKey(context.name);
    this.#stateKey = new AttributeKey('PrefixBlocks', context.name);
    this.#blockSize = new BlockSize(config, context.clock);
    if (context.pools === 1) this.#lateIndex = this.#createIndex();
    const labels = { plugin_name: context.name, plugin_type: context.type };
    this.#hitRatio = context.instruments.histogram('prefix_indexer_hit_ratio', labels);
    this.#hitBytes = context.instruments.histogram('prefix_indexer_hit_bytes', labels);
    context.instruments.gauge('prefix_indexer_size', labels, () => this.#lateIndex?.entryCount ?? 0);
    for (const endpoint of context.endpoints()) this.endpointAdded(endpoint);
  }

  produce(request: InferenceRequest): void {
    const tokenized = request.attributes.get(TOKENIZED_PROMPT);
    if (tokenized === undefined) return;
    const blockSizeTokens = this.#blockSize.of(this.#context.endpoints());
    const blocks = this.#hasher.hash(tokenized, {
      model: request.targetModel,
      blockSizeTokens,
      maxBlocks: maxBlocks(this.#config, blockSizeTokens),
    });
    let matches = NO_MATCHES;
    if (blocks.count > 0) {
      matches = new Int32Array(this.#present.length);
      let from = 0;
      for (const to of blocks.ends) {
        if (this.#config.referenceBehavior) this.#index.matchWithGaps(blocks.hashes, from, to, matches);
        else this.#index.match(blocks.hashes, from, to, matches);
        from = to;
      }
      request.attributes.set(this.#stateKey, { blocks, recorded: [] });
    }
    request.attributes.set(this.#key, {
      matchBlocks: matches,
      cachedBlocks: matches,
      totalBlocks: Math.max(1, blocks.count),
      blockSizeTokens,
    });
  }

  preRequest(request: InferenceRequest, result: SchedulingResult): void {
    const primary = result.profiles.get(result.primary)?.targets[0];
    if (primary !== undefined) this.#observe(request, primary);
    const state = request.attributes.get(this.#stateKey);
    if (state === undefined) return;
    if (primary !== undefined) this.#record(state, primary);
    const prefill = result.profiles.get(result.prefill ?? PREFILL_PROFILE)?.targets[0];
    if (prefill !== undefined && prefill !== primary) this.#record(state, prefill);
  }

  responseStarted(request: InferenceRequest, response: InferenceResponse): void {
    // The prompt is in the cache from here on; the hashes need not stay for the length of the answer.
    if (response.status < 400) request.attributes.set(this.#stateKey, undefined);
  }

  responseComplete(request: InferenceRequest, response: InferenceResponse): void {
    const state = request.attributes.get(this.#stateKey);
    if (state === undefined) return;
    request.attributes.set(this.#stateKey, undefined);
    const neverStarted = Number.isNaN(response.firstByteAtMs) && response.cause === 'error';
    if (response.status >= 400 || neverStarted) this.#withdraw(state);
  }

  endpointAdded(endpoint: Endpoint): void {
    const { slot } = endpoint;
    if (this.#present[slot] === endpoint) return;
    if (this.#present[slot] !== undefined) this.#lateIndex?.removeEndpoint(slot);
    while (this.#present.length <= slot) this.#present.push(undefined);
    this.#present[slot] = endpoint;
    this.#gone.delete(endpoint);
    if (this.#lateIndex !== undefined) this.#enter(this.#lateIndex, endpoint);
  }

  endpointRemoved(endpoint: Endpoint): void {
    this.#gone.add(endpoint);
    if (this.#present[endpoint.slot] !== endpoint) return;
    this.#present[endpoint.slot] = undefined;
    if (this.#lateIndex === undefined) return;
    this.#lateIndex.removeEndpoint(endpoint.slot);
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    this.#sweepLater();
  }

  dumpState(): unknown {
    const index = this.#lateIndex;
    const pods = this.#present
      .filter((endpoint) => endpoint !== undefined)
      .map(({ id, slot }) => ({ pod: id, blocks: index?.heldBy(slot) ?? 0 }))
      .sort((a, b) => b.blocks - a.blocks || (a.pod < b.pod ? -1 : 1));
    return {
      pods: pods.slice(0, DUMPED_ENDPOINTS),
      totalPods: pods.length,
      maxPods: DUMPED_ENDPOINTS,
      blockSizeTokens: this.#blockSize.of(this.#context.endpoints()),
      blocks: index?.blockCount ?? 0,
      entries: index?.entryCount ?? 0,
      memoryBytes: index?.sizeBytes ?? 0,
    };
  }

  get #index(): BlockIndex {
    if (this.#lateIndex !== undefined) return this.#lateIndex;
    const index = this.#createIndex();
    for (const endpoint of this.#present) if (endpoint !== undefined) this.#enter(index, endpoint);
    this.#lateIndex = index;
    return index;
  }

  #createIndex(): BlockIndex {
    const { pools, rng } = this.#context;
    return new BlockIndex(indexSize(indexBytes(this.#config, pools)), rng);
  }

  #enter(index: BlockIndex, endpoint: Endpoint): void {
    if (index.addEndpoint(endpoint.slot, this.#capacity(endpoint)) || this.#isFull) return;
    this.#isFull = true;
    this.#context.log.warn(
      { limit: MAX_ENDPOINTS },
      'more endpoints than the prefix index takes, the rest count as cold',
    );
  }

  #observe(request: InferenceRequest, primary: Endpoint): void {
    const match = request.attributes.get(this.#key);
    const blocks = match?.matchBlocks[primary.slot] ?? 0;
    this.#hitBytes.observe(match === undefined ? 0 : 4 * blocks * match.blockSizeTokens);
    if (match !== undefined) this.#hitRatio.observe(blocks / match.totalBlocks);
  }

  #record({ blocks, recorded }: RequestState, endpoint: Endpoint): void {
    if (!this.#admits(endpoint)) return;
    this.#index.setCapacity(endpoint.slot, this.#capacity(endpoint));
    const added = new Uint32Array(Math.ceil(blocks.count / 32));
    for (const range of this.#portions(blocks)) {
      this.#index.insert(endpoint.slot, blocks.hashes, range, added);
    }
    recorded.push({ endpoint, added });
  }

  #withdraw({ blocks, recorded }: RequestState): void {
    for (const { endpoint, added } of recorded) {
      if (this.#present[endpoint.slot] !== endpoint) continue;
      for (const range of this.#portions(blocks).reverse()) {
        this.#index.withdraw(endpoint.slot, blocks.hashes, range, added);
      }
    }
  }

  /**
   * What goes into the index at a time: a prompt, which is then forgotten from its end; a block for the reference's
   * behaviour, so that the beginning of a prompt is its oldest part and goes first.
   */
  #portions({ ends, count }: PromptBlocks): BlockRange[] {
    if (!this.#config.referenceBehavior) return ends.map((to, n) => ({ from: ends[n - 1] ?? 0, to }));
    return Array.from({ length: count }, (_, from) => ({ from, to: from + 1 }));
  }

  /** Whether the endpoint is in the index; one that nobody announced enters now. */
  #admits(endpoint: Endpoint): boolean {
    const present = this.#present[endpoint.slot];
    if (present === endpoint) return true;
    if (present !== undefined || this.#gone.has(endpoint)) return false;
    this.endpointAdded(endpoint);
    return true;
  }

  #capacity(endpoint: Endpoint): number {
    return capacityBlocks(this.#config, endpoint.scraped, this.#blockSize.of(this.#context.endpoints()));
  }

  #sweepLater(): void {
    this.#context.clock.after(SWEEP_INTERVAL_MS, () => {
      if (this.#index.sweep(SWEEP_ENTRIES)) this.#sweepLater();
      else this.#isSweeping = false;
    });
  }
}

/** Sizes that fill `memoryBytes`: a quarter for blocks, a half for entries, a quarter for what many endpoints hold. */
function indexSize(memoryBytes: number): BlockIndexSize {
  const slots = 2 ** Math.floor(Math.log2(memoryBytes / 4 / 16));
  return {
    blocks: (slots * 3) / 4,
    entries: Math.floor(memoryBytes / 2 / 8),
    sharedBlocks: Math.floor(memoryBytes / 4 / (MAX_ENDPOINTS / 4)),
    endpoints: MAX_ENDPOINTS,
  };
}

/** A producer as `context` names it; says what of `config` is adjusted. */
export function createProducer(config: Params, context: PluginContext): ApproxPrefixCacheProducer {
  if (config.blockSize > 0) context.log.warn({}, 'blockSize is deprecated, use blockSizeTokens');
  if (raisesBlockSize(config)) {
    const { blockSizeTokens } = config;
    context.log.warn(
      { blockSizeTokens, used: MIN_BLOCK_SIZE_TOKENS },
      'blockSizeTokens is below the smallest block',
    );
  }
  return new ApproxPrefixCacheProducer(config, context);
}
