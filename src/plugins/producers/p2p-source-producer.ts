import { z } from 'zod';
import { AttributeKey } from '../../framework/attribute.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { DataProducer, PreRequestHook } from '../../framework/hooks.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { SchedulingResult } from '../../framework/profile-handler.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { fnv1a32 } from '../../util/fnv1a.ts';
import { DEFAULT_PREFIX_PRODUCER, type PrefixMatch, prefixMatchKey } from '../attributes/prefix-match.ts';

const SOURCE_HEADER = 'x-kv-cache-source-host-port';
const TWO_TO_32 = 2 ** 32;

const params = z.strictObject({
  prefixMatchInfoProducerName: z
    .string()
    .default(DEFAULT_PREFIX_PRODUCER)
    .describe('Name of the producer whose prefix match tells who holds what.'),
  minCachedTokenDelta: z
    .int()
    .min(1)
    .default(1)
    .describe('Tokens that the source must hold beyond those of the endpoint that computes the prompt.'),
  prefillProfileName: z
    .string()
    .default('prefill')
    .describe(
      'Profile whose first target computes the prompt; where it did not run, the primary one does. A disaggregating profile handler knows its own.',
    ),
});

/** Whom blocks could be pulled from. */
interface Source {
  readonly endpoint: Endpoint;
  /** Tokens of the request that it holds. */
  readonly tokens: number;
}

/**
 * Names an endpoint that holds more of the prompt than the one that will compute it, so that the side car there can pull
 * the blocks instead of computing them: request header `x-kv-cache-source-host-port`.
 *
 *     tokens(e) = cachedBlocks(e) × blockSize
 *     sources   = { e : tokens(e) > 0, tokens(e) + blockSize >= max tokens }
 *     weight(e) = 1 / (1 + waiting(e))
 *     x         = FNV-1a-32(request id) / 2^32 × Σ weights; the source is where the running sum first exceeds x
 *
 * The header is set when the source is not the endpoint that computes, and tokens(source) - tokens(that endpoint) >=
 * minCachedTokenDelta. A client's own header never gets this far.
 * llm-d-router: pkg/epp/framework/plugins/requestcontrol/dataproducer/p2psource
 */
class P2pSourceProducer implements DataProducer, PreRequestHook {
  readonly #matchKey: AttributeKey<PrefixMatch>;
  readonly #sourceKey: AttributeKey<Source>;
  readonly #minDelta: number;
  readonly #prefillProfile: string;

  constructor(config: z.infer<typeof params>, name: string) {
    this.#matchKey = prefixMatchKey(config.prefixMatchInfoProducerName);
    this.#sourceKey = new AttributeKey('best-match', name);
    this.#minDelta = config.minCachedTokenDelta;
    this.#prefillProfile = config.prefillProfileName;
  }

  produce(request: InferenceRequest, candidates: readonly Endpoint[]): void {
    const match = request.attributes.get(this.#matchKey);
    if (match === undefined) return;
    const { cachedBlocks, blockSizeTokens } = match;
    let most = 0;
    for (const { slot } of candidates) most = Math.max(most, cachedBlocks[slot] ?? 0);
    if (most === 0) return;
    let weights = 0;
    for (const candidate of candidates) if (isSource(candidate, match, most)) weights += weightOf(candidate);
    const at = (fnv1a32(request.requestId) / TWO_TO_32) * weights;
    let sum = 0;
    let chosen: Endpoint | undefined;
    for (const candidate of candidates) {
      if (!isSource(candidate, match, most)) continue;
      chosen = candidate; // the last one where rounding leaves `at` at the very end
      sum += weightOf(candidate);
      if (at < sum) break;
    }
    if (chosen === undefined) return;
    const tokens = (cachedBlocks[chosen.slot] ?? 0) * blockSizeTokens;
    request.attributes.set(this.#sourceKey, { endpoint: chosen, tokens });
  }

  preRequest(request: InferenceRequest, result: SchedulingResult): void {
    const source = request.attributes.get(this.#sourceKey);
    const match = request.attributes.get(this.#matchKey);
    if (source === undefined || match === undefined) return;
    const prefill = result.profiles.get(result.prefill ?? this.#prefillProfile);
    const computing = (prefill ?? result.profiles.get(result.primary))?.targets[0];
    if (computing === undefined || computing === source.endpoint) return;
    const held = (match.cachedBlocks[computing.slot] ?? 0) * match.blockSizeTokens;
    if (source.tokens - held < this.#minDelta) return;
    request.headers.set(SOURCE_HEADER, source.endpoint.hostPort);
  }
}

/** Holds something, and at most one block less than whoever holds `most`. */
function isSource({ slot }: Endpoint, { cachedBlocks }: PrefixMatch, most: number): boolean {
  const blocks = cachedBlocks[slot] ?? 0;
  return blocks > 0 && blocks + 1 >= most;
}

function weightOf({ metrics }: Endpoint): number {
  return 1 / (1 + metrics.waitingQueueSize);
}

/** `p2p-source-producer`. */
export const p2pSourceProducer = definePlugin({
  type: 'p2p-source-producer',
  kinds: ['producer', 'pre-request'],
  stability: 'alpha',
  summary: 'Names an endpoint from which the KV cache of the prompt can be pulled.',
  params,
  dependencies: (config) => ({ requires: [prefixMatchKey(config.prefixMatchInfoProducerName)] }),
  create: (config, { name }) => new P2pSourceProducer(config, name),
});
