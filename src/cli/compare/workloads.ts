import { nextInt, type Rng, SeededRng } from '../../util/rng.ts';
import { answerText } from './simulated-pool.ts';

/** A request of a workload. */
export interface Arrival {
  /** From the start of the run; arrivals do not wait for answers. */
  readonly atMs: number;
  /** JSON of a streamed chat completion. */
  readonly body: Buffer;
}

/** Traffic of one kind, the same for every policy. */
export interface Workload {
  readonly name: string;
  readonly summary: string;
  readonly ratePerSecond: number;
  readonly arrivals: readonly Arrival[];
}

/** Every simulated server counts 4 bytes of text as a token. */
const BYTES_PER_TOKEN = 4;
const SYSTEM_TOKENS = 2_000;
const SHARED_PROMPTS = 36;
const HOT_PROMPTS = 12;
/** Popularity of the n-th hot prompt is 1 / n^ZIPF. */
const ZIPF = 1.1;
const LONG_SHARE = 0.08;
const THINK_MS = 4_000;

interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** How much of a workload. */
interface Amount {
  readonly count: number;
  readonly ratePerSecond: number;
  /** Of the servers, which decides what they answer. */
  readonly seed: number;
}

/** Draws the requests of one kind of traffic, `atMs` ascending. */
interface Kind {
  readonly name: string;
  readonly summary: string;
  readonly ratePerSecond: number;
  draw(rng: Rng, amount: Amount): Arrival[];
}

const KINDS: readonly Kind[] = [
  {
    name: 'shared',
    summary: `${SHARED_PROMPTS} system prompts of 2,000 tokens, equally popular`,
    ratePerSecond: 20,
    draw(rng, { count, ratePerSecond: rate }) {
      const systems = texts(rng, SHARED_PROMPTS, SYSTEM_TOKENS);
      return poisson(rng, count, rate, () => question(rng, pick(rng, systems)));
    },
  },
  {
    name: 'multi-turn',
    summary: 'conversations of 3 to 8 turns, all under one system prompt of 2,000 tokens',
    ratePerSecond: 22,
    draw: conversations,
  },
  {
    name: 'mixed',
    summary: '8 % prompts of 8,000 tokens that nobody shares, the rest short under 12 system prompts',
    ratePerSecond: 18,
    draw(rng, { count, ratePerSecond: rate }) {
      const systems = texts(rng, HOT_PROMPTS, 500);
      return poisson(rng, count, rate, () =>
        rng.next() < LONG_SHARE
          ? completion([{ role: 'user', content: text(rng, 8_000) }], 100 + nextInt(rng, 100))
          : question(rng, pick(rng, systems)),
      );
    },
  },
  {
    name: 'hot',
    summary: '12 prompts of 6,000 tokens, popularity after Zipf',
    ratePerSecond: 12,
    draw(rng, { count, ratePerSecond: rate }) {
      const systems = texts(rng, HOT_PROMPTS, 6_000);
      const weights = systems.map((_system, i) => 1 / (i + 1) ** ZIPF);
      return poisson(rng, count, rate, () => question(rng, systems[weighted(rng, weights)] ?? ''));
    },
  },
];

/** Names of the workloads, in the order in which they are shown. */
export const WORKLOADS: readonly string[] = KINDS.map(({ name }) => name);

/** `count` requests of the workload `name`; equal seeds give equal requests. `load` multiplies the rate. */
export function workload(name: string, count: number, options: { seed: number; load?: number }): Workload {
  const kind = KINDS.find((one) => one.name === name);
  if (kind === undefined) throw new RangeError(`workload: got "${name}", want ${WORKLOADS.join(', ')}`);
  const { seed, load = 1 } = options;
  const rng = new SeededRng(seed * 31 + WORKLOADS.indexOf(name));
  const ratePerSecond = kind.ratePerSecond * load;
  return { ...kind, ratePerSecond, arrivals: kind.draw(rng, { count, ratePerSecond, seed }) };
}

/** Arrivals at random times, `rate` a second on average. */
function poisson(rng: Rng, count: number, rate: number, body: () => Buffer): Arrival[] {
  let atMs = 0;
  return Array.from({ length: count }, () => {
    atMs += exponential(rng, 1000 / rate);
    return { atMs, body: body() };
  });
}

/**
 * Each turn sends the whole conversation again. Enough conversations are begun that the first `count` requests cover
 * their time at the full rate.
 */
function conversations(rng: Rng, { count, ratePerSecond: rate, seed }: Amount): Arrival[] {
  const system = text(rng, SYSTEM_TOKENS);
  const minTurns = 3;
  const maxTurns = 8;
  const gapMs = (1000 / rate) * ((minTurns + maxTurns) / 2);
  const arrivals: Arrival[] = [];
  // those that began before the run are in their middle when it begins
  let startMs = -maxTurns * THINK_MS;
  const endMs = (count / rate) * 1000 * 1.5;
  while (startMs < endMs) {
    startMs += exponential(rng, gapMs);
    const messages: Message[] = [{ role: 'system', content: system }];
    let atMs = startMs;
    for (let turns = minTurns + nextInt(rng, maxTurns - minTurns + 1); turns > 0; turns -= 1) {
      messages.push({ role: 'user', content: text(rng, 100 + nextInt(rng, 300)) });
      const outputTokens = 50 + nextInt(rng, 100);
      const body = completion(messages, outputTokens);
      if (atMs >= 0) arrivals.push({ atMs, body });
      messages.push({ role: 'assistant', content: answerText(body, seed) });
      atMs += 0.5 * THINK_MS + exponential(rng, 0.5 * THINK_MS);
    }
  }
  return arrivals.sort((a, b) => a.atMs - b.atMs).slice(0, count);
}

function question(rng: Rng, system: string): Buffer {
  const user = text(rng, 50 + nextInt(rng, 200));
  return completion(
    [
      { role: 'system', content: system },
      { role: 'user', content: user },
    ],
    50 + nextInt(rng, 100),
  );
}

function completion(messages: readonly Message[], max_tokens: number): Buffer {
  return Buffer.from(JSON.stringify({ model: 'model', messages, max_tokens, stream: true }));
}

function texts(rng: Rng, count: number, tokens: number): string[] {
  return Array.from({ length: count }, () => text(rng, tokens));
}

const SYLLABLES = 'ka lo mi ne ru sa ti vo be du fa gi ho ja pe zu'.split(' ');

/** Words of no meaning; different on every call. */
function text(rng: Rng, tokens: number): string {
  const bytes = tokens * BYTES_PER_TOKEN;
  let words = '';
  while (words.length < bytes) {
    for (let i = 1 + nextInt(rng, 3); i >= 0; i -= 1)
      words += SYLLABLES[nextInt(rng, SYLLABLES.length)] ?? '';
    words += ' ';
  }
  return words.slice(0, bytes);
}

function pick(rng: Rng, from: readonly string[]): string {
  return from[nextInt(rng, from.length)] ?? '';
}

/** An index, each with probability in proportion to its weight. */
function weighted(rng: Rng, weights: readonly number[]): number {
  let left = rng.next() * weights.reduce((sum, weight) => sum + weight, 0);
  for (let i = 0; i < weights.length; i += 1) {
    left -= weights[i] ?? 0;
    if (left < 0) return i;
  }
  return weights.length - 1;
}

function exponential(rng: Rng, mean: number): number {
  return -mean * Math.log(1 - rng.next());
}
