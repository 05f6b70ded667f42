import { definePlugin } from '../../framework/plugin.ts';
import { prefixMatchKey } from '../attributes/prefix-match.ts';
import { PrefixCacheScorer, params } from './prefix-cache/match-scorer.ts';

/** `prefix-cache-scorer`. */
export const prefixCacheScorer = definePlugin({
  type: 'prefix-cache-scorer',
  kinds: ['scorer'],
  stability: 'beta',
  summary: 'Prefers endpoints whose KV cache already holds the beginning of the prompt.',
  params,
  dependencies: (config) => ({ requires: [prefixMatchKey(config.prefixMatchInfoProducerName)] }),
  create: (config, context) => new PrefixCacheScorer(config, context.log),
});
