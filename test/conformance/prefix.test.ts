import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Endpoint } from '../../src/framework/endpoint.ts';
import type { ProfileResult } from '../../src/framework/profile-handler.ts';
import type { InferenceRequest } from '../../src/framework/request.ts';
import { BlockHasher } from '../../src/kvcache/hashing.ts';
import { prefixMatchKey } from '../../src/plugins/attributes/prefix-match.ts';
import { type MediaFeature, TOKENIZED_PROMPT } from '../../src/plugins/attributes/tokenized-prompt.ts';
import { approxPrefixCacheProducer } from '../../src/plugins/producers/approx-prefix-cache-producer.ts';
import { tokenProducer } from '../../src/plugins/producers/token-producer.ts';
import { context, endpoint, request } from '../support/builders.ts';

interface Vectors {
  readonly chains: readonly {
    readonly id: string;
    readonly model: string;
    readonly salt: string;
    readonly prompts: readonly (readonly number[])[];
    readonly blockSize: number;
    /** Hexadecimal, 16 digits. */
    readonly seed: string;
    readonly contents: readonly (readonly string[])[];
    readonly hashes: readonly (readonly string[])[];
  }[];
  readonly estimates: readonly {
    readonly id: string;
    readonly model: string;
    readonly blockSize: number;
    readonly messages: readonly object[];
    /** First tokens. */
    readonly start?: readonly number[];
    /** Last token. */
    readonly last?: number;
    readonly count: number;
    readonly features: readonly MediaFeature[];
    readonly hashes: readonly string[];
  }[];
}

const { chains, estimates } = JSON.parse(
  readFileSync(new URL('vectors/prefix.json', import.meta.url), 'utf8'),
) as Vectors; // a file of this repository
const hasher = new BlockHasher();

function hex(low: number, high: number): string {
  return [high, low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
}

function hexes(hashes: Uint32Array): string[] {
  return Array.from({ length: hashes.length / 2 }, (_, i) => hex(hashes[2 * i] ?? 0, hashes[2 * i + 1] ?? 0));
}

/** Content hashes and chain of one prompt as the reference counts blocks: the last one may be shorter. */
function hash(tokens: Uint8Array, blockSize: number, seed: { readonly low: number; readonly high: number }) {
  const out = new Uint32Array(2 * Math.ceil(tokens.length / 4 / blockSize));
  const to = hasher.contents(tokens, blockSize, out, 0);
  const contents = hexes(out);
  hasher.chain(out, { from: 0, to }, seed);
  return { contents, hashes: hexes(out) };
}

describe('block hashes', () => {
  test.each(chains)('$id', ({ model, salt, prompts, blockSize, seed, contents, hashes }) => {
    const start = hasher.seed(model, salt);
    expect(hex(start.low, start.high)).toBe(seed);
    const got = prompts.map((ids) => hash(new Uint8Array(Uint32Array.from(ids).buffer), blockSize, start));
    expect(got.map((prompt) => prompt.contents)).toEqual(contents);
    expect(got.map((prompt) => prompt.hashes)).toEqual(hashes);
  });
});

function chat(messages: readonly object[], model: string): InferenceRequest {
  const built = request({ model, body: { api: 'chat', json: { messages } } });
  tokenProducer.create(tokenProducer.params.parse({}), context()).produce(built);
  return built;
}

describe('pseudo-tokens', () => {
  test.each(estimates)('$id', ({ messages, model, blockSize, start = [], last, count, features, hashes }) => {
    const prompt = chat(messages, model).attributes.get(TOKENIZED_PROMPT)?.prompts[0];
    const bytes = Buffer.from(prompt?.bytes ?? []);
    const ids = Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readUInt32LE(4 * i));
    expect(ids).toHaveLength(count);
    expect(ids.slice(0, start.length)).toEqual(start);
    if (last !== undefined) expect(ids.at(-1)).toBe(last);
    expect(prompt?.features).toEqual(features);
    expect(hash(bytes, blockSize, hasher.seed(model, '')).hashes).toEqual(hashes);
  });
});

/** Targets of the `default` profile, which is primary, and of `prefill`. */
function targets(primary: Endpoint, prefill?: Endpoint): ReadonlyMap<string, ProfileResult> {
  const profile = (target: Endpoint) => ({
    targets: [target],
    candidates: [target],
    totals: new Float64Array(1),
  });
  const profiles = new Map([['default', profile(primary)]]);
  if (prefill !== undefined) profiles.set('prefill', profile(prefill));
  return profiles;
}

describe('from text to a match, as a conversation grows', () => {
  const pool = [0, 1, 2].map((slot) => endpoint({ slot }));
  const [one = endpoint(), , three = endpoint()] = pool;
  const turn = (i: number) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content: `${i} `.repeat(400) });

  test('each turn matches everything sent before it', () => {
    const plugin = approxPrefixCacheProducer.create(
      approxPrefixCacheProducer.params.parse({}),
      context('approx-prefix-cache-producer', pool),
    );
    let sent = 0;
    for (let turns = 1; turns < 30; turns += 2) {
      const messages = Array.from({ length: turns }, (_, i) => turn(i));
      const built = chat(messages, 'm');
      plugin.produce(built);
      const match = built.attributes.get(prefixMatchKey(''));
      expect(pool.map(({ slot }) => match?.cachedBlocks[slot])).toEqual([sent, 0, sent]);
      const count = built.attributes.get(TOKENIZED_PROMPT)?.count ?? 0;
      expect(match?.totalBlocks).toBe(Math.floor(count / 64));
      plugin.preRequest(built, { profiles: targets(one, three), primary: 'default' });
      sent = Math.floor(count / 64);
    }
    expect(sent).toBeGreaterThan(100);
  });

  test('another conversation shares its system prompt only', () => {
    const plugin = approxPrefixCacheProducer.create(
      approxPrefixCacheProducer.params.parse({}),
      context('approx-prefix-cache-producer', pool),
    );
    const system = { role: 'system', content: 'You are helpful. '.repeat(64) }; // 6 + 1088 bytes: 4 full blocks
    const first = chat([system, turn(0)], 'm');
    plugin.produce(first);
    plugin.preRequest(first, { profiles: targets(one), primary: 'default' });
    const second = chat([system, turn(2)], 'm');
    plugin.produce(second);
    expect(second.attributes.get(prefixMatchKey(''))?.cachedBlocks[one.slot]).toBe(4);
  });
});
