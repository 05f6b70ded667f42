import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { startSimulator } from '../../src/sim/simulator.ts';
import { hasEnvoy } from '../support/envoy.ts';
import { chatBody, type HttpAnswer, send } from '../support/http-client.ts';
import { expectNothingHeld, startStack } from '../support/stack.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';

/** Runs `count` requests, `clients` at a time; `next` sends the one of that number. */
async function run(
  count: number,
  clients: number,
  next: (i: number) => Promise<HttpAnswer>,
): Promise<HttpAnswer[]> {
  const answers: HttpAnswer[] = [];
  let started = 0;
  const client = async () => {
    while (started < count) {
      const i = started;
      started += 1;
      answers[i] = await next(i);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return answers;
}

/** 1,000 words that no other prompt of this file shares. */
function longPrompt(name: string): string {
  return Array.from({ length: 1000 }, (_, i) => `${name}${i % 10}`).join(' ');
}

function cachedTokens({ body }: HttpAnswer): number {
  const { usage } = JSON.parse(body.toString()) as {
    usage: { prompt_tokens: number; prompt_tokens_details?: { cached_tokens: number } | null };
  };
  return (usage.prompt_tokens_details?.cached_tokens ?? 0) / usage.prompt_tokens;
}

describe.skipIf(!hasEnvoy())('routing through Envoy', () => {
  test('traffic leaves a server within 200 ms after its page shows a long queue', async () => {
    await using first = await startUpstream();
    await using second = await startUpstream();
    await using stack = await startStack({
      endpoints: [first.address, second.address],
      picker: { config: readFileSync('config/examples/openshift-ai.yaml', 'utf8') },
    });
    let isRunning = true;
    const clients = Array.from({ length: 3 }, async (_, client) => {
      for (let i = 0; isRunning; i += 1) {
        const answer = await send(stack.url, { body: chatBody(`question ${client} ${i}`, 1) });
        expect(answer.status).toBe(200);
      }
    });
    const movedMs: number[] = [];
    for (let round = 0; round < 6; round += 1) {
      const [busy, idle] = round % 2 === 0 ? [first, second] : [second, first];
      idle.load.waiting = 0;
      movedMs.push(await timeUntilMoved(busy, idle));
    }
    isRunning = false;
    await Promise.all(clients);
    console.info(`traffic moved after ${movedMs.map(Math.round).join(', ')} ms`);
    const sorted = movedMs.toSorted((a, b) => a - b);
    expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThan(200);
    expect(sorted.at(-1)).toBeLessThan(1000);
    await expectNothingHeld(stack.picker);
  });

  test('a repeated prompt of 1,000 tokens goes to one server', async () => {
    await using simulator = await startSimulator({ port: 0, count: 4, decodeStepMs: 4 });
    await using stack = await startStack({ endpoints: simulator.addresses });
    const prompt = longPrompt('alpha');
    await run(200, 3, () => send(stack.url, { body: chatBody(prompt, 4) }));
    const counts = simulator.servers.map(({ engine }) => engine.stats.finishedLength);
    const share = Math.max(...counts) / 200;
    console.info(`affinity of one prompt: ${share * 100} % (${counts.join(', ')})`);
    expect(counts.reduce((sum, count) => sum + count)).toBe(200);
    expect(share).toBeGreaterThanOrEqual(0.95);
    await expectNothingHeld(stack.picker);
  });

  test('prompts repeated among others find their cache', async () => {
    await using simulator = await startSimulator({ port: 0, count: 4, decodeStepMs: 4 });
    await using stack = await startStack({ endpoints: simulator.addresses });
    const prompts = ['beta', 'gamma', 'delta', 'epsilon'].map(longPrompt);
    const answers = await run(400, 4, (i) => {
      const content = i % 2 === 0 ? prompts[(i / 2) % 4] : `something short and new ${i}`;
      return send(stack.url, { body: chatBody(content ?? '', 4) });
    });
    const repeated = answers.filter((_, i) => i % 2 === 0);
    const hits = repeated.filter((answer) => cachedTokens(answer) > 0.9).length;
    console.info(`prefix hits of four prompts among others: ${(hits / repeated.length) * 100} %`);
    expect(hits / repeated.length).toBeGreaterThanOrEqual(0.95);
    const finished = simulator.servers.map(({ engine }) => engine.stats.finishedLength);
    console.info(`requests by server: ${finished.join(', ')}`);
    // Affinity must not put everything in one place.
    expect(Math.min(...finished)).toBeGreaterThan(0);
  });
});

/** Milliseconds from when the page of `busy` shows a queue to the last request that it gets. */
async function timeUntilMoved(busy: Upstream, idle: Upstream): Promise<number> {
  busy.requests.length = 0;
  await expect.poll(() => busy.requests.length, { timeout: 5000, interval: 5 }).toBeGreaterThan(5);
  const shownMs = performance.now();
  busy.load.waiting = 30;
  await expect.poll(() => idleSince(busy, idle, shownMs), { timeout: 5000, interval: 5 }).toBeGreaterThan(50);
  return Math.max(0, (busy.requests.at(-1)?.arrivedMs ?? 0) - shownMs);
}

/** Requests that `idle` got after the last one that went to `busy`, and after `sinceMs`. */
function idleSince(busy: Upstream, idle: Upstream, sinceMs: number): number {
  const lastMs = Math.max(sinceMs, busy.requests.at(-1)?.arrivedMs ?? 0);
  return idle.requests.filter(({ arrivedMs }) => arrivedMs > lastMs).length;
}
