import { definePlugin } from '../../framework/plugin.ts';
import { prefixMatchKey } from '../attributes/prefix-match.ts';
import { TOKENIZED_PROMPT } from '../attributes/tokenized-prompt.ts';
import { params } from './approx-prefix-cache-producer/params.ts';
import { createProducer } from './approx-prefix-cache-producer/producer.ts';

/** `approx-prefix-cache-producer`. */
export const approxPrefixCacheProducer = definePlugin({
  type: 'approx-prefix-cache-producer',
  kinds: ['producer', 'pre-request', 'response-body', 'endpoint-observer', 'state-dumper'],
  stability: 'beta',
  summary: 'Learns from its own decisions which endpoint holds which prompt prefix.',
  params,
  dependencies: (_config, name) => ({ requires: [TOKENIZED_PROMPT], produces: [prefixMatchKey(name)] }),
  create: createProducer,
});
