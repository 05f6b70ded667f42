import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { hasEnvoy } from '../support/envoy.ts';
import { chatBody, type HttpAnswer, send } from '../support/http-client.ts';
import { expectNothingHeld } from '../support/stack.ts';
import { type StagedPool, startStagedPool } from '../support/staged-pool.ts';

const example = (name: string) => readFileSync(`config/examples/${name}.yaml`, 'utf8');
const PREFILL_DECODE = () => example('prefill-decode');
const ENCODE_PREFILL_DECODE = () => example('encode-prefill-decode');
const PREFILL_FIRST = () =>
  example('prefill-decode').replace('deciders: {prefill: pd-decider}', 'stageOrder: prefill-first');
const ROLES = ['prefill', 'decode'];

/** 900 tokens that no other prompt shares. */
function longPrompt(name: string): string {
  return Array.from({ length: 600 }, (_, i) => `${name}${i % 10}`).join(' ');
}

/** Requests that each server of a pool has finished. */
function finished({ servers }: StagedPool): number[] {
  return servers.map(({ engine }) => engine.stats.finishedLength);
}

async function decisions({ stack }: StagedPool): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const line of (await stack.picker.page()).split('\n')) {
    const match = /^llm_d_epp_disagg_decision_total\{.*decision_type="([^"]+)".*\} (\d+)$/.exec(line);
    if (match !== null) counts[match[1] ?? ''] = Number(match[2]);
  }
  return counts;
}

function answerOf({ body }: HttpAnswer): unknown {
  return JSON.parse(body.toString());
}

