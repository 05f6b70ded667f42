import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { type MediaFeature, TOKENIZED_PROMPT } from '../attributes/tokenized-prompt.ts';
import { prefixHashScorer } from './prefix-hash-scorer.ts';

interface Prompt {
  text: string;
  model?: string;
  salt?: string;
  features?: readonly MediaFeature[];
}

/** A replica of the picker: knows nothing of others. */
function replica(parameters: object = {}) {
  return prefixHashScorer.create(prefixHashScorer.params.parse(parameters), context());
}

function asked({ text, model = 'm', salt = '', features = [] }: Prompt) {
  const bytes = Buffer.alloc(Math.ceil(text.length / 4) * 4);
  bytes.write(text);
  const one = request({ targetModel: model });
  const count = bytes.length / 4;
  one.attributes.set(TOKENIZED_PROMPT, { prompts: [{ bytes, count, features }], count, cacheSalt: salt });
  return one;
}

function scores(prompt: Prompt, pool: readonly Endpoint[], subject = replica()): number[] {
  const out = new Float64Array(pool.length);
  subject.score(asked(prompt), pool, out);
  return [...out];
}

function chosen(prompt: Prompt, pool: readonly Endpoint[], subject = replica()): string {
  const all = scores(prompt, pool, subject);
  return pool[all.indexOf(Math.max(...all))]?.id ?? '';
}

function idlePool(size: number, name = 'pod'): Endpoint[] {
  return Array.from({ length: size }, (_, slot) => endpoint({ slot, name: `${name}-${slot}` }));
}

const text = fc.string({ minLength: 1, maxLength: 400 });
const loads = fc.array(fc.nat(50), { minLength: 1, maxLength: 12 });

function poolOf(requests: readonly number[]): Endpoint[] {
  return requests.map((runningRequestsSize, slot) =>
    endpoint({ slot, name: `pod-${slot}`, runningRequestsSize }),
  );
}

test('prefix-hash-scorer: without tokens all score 0', () => {
  const out = new Float64Array(2);
  replica().score(request(), idlePool(2), out);
  expect([...out]).toEqual([0, 0]);
});

test('prefix-hash-scorer: every replica chooses the same, in whatever order it knows the endpoints', () => {
  fc.assert(
    fc.property(text, loads, fc.nat(20), (prompt, requests, shift) => {
      const pool = poolOf(requests);
      const other = requests
        .map((runningRequestsSize, i) =>
          endpoint({ slot: (i + shift) % 40, name: `pod-${i}`, runningRequestsSize }),
        )
        .toReversed();
      expect(chosen({ text: prompt }, other)).toBe(chosen({ text: prompt }, pool));
    }),
  );
});

test('prefix-hash-scorer: who is chosen is never above its share', () => {
  fc.assert(
    fc.property(text, loads, fc.double({ min: 1, max: 3, noNaN: true }), (prompt, requests, loadFactor) => {
      const pool = poolOf(requests);
      const id = chosen({ text: prompt }, pool, replica({ loadFactor }));
      const load = pool.find((one) => one.id === id)?.metrics.runningRequestsSize ?? Number.NaN;
      const total = requests.reduce((sum, one) => sum + one, 0);
      expect(load + 1).toBeLessThanOrEqual(Math.ceil((loadFactor * (total + 1)) / pool.length));
    }),
  );
});

test('prefix-hash-scorer: when an endpoint leaves only its own prompts move', () => {
  fc.assert(
    fc.property(text, fc.integer({ min: 2, max: 20 }), fc.nat(), (prompt, size, at) => {
      const pool = idlePool(size);
      const gone = pool[at % size];
      const before = chosen({ text: prompt }, pool);
      const after = chosen(
        { text: prompt },
        pool.filter((one) => one !== gone),
      );
      if (before !== gone?.id) expect(after).toBe(before);
    }),
  );
});

test('prefix-hash-scorer: when one joins about its share moves, and only to it', () => {
  const pool = idlePool(10);
  const subject = replica();
  const grown = [...pool, endpoint({ slot: 10, name: 'pod-10' })];
  let moved = 0;
  const prompts = 2_000;
  for (let i = 0; i < prompts; i += 1) {
    const before = chosen({ text: `prompt ${i}` }, pool, subject);
    const after = chosen({ text: `prompt ${i}` }, grown, subject);
    if (after === before) continue;
    moved += 1;
    expect(after).toBe('default/pod-10');
  }
  expect(moved / prompts).toBeGreaterThan(0.07);
  expect(moved / prompts).toBeLessThan(0.11);
});

test('prefix-hash-scorer: many prompts spread evenly', () => {
  const pool = idlePool(8);
  const subject = replica();
  const counts = new Map<string, number>();
  for (let i = 0; i < 4_000; i += 1) {
    const id = chosen({ text: `prompt ${i}` }, pool, subject);
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  for (const { id } of pool) expect(Math.abs((counts.get(id) ?? 0) - 500)).toBeLessThan(90);
});

test('prefix-hash-scorer: only the beginning counts, with model, salt and media', () => {
  const pool = idlePool(64);
  const subject = replica({ prefixTokens: 4 });
  const media = (hash: string, offset: number): MediaFeature => ({
    modality: 'image',
    hash,
    offset,
    length: 1,
  });
  const base = { text: '0123456789abcdef' };
  const same = (other: Prompt) => scores(other, pool, subject).join() === scores(base, pool, subject).join();
  expect(same({ text: `${base.text} and more` })).toBe(true);
  expect(same({ text: '0123456789abcdeF' })).toBe(false);
  expect(same({ ...base, model: 'other' })).toBe(false);
  expect(same({ ...base, salt: 's' })).toBe(false);
  expect(same({ ...base, features: [media('aa', 0)] })).toBe(false);
  expect(same({ ...base, features: [media('aa', 4)] })).toBe(true);
});

test('prefix-hash-scorer: full ones come after all others, the best scores 1', () => {
  fc.assert(
    fc.property(text, loads, (prompt, requests) => {
      const pool = poolOf(requests);
      const all = scores({ text: prompt }, pool);
      const limit = Math.ceil((1.25 * (requests.reduce((sum, one) => sum + one, 0) + 1)) / pool.length);
      requests.forEach((load, i) => {
        expect((all[i] ?? 0) >= 0.5 && load >= limit ? all[i] : 0.5).toBe(0.5);
      });
      expect(Math.max(...all)).toBe(1);
    }),
  );
});

test('prefix-hash-scorer: a slot that another endpoint took is not mistaken for the one before', () => {
  const subject = replica();
  const prompt = { text: 'prompt' };
  const first = idlePool(30);
  scores(prompt, first, subject);
  const second = idlePool(30, 'other');
  expect(scores(prompt, second, subject)).toEqual(scores(prompt, second));
});

test.each([[{ prefixTokens: 0 }], [{ loadFactor: 0.9 }], [{ prefixToken: 1 }]])(
  'prefix-hash-scorer: %j is refused',
  (parameters) => {
    expect(prefixHashScorer.params.safeParse(parameters).success).toBe(false);
  },
);
