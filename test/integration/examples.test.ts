import { globSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ENVOY_NOTE, hasEnvoy } from '../support/envoy.ts';
import { ExamplePool, type ExampleServer } from '../support/example-pool.ts';
import { chatBody } from '../support/http-client.ts';

const DECODE = { labels: { 'llm-d.ai/role': 'decode' } };
const PREFILL = { labels: { 'llm-d.ai/role': 'prefill' } };
const ENCODE = { labels: { 'llm-d.ai/role': 'encode' } };
const PLAIN: readonly ExampleServer[] = [{}, {}, {}];

/** A PNG of one pixel. */
const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** `words` words that no prompt of another name shares. */
function prompt(name: string, words = 800): string {
  return Array.from({ length: words }, (_, i) => `${name}${i % 10}`).join(' ');
}

function imageBody(text: string): object {
  const url = `data:image/png;base64,${PIXEL}`;
  const content = [
    { type: 'image_url', image_url: { url } },
    { type: 'text', text },
  ];
  return { ...chatBody('', 1), messages: [{ role: 'user', content }] };
}

/** Asks one after the other and wants every one answered. */
async function askEach(pool: ExamplePool, bodies: readonly unknown[], headers: Record<string, string> = {}) {
  const answers = [];
  for (const body of bodies) answers.push(await pool.send({ body, headers }));
  expect(answers.map(({ status }) => status)).toEqual(bodies.map(() => 200));
  return answers;
}

function chats(count: number, text: (i: number) => string): object[] {
  return Array.from({ length: count }, (_, i) => chatBody(text(i), 1));
}

/** Equal prompts end up on one server, and only there. */
async function sticks(pool: ExamplePool): Promise<void> {
  await askEach(
    pool,
    chats(6, () => prompt('same')),
  );
  expect(pool.served.filter((count) => count > 0)).toEqual([6]);
}

/** Prompts that have nothing in common reach more than one server. */
async function spreads(pool: ExamplePool): Promise<void> {
  await askEach(
    pool,
    chats(24, (i) => prompt(`p${i}-`, 20)),
  );
  expect(pool.served.filter((count) => count > 0).length).toBeGreaterThan(1);
}

interface Example {
  readonly servers: readonly ExampleServer[];
  readonly check: (pool: ExamplePool) => Promise<void>;
  /** The destination is a list. */
  readonly hasSeveralTargets?: true;
}

