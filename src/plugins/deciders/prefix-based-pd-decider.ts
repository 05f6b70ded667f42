import { z } from 'zod';
import type { AttributeKey } from '../../framework/attribute.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { Decider } from '../../framework/hooks.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { DEFAULT_PREFIX_PRODUCER, type PrefixMatch, prefixMatchKey } from '../attributes/prefix-match.ts';
import { TOKENIZED_PROMPT } from '../attributes/tokenized-prompt.ts';

const params = z.strictObject({
  nonCachedTokens: z
    .int()
    .min(0)
    .default(0)
    .describe('Prompt tokens that the decode endpoint must lack for a split; 0 never splits.'),
  promptTokens: z
    .int()
    .min(0)
    .default(0)
    .describe('Prompts shorter than this are never split; 0: no minimum.'),
  prefixMatchInfoProducerName: z
    .string()
    .default(DEFAULT_PREFIX_PRODUCER)
    .describe('Name of the producer whose prefix match says what is cached.'),
  referenceBehavior: z
    .boolean()
    .default(false)
    .describe('Do not split when nobody found out what is cached, instead of taking that as nothing.'),
});

type Config = z.infer<typeof params>;

/**
 * Splits when much of the prompt is missing from the cache of the endpoint that decodes.
 *
 *     uncached = tokens - cachedBlocks × blockSizeTokens, cachedBlocks 0 without a prefix match
 *     yes iff nonCachedTokens > 0, tokens >= promptTokens and uncached >= nonCachedTokens
 *
 * A cached block counts in full, whatever its tier. Without endpoint or tokens the answer is no.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/profilehandler/disagg/prefix_based_pd_decider.go
 */
class PrefixBasedPdDecider implements Decider {
  readonly #config: Config;
  readonly #key: AttributeKey<PrefixMatch>;

  constructor(config: Config) {
    this.#config = config;
    this.#key = prefixMatchKey(config.prefixMatchInfoProducerName);
  }

  decide(request: InferenceRequest, endpoint: Endpoint | undefined): boolean {
    const { nonCachedTokens, promptTokens, referenceBehavior } = this.#config;
    if (nonCachedTokens === 0 || endpoint === undefined) return false;
    const tokens = request.attributes.get(TOKENIZED_PROMPT)?.count ?? 0;
    if (tokens < promptTokens || tokens < nonCachedTokens) return false;
    const match = request.attributes.get(this.#key);
    if (match === undefined) return !referenceBehavior;
    const cached = (match.cachedBlocks[endpoint.slot] ?? 0) * match.blockSizeTokens;
    return tokens - cached >= nonCachedTokens;
  }
}

/** `prefix-based-pd-decider`. */
export const prefixBasedPdDecider = definePlugin({
  type: 'prefix-based-pd-decider',
  kinds: ['decider'],
  stability: 'beta',
  summary: 'Splits prefill from decode when the decode endpoint lacks enough of the prompt.',
  params,
  dependencies: (config) => ({
    requires: [TOKENIZED_PROMPT, prefixMatchKey(config.prefixMatchInfoProducerName)],
  }),
  create: (config) => new PrefixBasedPdDecider(config),
});