describe.skipIf(!hasEnvoy())('prefill and decode on servers of their own', () => {
  test('a long prompt is computed by one server and answered by the other; once cached, by one alone', async () => {
    await using pool = await startStagedPool({ roles: ROLES, config: PREFILL_DECODE });
    const [prefill, decode] = pool.servers.map(({ engine }) => engine.stats);
    const body = chatBody(longPrompt('alpha'), 8);
    const first = await send(pool.stack.url, { body });
    expect(first.status).toBe(200);
    expect(answerOf(first)).toMatchObject({ usage: { completion_tokens: 8 } });
    expect(finished(pool)).toEqual([1, 1]);
    expect([prefill?.generationTokens, decode?.generationTokens]).toEqual([1, 8]);
    expect(decode?.remotePromptTokens).toBe((prefill?.promptTokens ?? 0) - 1);
    expect(first.headers['x-prefiller-host-port']).toBeUndefined();

    const second = await send(pool.stack.url, { body });
    expect(second.status).toBe(200);
    expect(finished(pool)).toEqual([1, 2]);
    expect(await decisions(pool)).toEqual({ 'prefill-decode': 1, 'decode-only': 1 });
    await expectNothingHeld(pool.stack.picker);
  });

  test('a short prompt is answered by the decode server alone', async () => {
    await using pool = await startStagedPool({ roles: ROLES, config: PREFILL_DECODE });
    expect((await send(pool.stack.url, { body: chatBody('hello', 4) })).status).toBe(200);
    expect(finished(pool)).toEqual([0, 1]);
  });

  test('streams are streams', async () => {
    await using pool = await startStagedPool({ roles: ROLES, config: PREFILL_DECODE });
    const body = chatBody(longPrompt('beta'), 6, { stream: true, stream_options: { include_usage: true } });
    const answer = await send(pool.stack.url, { body });
    const text = answer.body.toString();
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(text.match(/"finish_reason":"length"/g)).toHaveLength(1);
    expect(finished(pool)).toEqual([1, 1]);
  });

  test('prefill-first computes every prompt on a prefill server', async () => {
    await using pool = await startStagedPool({ roles: ROLES, config: PREFILL_FIRST });
    for (const prompt of ['hello', longPrompt('gamma'), longPrompt('gamma')]) {
      expect((await send(pool.stack.url, { body: chatBody(prompt, 4) })).status).toBe(200);
    }
    expect(finished(pool)).toEqual([3, 3]);
    expect(await decisions(pool)).toEqual({ 'prefill-decode': 3 });
  });

  test('a prompt comes back to the prefill server that knows it', async () => {
    await using pool = await startStagedPool({
      roles: ['prefill', 'prefill', 'decode'],
      config: PREFILL_FIRST,
    });
    for (let i = 0; i < 10; i += 1) {
      expect((await send(pool.stack.url, { body: chatBody(longPrompt('delta'), 2) })).status).toBe(200);
    }
    expect(finished(pool).slice(0, 2).toSorted()).toEqual([0, 10]);
  });

  test('without prefill servers the decode servers compute prompts; when one comes it is used', async () => {
    await using pool = await startStagedPool({ roles: ROLES, config: PREFILL_DECODE });
    await pool.list([1]);
    await expect.poll(async () => (await pool.stack.picker.endpoints()).length).toBe(1);
    expect((await send(pool.stack.url, { body: chatBody(longPrompt('epsilon'), 4) })).status).toBe(200);
    expect(finished(pool)).toEqual([0, 1]);
    expect(await decisions(pool)).toEqual({ 'decode-only': 1 });
    await pool.list([0, 1]);
    await expect.poll(async () => (await pool.stack.picker.endpoints()).length).toBe(2);
    expect((await send(pool.stack.url, { body: chatBody(longPrompt('zeta'), 4) })).status).toBe(200);
    expect(finished(pool)).toEqual([1, 2]);
  });

  test('without decode servers nobody can answer', async () => {
    await using pool = await startStagedPool({ roles: ROLES, config: PREFILL_DECODE });
    await pool.list([0]);
    await expect.poll(async () => (await pool.stack.picker.endpoints()).length).toBe(1);
    const answer = await send(pool.stack.url, { body: chatBody(longPrompt('eta'), 4) });
    expect(answer.status).toBe(429);
    expect(finished(pool)).toEqual([0, 0]);
    await expectNothingHeld(pool.stack.picker);
  });

  test("a failed prefill is the client's answer, and nothing stays counted", async () => {
    await using pool = await startStagedPool({ roles: ROLES, config: PREFILL_DECODE });
    pool.servers[0]?.setFault({ fault: { mode: 'status', status: 503 }, count: 1 });
    const body = chatBody(longPrompt('theta'), 4);
    const answer = await send(pool.stack.url, { body });
    expect([answer.status, answer.body.toString()]).toEqual([
      503,
      expect.stringContaining('simulated fault'),
    ]);
    expect(finished(pool)).toEqual([0, 0]);
    await expectNothingHeld(pool.stack.picker);
  });

  test('a client names no prefill server of its own', async () => {
    await using pool = await startStagedPool({ roles: ROLES, config: PREFILL_DECODE });
    const headers = {
      'x-prefiller-host-port': '127.0.0.1:1',
      'x-encoder-hosts-ports': '127.0.0.1:1',
      'x-data-parallel-host-port': '127.0.0.1:1',
      'x-kv-cache-source-host-port': '127.0.0.1:1',
    };
    const answer = await send(pool.stack.url, { body: chatBody('hello', 4), headers });
    expect(answer.status).toBe(200);
    expect(finished(pool)).toEqual([0, 1]);
  });
});

