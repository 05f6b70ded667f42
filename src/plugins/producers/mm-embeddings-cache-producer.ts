import { z } from 'zod';
import { AttributeKey } from '../../framework/attribute.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { DataProducer, EndpointObserver, PreRequestHook, StateDumper } from '../../framework/hooks.ts';
import type { CounterCell, HistogramCell } from '../../framework/instruments.ts';
import { definePlugin, type PluginContext } from '../../framework/plugin.ts';
import type { ProfileResult, SchedulingResult } from '../../framework/profile-handler.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { hashNumber } from '../../kvcache/hashing.ts';
import { Xxh64 } from '../../kvcache/xxh64.ts';
import { type EncoderCacheMatch, encoderCacheMatchKey } from '../attributes/encoder-cache-match.ts';
import { type MediaFeature, TOKENIZED_PROMPT } from '../attributes/tokenized-prompt.ts';
import { RecentItems } from './mm-embeddings-cache-producer/recent-items.ts';

const DEFAULT_CACHE_MIB = 4096;
/** What one item takes in an encoder cache, as the reference estimates it. */
const ITEM_MIB = 2;
/** Distinct items of one request that are looked at; models take a few dozen at most. */
const MAX_ITEMS = 1000;
const DUMPED_ENDPOINTS = 100;

/** One distinct item of a request. */
interface Item {
  readonly id: number;
  readonly modality: MediaFeature['modality'];
}

/**
 * Remembers which endpoint was sent which image, video or sound, and says of a request how many of its distinct items each
 * endpoint has seen. Every item counts 1. An endpoint remembers its latest `cacheSizeInMBPerServer / 2` items.
 *
 * Items count as seen at every target of the primary profile and of the profile that encodes, where there is one.
 * llm-d-router: pkg/epp/framework/plugins/requestcontrol/dataproducer/mmembeddingscache (which leaves the latter out)
 */
class MmEmbeddingsCacheProducer implements DataProducer, PreRequestHook, EndpointObserver, StateDumper {
  readonly #capacity: number;
  readonly #context: PluginContext;
  readonly #key: AttributeKey<EncoderCacheMatch>;
  readonly #itemsKey: AttributeKey<readonly Item[]>;
  readonly #xxh64 = new Xxh64();
  /** By slot. */
  readonly #seen: (RecentItems | undefined)[] = [];
  /** Endpoints that left: a request that waited meanwhile must not bring one back. */
  readonly #gone = new WeakSet<Endpoint>();
  readonly #hitRatio: HistogramCell;
  readonly #queries = new Map<MediaFeature['modality'], CounterCell>();

  constructor(capacity: number, context: PluginContext) {
    this.#capacity = capacity;
    this.#context = context;
    this.#key = encoderCacheMatchKey(context.name);
    this.#itemsKey = new AttributeKey('EncoderCacheItems', context.name);
    this.#hitRatio = context.instruments.histogram('encoder_cache_hit_ratio', this.#labels());
  }

