import { definePlugin } from '../../framework/plugin.ts';
import { prefixMatchKey } from '../attributes/prefix-match.ts';
import { TOKENIZED_PROMPT } from '../attributes/tokenized-prompt.ts';
import { params } from './approx-prefix-cache-producer/params.ts';
import { createProducer } from './approx-prefix-cache-producer/producer.ts';

/** `multicluster-approx-prefix-cache-producer`: `approx-prefix-cache-producer` where endpoints stand for clusters. */
export const multiclusterApproxPrefixCacheProducer = definePlugin({
  type: 'multicluster-approx-prefix-cache-producer',
  kinds: ['producer', 'pre-request', 'response-body', 'endpoint-observer', 'state-dumper'],
  stability: 'alpha',
  summary: 'Learns from its own decisions which cluster holds which prompt prefix.',
  params,
  dependencies: (_config, name) => ({ requires: [TOKENIZED_PROMPT], produces: [prefixMatchKey(name)] }),
  create: createProducer,
});