describe.skipIf(!hasEnvoy())('encode, prefill and decode on servers of their own', () => {
  const roles = ['encode', 'prefill', 'decode'];
  const image = (name: string) => ({ type: 'image_url', image_url: { url: `http://images/${name}.png` } });
  const question = (text: string, ...images: string[]) => ({
    model: 'sim-model',
    messages: [{ role: 'user', content: [{ type: 'text', text }, ...images.map(image)] }],
    max_tokens: 4,
  });
  const start = () =>
    startStagedPool({ roles, config: ENCODE_PREFILL_DECODE, sim: { ecConnector: 'ec-nixl' } });

  test('each image is encoded once; prefill takes the embeddings, decode the keys and values', async () => {
    await using pool = await start();
    const body = question(longPrompt('iota'), 'cat', 'dog', 'cat');
    expect((await send(pool.stack.url, { body })).status).toBe(200);
    expect(finished(pool)).toEqual([2, 1, 1]);
    expect(pool.servers.map(({ engine }) => engine.stats.encodedAssets)).toEqual([2, 0, 0]);
    expect(await decisions(pool)).toEqual({ 'encode-prefill-decode': 1 });
    await expectNothingHeld(pool.stack.picker);
  });

  test('a text goes past the encoder', async () => {
    await using pool = await start();
    expect((await send(pool.stack.url, { body: chatBody(longPrompt('kappa'), 4) })).status).toBe(200);
    expect(finished(pool)).toEqual([0, 1, 1]);
    expect(await decisions(pool)).toEqual({ 'prefill-decode': 1 });
  });

  test('an encoder that fails is 502', async () => {
    await using pool = await start();
    pool.servers[0]?.setFault({ fault: { mode: 'status', status: 500 } });
    const answer = await send(pool.stack.url, { body: question(longPrompt('lambda'), 'cat') });
    expect(answer.status).toBe(502);
    expect(finished(pool)).toEqual([0, 0, 0]);
    await expectNothingHeld(pool.stack.picker);
  });
});

describe.skipIf(!hasEnvoy())('ranks of a data-parallel server', () => {
  test('are endpoints of their own: cache and load are counted per rank', async () => {
    const config = () => example('default');
    await using pool = await startStagedPool({ roles: [undefined], config, sim: { dataParallelSize: 3 } });
    const rows = await pool.stack.picker.endpoints();
    expect(rows.map(({ address }) => address).toSorted()).toEqual(
      pool.servers.map(({ address }) => address).toSorted(),
    );
    for (const name of ['mu', 'nu', 'xi']) {
      const body = chatBody(longPrompt(name), 2);
      const before = finished(pool);
      await send(pool.stack.url, { body });
      const rank = finished(pool).findIndex((count, i) => count > (before[i] ?? 0));
      for (let i = 0; i < 4; i += 1) await send(pool.stack.url, { body });
      expect(finished(pool)[rank]).toBe((before[rank] ?? 0) + 5);
    }
    await expectNothingHeld(pool.stack.picker);
  });

  test('behind one port: the side car of the first rank forwards to the one that the picker names', async () => {
    const config = ([first = '']: readonly string[]) =>
      example('data-parallel').replace('primaryPort: 8000', `primaryPort: ${first.split(':')[1]}`);
    await using pool = await startStagedPool({ roles: ['decode'], config, sim: { dataParallelSize: 3 } });
    // What comes over HTTP to another rank is cut off.
    for (const rank of pool.servers.slice(1)) rank.setFault({ fault: { mode: 'refuse' } });
    const prompts = Array.from({ length: 9 }, (_, i) => longPrompt(`omicron-${i}-`));
    for (const prompt of prompts) {
      expect((await send(pool.stack.url, { body: chatBody(prompt, 2) })).status).toBe(200);
    }
    expect(finished(pool).filter((count) => count > 0).length).toBeGreaterThan(1);
    const hits = () => pool.servers.reduce((sum, { engine }) => sum + engine.stats.prefixCacheHits, 0);
    expect(hits()).toBe(0);
    // Each prompt goes to the rank that has it.
    const before = finished(pool);
    for (const prompt of prompts) await send(pool.stack.url, { body: chatBody(prompt, 2) });
    expect(finished(pool)).toEqual(before.map((count) => 2 * count));
    expect(hits()).toBeGreaterThan(9 * 800);
    await expectNothingHeld(pool.stack.picker);
  });
});