const EXAMPLES: Readonly<Record<string, Example>> = {
  default: { servers: PLAIN, check: sticks },
  empty: { servers: PLAIN, check: spreads },
  'openshift-ai': { servers: PLAIN, check: sticks },
  'queue-only': { servers: PLAIN, check: spreads },
  'prefix-load-aware': { servers: PLAIN, check: sticks },
  'prefix-tuned': { servers: PLAIN, check: sticks, hasSeveralTargets: true },
  simulator: { servers: PLAIN, check: sticks },
  lmetric: { servers: PLAIN, check: sticks },
  'optimized-baseline': {
    servers: PLAIN,
    check: async (pool) => {
      await askEach(
        pool,
        chats(6, (i) => prompt(`new${i}-`)),
      );
      expect(pool.served).toEqual([2, 2, 2]);
    },
  },
  'no-hit-lru': {
    servers: PLAIN,
    check: async (pool) => {
      await askEach(
        pool,
        chats(9, (i) => prompt(`new${i}-`)),
      );
      expect(pool.served).toEqual([3, 3, 3]);
    },
  },
  random: { servers: PLAIN, check: spreads },
  'random-passthrough': {
    servers: PLAIN,
    check: spreads,
  },
  'file-discovery': { servers: PLAIN, check: spreads },
  'decode-prefix': {
    servers: [DECODE, PREFILL, DECODE],
    check: async (pool) => {
      await sticks(pool);
      expect(pool.served[1]).toBe(0);
    },
  },
  lora: {
    servers: [{ loraModules: ['adapter'] }, { loraModules: ['adapter'] }],
    check: async (pool) => {
      const long = pool.send({ body: chatBody('x', 4000, { model: 'adapter' }) });
      await expect.poll(() => pool.page('/debug/endpoints')).toMatch(/"activeModels": \[\s*"adapter"/);
      await askEach(
        pool,
        chats(4, (i) => `question ${i}`).map((body) => ({ ...body, model: 'adapter' })),
      );
      expect(pool.served.toSorted()).toEqual([0, 4]);
      expect((await long).status).toBe(200);
      expect(pool.served.toSorted()).toEqual([0, 5]);
    },
  },
  'session-affinity': {
    servers: PLAIN,
    check: async (pool) => {
      await askEach(
        pool,
        chats(8, (i) => `question ${i}`),
        { 'x-session-id': 'one' },
      );
      expect(pool.served.filter((count) => count > 0)).toEqual([8]);
    },
  },
  'payload-agnostic': {
    servers: PLAIN,
    check: async (pool) => {
      const [first] = await askEach(pool, [chatBody('x', 1)]);
      const token = String(first?.headers['x-session-token']);
      await askEach(
        pool,
        chats(7, (i) => `question ${i}`),
        { 'x-session-token': token },
      );
      expect(pool.served.filter((count) => count > 0)).toEqual([8]);
    },
  },
  burst: {
    servers: PLAIN,
    check: async (pool) => {
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => pool.send({ body: chatBody(prompt('sample'), 1) })),
      );
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
      expect(pool.served.filter((count) => count > 0)).toEqual([8]);
    },
  },
  multimodal: {
    servers: PLAIN,
    check: async (pool) => {
      await askEach(
        pool,
        ['one', 'two', 'three', 'four'].map((text) => imageBody(text)),
      );
      expect(pool.served.filter((count) => count > 0)).toEqual([4]);
    },
  },
  // without a predictor: what the scorer falls back on, and the prefix
  'predicted-latency': { servers: PLAIN, check: sticks },
  'probabilistic-admitter': { servers: PLAIN, check: sticks },
  'gpu-utilization': {
    servers: [{ gpuUtilization: 0.9 }, { gpuUtilization: 0.1 }, { gpuUtilization: 0.5 }],
    check: async (pool) => {
      await expect
        .poll(
          async () => {
            const before = pool.served[1] ?? 0;
            await askEach(pool, chats(2, String));
            return (pool.served[1] ?? 0) - before;
          },
          { timeout: 5000 },
        )
        .toBe(2);
      const others = [pool.served[0], pool.served[2]];
      await askEach(pool, chats(6, String));
      expect([pool.served[0], pool.served[2]]).toEqual(others);
    },
  },
  'prefill-decode': {
    servers: [DECODE, PREFILL, DECODE],
    check: async (pool) => {
      await askEach(pool, [chatBody('short', 1)]);
      expect(pool.served[1]).toBe(0);
      await askEach(pool, [chatBody(prompt('long', 1500), 1)]);
      expect(pool.served[1]).toBe(1);
      await askEach(pool, [chatBody(prompt('long', 1500), 1)]);
      expect(pool.served).toEqual([expect.any(Number), 1, expect.any(Number)]);
      expect((pool.served[0] ?? 0) + (pool.served[2] ?? 0)).toBe(3);
    },
  },
  'prefill-decode-always': {
    servers: [DECODE, PREFILL],
    check: async (pool) => {
      await askEach(
        pool,
        chats(3, () => 'short'),
      );
      expect(pool.served).toEqual([3, 3]);
    },
  },
  'prefill-decode-topology': {
    servers: [
      { labels: { ...DECODE.labels, 'kubernetes.io/hostname': 'a' } },
      { labels: { ...PREFILL.labels, 'kubernetes.io/hostname': 'b' } },
      { labels: { ...PREFILL.labels, 'kubernetes.io/hostname': 'a' } },
    ],
    check: async (pool) => {
      await askEach(
        pool,
        chats(4, (i) => `question ${i}`),
      );
      expect(pool.served).toEqual([4, 0, 4]);
    },
  },
  'encode-decode': {
    servers: [DECODE, ENCODE],
    check: async (pool) => {
      await askEach(pool, [chatBody('no image', 1)]);
      expect(pool.served).toEqual([1, 0]);
      await askEach(pool, [imageBody('what is it?')]);
      expect(pool.served).toEqual([2, 1]);
    },
  },
  'encode-prefill-decode': {
    servers: [DECODE, PREFILL, ENCODE],
    check: async (pool) => {
      await askEach(pool, [imageBody(prompt('long', 1500))]);
      expect(pool.served).toEqual([1, 1, 1]);
      await askEach(pool, [chatBody('short', 1)]);
      expect(pool.served).toEqual([2, 1, 1]);
    },
  },
  'data-parallel': {
    servers: [{ ...DECODE, ranks: 2 }],
    check: async (pool) => {
      await askEach(
        pool,
        chats(8, (i) => `question ${i}`),
      );
      expect(pool.served).toEqual([8]);
    },
  },
};

test('every example is tried here', () => {
  const files = globSync('config/examples/*.yaml').map((file) => basename(file, '.yaml'));
  expect(files.filter((name) => name !== 'endpoints').toSorted()).toEqual(Object.keys(EXAMPLES).toSorted());
});

describe.skipIf(!hasEnvoy())(`examples behind Envoy${ENVOY_NOTE}`, () => {
  test.each(Object.entries(EXAMPLES))('%s', async (name, { servers, check, hasSeveralTargets }) => {
    await using pool = await ExamplePool.start(name, servers, hasSeveralTargets);
    await check(pool);
  });
});
