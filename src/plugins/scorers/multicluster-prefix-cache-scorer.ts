import { definePlugin } from '../../framework/plugin.ts';
import { prefixMatchKey } from '../attributes/prefix-match.ts';
import { PrefixCacheScorer, params } from './prefix-cache/match-scorer.ts';

/** `multicluster-prefix-cache-scorer`: `prefix-cache-scorer` where endpoints stand for clusters. */
export const multiclusterPrefixCacheScorer = definePlugin({
  type: 'multicluster-prefix-cache-scorer',
  kinds: ['scorer'],
  stability: 'alpha',
  summary: 'Prefers clusters that already hold the beginning of the prompt in their KV caches.',
  params,
  dependencies: (config) => ({ requires: [prefixMatchKey(config.prefixMatchInfoProducerName)] }),
  create: (config, context) => new PrefixCacheScorer(config, context.log),
});
