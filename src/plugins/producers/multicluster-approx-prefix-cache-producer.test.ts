import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { prefixMatchKey } from '../attributes/prefix-match.ts';
import { TOKENIZED_PROMPT } from '../attributes/tokenized-prompt.ts';
import { approxPrefixCacheProducer } from './approx-prefix-cache-producer.ts';
import { multiclusterApproxPrefixCacheProducer } from './multicluster-approx-prefix-cache-producer.ts';

const NAME = 'multicluster-approx-prefix-cache-producer';
const clusters = [0, 1].map((slot) => endpoint({ slot, name: `cluster${slot}` }));

function tokenized(): InferenceRequest {
  const one = request();
  const ids = new Uint32Array(128).fill(7);
  const prompt = { bytes: new Uint8Array(ids.buffer), count: ids.length, features: [] };
  one.attributes.set(TOKENIZED_PROMPT, { prompts: [prompt], count: ids.length, cacheSalt: '' });
  return one;
}

test(`${NAME}: it learns which cluster got a prompt, under its own name`, () => {
  const { params, create, dependencies } = multiclusterApproxPrefixCacheProducer;
  const producer = create(params.parse({}), context(NAME, clusters));
  const first = tokenized();
  producer.produce(first);
  const [, target] = clusters;
  const profile = { targets: clusters.slice(1), candidates: clusters, totals: new Float64Array(2) };
  producer.preRequest(first, { profiles: new Map([['default', profile]]), primary: 'default' });
  const second = tokenized();
  producer.produce(second);

  const match = second.attributes.get(prefixMatchKey(NAME));
  expect(match).toMatchObject({ totalBlocks: 2, blockSizeTokens: 64 });
  expect(match?.matchBlocks[target?.slot ?? -1]).toBe(2);
  expect(second.attributes.get(prefixMatchKey(''))).toBeUndefined();
  expect(dependencies?.(params.parse({}), NAME).produces).toEqual([prefixMatchKey(NAME)]);
});

test(`${NAME}: its parameters are those of approx-prefix-cache-producer`, () => {
  expect(multiclusterApproxPrefixCacheProducer.params).toBe(approxPrefixCacheProducer.params);
  expect(
    multiclusterApproxPrefixCacheProducer.params.safeParse({ autoTune: false, blockSizeTokens: 0 }).success,
  ).toBe(false);
});
