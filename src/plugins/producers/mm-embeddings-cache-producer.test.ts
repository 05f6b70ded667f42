import { describe, expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { DataProducer, EndpointObserver, PreRequestHook, StateDumper } from '../../framework/hooks.ts';
import type { ProfileResult, SchedulingResult } from '../../framework/profile-handler.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { encoderCacheMatchKey } from '../attributes/encoder-cache-match.ts';
import { type MediaFeature, TOKENIZED_PROMPT } from '../attributes/tokenized-prompt.ts';
import { mmEmbeddingsCacheProducer } from './mm-embeddings-cache-producer.ts';

const NAME = 'mm-embeddings-cache-producer';
const patience = { signal: new AbortController().signal };
const [a, b, c] = [0, 1, 2].map((slot) => endpoint({ name: 'abc'[slot] ?? '', slot })) as [
  Endpoint,
  Endpoint,
  Endpoint,
]; // three were made
const pool = [a, b, c];

function setup(params: object = {}) {
  const ctx = context(NAME, pool);
  const plugin = mmEmbeddingsCacheProducer.create(
    mmEmbeddingsCacheProducer.params.parse(params),
    ctx,
  ) as DataProducer & PreRequestHook & EndpointObserver & StateDumper;
  return { ctx, plugin };
}

function showing(hashes: readonly string[], modality: MediaFeature['modality'] = 'image'): InferenceRequest {
  const one = request();
  const features = hashes.map((hash, i) => ({ modality, hash, offset: i, length: 1 }));
  const bytes = new Uint8Array(4 * hashes.length);
  one.attributes.set(TOKENIZED_PROMPT, {
    prompts: [{ bytes, count: hashes.length, features }],
    count: hashes.length,
    cacheSalt: '',
  });
  return one;
}

function targets(...chosen: Endpoint[]): ProfileResult {
  return { targets: chosen, candidates: chosen, totals: new Float64Array(chosen.length) };
}

function only(...chosen: Endpoint[]): SchedulingResult {
  return { profiles: new Map([['decode', targets(...chosen)]]), primary: 'decode' };
}

/** Items seen at each of a, b, c, of how many. */
function seen(plugin: DataProducer, hashes: readonly string[]): string {
  const one = showing(hashes);
  void plugin.produce(one, pool, patience);
  const match = one.attributes.get(encoderCacheMatchKey(NAME));
  return match === undefined
    ? 'none'
    : `${pool.map(({ slot }) => match.matchedSize[slot] ?? 0).join()} of ${match.requestSize}`;
}

function send(plugin: DataProducer & PreRequestHook, one: InferenceRequest, result: SchedulingResult): void {
  void plugin.produce(one, pool, patience);
  plugin.preRequest(one, result);
}

describe('what an endpoint was sent', () => {
  test('distinct items count once; those with no hash not at all', () => {
    const { plugin } = setup();
    send(plugin, showing(['x', 'y', 'x', '']), only(a));
    expect(seen(plugin, ['x', 'y', 'z'])).toBe('2,0,0 of 3');
    expect(seen(plugin, ['x', 'x', ''])).toBe('1,0,0 of 1');
    expect(seen(plugin, [''])).toBe('none');
  });

  test('of a request with 40,000 items the first 1000 are looked at', () => {
    const { plugin } = setup();
    let looked = 0;
    const one = showing(Array.from({ length: 40_000 }, () => ''));
    const [prompt] = one.attributes.get(TOKENIZED_PROMPT)?.prompts ?? [];
    for (const [i, feature] of prompt?.features.entries() ?? []) {
      const get = () => {
        looked += 1;
        return `item ${i}`;
      };
      Object.defineProperty(feature, 'hash', { get });
    }
    void plugin.produce(one, pool, patience);
    expect(one.attributes.get(encoderCacheMatchKey(NAME))?.requestSize).toBe(1000);
    expect(looked).toBe(1000);
  });

  test('text only: nothing is written', () => {
    const { plugin } = setup();
    const one = request();
    void plugin.produce(one, pool, patience);
    plugin.preRequest(one, only(a));
    expect(one.attributes.get(encoderCacheMatchKey(NAME))).toBeUndefined();
  });

  test('every target of the primary profile counts, and those of the profile that encodes', () => {
    const { plugin } = setup();
    send(plugin, showing(['x']), only(a, b));
    expect(seen(plugin, ['x'])).toBe('1,1,0 of 1');
    const profiles = new Map([
      ['decode', targets(a)],
      ['encode', targets(c)],
    ]);
    send(plugin, showing(['y']), { profiles, primary: 'decode', encode: 'encode' });
    expect(seen(plugin, ['y'])).toBe('1,0,1 of 1');
  });

  test('the oldest items are forgotten; asking renews nothing', () => {
    const { plugin } = setup({ cacheSizeInMBPerServer: 4 });
    for (const hash of ['x', 'y']) send(plugin, showing([hash]), only(a));
    expect(seen(plugin, ['x'])).toBe('1,0,0 of 1');
    send(plugin, showing(['z']), only(a));
    expect(seen(plugin, ['x', 'y', 'z'])).toBe('2,0,0 of 3');
    expect(seen(plugin, ['x'])).toBe('0,0,0 of 1');
  });

  test('an endpoint that left is forgotten, and no late request brings it back', () => {
    const { plugin } = setup();
    send(plugin, showing(['x']), only(a));
    plugin.endpointRemoved(a);
    expect(seen(plugin, ['x'])).toBe('0,0,0 of 1');
    send(plugin, showing(['x']), only(a));
    expect(seen(plugin, ['x'])).toBe('0,0,0 of 1');
    plugin.endpointAdded?.(a);
    send(plugin, showing(['x']), only(a));
    expect(seen(plugin, ['x'])).toBe('1,0,0 of 1');
  });

  test('a later owner of the slot has seen nothing', () => {
    const { plugin } = setup();
    send(plugin, showing(['x']), only(a));
    const later = endpoint({ name: 'later', slot: a.slot });
    const one = showing(['x']);
    void plugin.produce(one, [later], patience);
    expect(one.attributes.get(encoderCacheMatchKey(NAME))?.matchedSize[later.slot]).toBe(0);
  });
});

test('queries, hits and their share are counted at the endpoint that encodes', () => {
  const { ctx, plugin } = setup();
  send(plugin, showing(['x', 'y']), only(a));
  send(plugin, showing(['x', 'z']), only(a));
  const labels = `plugin_name="${NAME}",plugin_type="${NAME}"`;
  expect(ctx.instruments.counters.get(`encoder_cache_queries_total{modality="image",${labels}}`)).toEqual({
    value: 4,
  });
  expect(
    ctx.instruments.counters.get(
      `encoder_cache_hits_total{modality="image",plugin_name="${NAME}",plugin_type="${NAME}",pod="a"}`,
    ),
  ).toEqual({ value: 1 });
  expect(ctx.instruments.observations.get(`encoder_cache_hit_ratio{${labels}}`)).toEqual([0, 0.5]);
});

test('the state is a short list', () => {
  const { plugin } = setup({ cacheSizeInMBPerServer: 0 });
  send(plugin, showing(['x', 'y']), only(a));
  send(plugin, showing(['z']), only(b));
  expect(plugin.dumpState()).toEqual({
    endpoints: [
      { endpoint: a.id, items: 2 },
      { endpoint: b.id, items: 1 },
    ],
    totalEndpoints: 2,
    maxEndpoints: 100,
    itemsPerEndpoint: 2048,
  });
});