  produce(request: InferenceRequest, candidates: readonly Endpoint[]): void {
    const items = this.#itemsOf(request);
    if (items.length === 0) return;
    let slots = 0;
    for (const { slot } of candidates) if (slot >= slots) slots = slot + 1;
    const matchedSize = new Float64Array(slots);
    for (const candidate of candidates) matchedSize[candidate.slot] = this.#matched(candidate, items);
    request.attributes.set(this.#key, { requestSize: items.length, matchedSize });
    request.attributes.set(this.#itemsKey, items);
  }

  preRequest(request: InferenceRequest, result: SchedulingResult): void {
    const items = request.attributes.get(this.#itemsKey);
    if (items === undefined) return;
    request.attributes.set(this.#itemsKey, undefined);
    const encode = result.encode === undefined ? undefined : result.profiles.get(result.encode);
    const primary = result.profiles.get(result.primary);
    this.#count(items, (encode ?? primary)?.targets[0]);
    this.#record(items, primary);
    if (encode !== primary) this.#record(items, encode);
  }

  endpointAdded(endpoint: Endpoint): void {
    this.#gone.delete(endpoint);
  }

  endpointRemoved(endpoint: Endpoint): void {
    this.#gone.add(endpoint);
    if (this.#seen[endpoint.slot]?.endpoint === endpoint) this.#seen[endpoint.slot] = undefined;
  }

  dumpState(): unknown {
    const present = this.#seen.filter((seen) => seen !== undefined);
    return {
      endpoints: present
        .map(({ endpoint, size }) => ({ endpoint: endpoint.id, items: size }))
        .sort((a, b) => b.items - a.items || (a.endpoint < b.endpoint ? -1 : 1))
        .slice(0, DUMPED_ENDPOINTS),
      totalEndpoints: present.length,
      maxEndpoints: DUMPED_ENDPOINTS,
      itemsPerEndpoint: this.#capacity,
    };
  }

  /** Distinct items, in order, the first `MAX_ITEMS`. */
  #itemsOf(request: InferenceRequest): readonly Item[] {
    const items: Item[] = [];
    const ids = new Set<number>();
    for (const { features } of request.attributes.get(TOKENIZED_PROMPT)?.prompts ?? []) {
      for (const { hash, modality } of features) {
        if (hash === '') continue;
        const id = this.#idOf(hash);
        if (ids.has(id)) continue;
        ids.add(id);
        items.push({ id, modality });
        if (items.length === MAX_ITEMS) return items;
      }
    }
    return items;
  }

  /** Client-supplied texts are of any length. */
  #idOf(hash: string): number {
    this.#xxh64.digestText(hash);
    return hashNumber(this.#xxh64.low, this.#xxh64.high);
  }

  #matched(endpoint: Endpoint, items: readonly Item[]): number {
    const seen = this.#seen[endpoint.slot];
    if (seen?.endpoint !== endpoint) return 0;
    let matched = 0;
    for (const { id } of items) if (seen.has(id)) matched += 1;
    return matched;
  }

  #record(items: readonly Item[], profile: ProfileResult | undefined): void {
    if (profile === undefined) return;
    for (const target of profile.targets) {
      if (this.#gone.has(target)) continue;
      let seen = this.#seen[target.slot];
      if (seen?.endpoint !== target) {
        seen = new RecentItems(target, this.#capacity);
        while (this.#seen.length <= target.slot) this.#seen.push(undefined);
        this.#seen[target.slot] = seen;
      }
      for (const { id } of items) seen.add(id);
    }
  }

  /** What the encoder at `endpoint` is asked for and has. */
  #count(items: readonly Item[], endpoint: Endpoint | undefined): void {
    if (endpoint === undefined) return;
    const seen = this.#seen[endpoint.slot];
    let hits = 0;
    for (const { id, modality } of items) {
      this.#queriesOf(modality).value += 1;
      if (seen?.endpoint !== endpoint || !seen.has(id)) continue;
      hits += 1;
      this.#hitsOf(seen, modality).value += 1;
    }
    this.#hitRatio.observe(hits / items.length);
  }

  #hitsOf({ endpoint, hits }: RecentItems, modality: MediaFeature['modality']): CounterCell {
    let cell = hits.get(modality);
    if (cell === undefined) {
      const labels = { ...this.#labels(), modality, pod: endpoint.name };
      cell = this.#context.instruments.counter('encoder_cache_hits_total', labels);
      hits.set(modality, cell);
    }
    return cell;
  }

  #queriesOf(modality: MediaFeature['modality']): CounterCell {
    let cell = this.#queries.get(modality);
    if (cell === undefined) {
      const labels = { ...this.#labels(), modality };
      cell = this.#context.instruments.counter('encoder_cache_queries_total', labels);
      this.#queries.set(modality, cell);
    }
    return cell;
  }

  #labels(): { readonly plugin_type: string; readonly plugin_name: string } {
    return { plugin_type: this.#context.type, plugin_name: this.#context.name };
  }
}

/** `mm-embeddings-cache-producer`. */
export const mmEmbeddingsCacheProducer = definePlugin({
  type: 'mm-embeddings-cache-producer',
  kinds: ['producer', 'pre-request', 'endpoint-observer', 'state-dumper'],
  stability: 'beta',
  summary: 'Remembers which endpoint was sent which images, videos and sounds.',
  params: z.strictObject({
    cacheSizeInMBPerServer: z
      .int()
      .default(DEFAULT_CACHE_MIB)
      .describe('Encoder cache of a model server in MiB, at 2 MiB an item; 0 or less means the default.'),
  }),
  dependencies: (_config, name) => ({
    requires: [TOKENIZED_PROMPT],
    produces: [encoderCacheMatchKey(name)],
  }),
  create: ({ cacheSizeInMBPerServer }, context) => {
    const mib = cacheSizeInMBPerServer > 0 ? cacheSizeInMBPerServer : DEFAULT_CACHE_MIB;
    return new MmEmbeddingsCacheProducer(Math.max(1, Math.floor(mib / ITEM_MIB)), context);
  },
});
