import { describe, expect, test } from 'vitest';
import { startSimulator } from '../../src/sim/simulator.ts';
import { hasEnvoy } from '../support/envoy.ts';
import { chatBody, send } from '../support/http-client.ts';
import { expectNothingHeld, startStack } from '../support/stack.ts';
import { startUpstream } from '../support/upstream.ts';

describe.skipIf(!hasEnvoy())('model servers that fail', () => {
  test('one that dies within its answer: the client sees the cut, nothing is held', async () => {
    await using simulator = await startSimulator({ port: 0, count: 2, decodeStepMs: 40 });
    await using stack = await startStack({ endpoints: simulator.addresses });
    for (const server of simulator.servers) {
      server.setFault({ fault: { mode: 'die', afterTokens: 5 }, count: 5 });
    }
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => send(stack.url, { body: chatBody('x', 50, { stream: true }) })),
    );
    const cut = answers.filter(({ isCut }) => isCut);
    expect(cut.length).toBeGreaterThanOrEqual(5);
    for (const { status, body } of cut) {
      expect(status).toBe(200);
      expect(body.toString()).not.toContain('[DONE]');
      expect(body.toString()).toContain('data: {');
    }
    await expectNothingHeld(stack.picker);
    for (const server of simulator.servers) server.setFault({ fault: { mode: 'none' } });
    expect((await send(stack.url, { body: chatBody('again', 2) })).status).toBe(200);
  });

  test('one that refuses connections gets nothing while another can take it, and is back when it listens', async () => {
    await using stays = await startUpstream();
    await using goes = await startUpstream();
    await using stack = await startStack({ endpoints: [stays.address, goes.address] });
    // Says that it has nothing to do, so that every request goes to it as long as it is there.
    stays.load.waiting = 3;
    const ask = () => send(stack.url, { body: chatBody('x', 1) });
    await expect
      .poll(async () => (await ask()) && goes.requests.length, { timeout: 5000 })
      .toBeGreaterThan(0);

    await goes.close();
    const closedMs = performance.now();
    let failures = 0;
    let lastFailureMs = closedMs;
    while (performance.now() - closedMs < 1000) {
      const answer = await ask();
      if (answer.status === 200) continue;
      expect(answer.status).toBe(503);
      failures += 1;
      lastFailureMs = performance.now();
    }
    console.info(`refused: ${failures} failures, the last after ${Math.round(lastFailureMs - closedMs)} ms`);
    for (let i = 0; i < 50; i += 1) expect((await ask()).status).toBe(200);

    let scrapedMs = Number.POSITIVE_INFINITY;
    goes.onScrape = () => {
      scrapedMs = Math.min(scrapedMs, performance.now());
    };
    goes.requests.length = 0;
    const listensMs = performance.now();
    await goes.listen();
    while (goes.requests.length === 0) {
      expect((await ask()).status).toBe(200);
      expect(performance.now() - listensMs).toBeLessThan(5000);
    }
    const backMs = performance.now();
    console.info(
      `back: scraped ${Math.round(scrapedMs - listensMs)} ms after it listened, ` +
        `first request ${Math.round(backMs - scrapedMs)} ms after that`,
    );
    expect(scrapedMs - listensMs).toBeLessThan(1500);
    await expectNothingHeld(stack.picker);
  });

  test('when all refuse, requests are still sent, and Envoy says that it cannot reach them', async () => {
    await using first = await startUpstream();
    await using second = await startUpstream();
    await using stack = await startStack({ endpoints: [first.address, second.address] });
    await first.close();
    await second.close();
    await expect
      .poll(async () => (await stack.picker.endpoints()).map(({ isReachable }) => isReachable), {
        timeout: 5000,
      })
      .toEqual([false, false]);
    for (let i = 0; i < 5; i += 1) {
      const answer = await send(stack.url, { body: chatBody('x', 1) });
      expect(answer.status).toBe(503);
      expect(answer.headers['x-llm-d-request-dropped-reason']).toBeUndefined();
      expect(answer.body.toString()).toContain('upstream connect error');
    }
    expect(await stack.envoy.stat('cluster.pool.upstream_cx_connect_fail')).toBeGreaterThan(0);
    await expectNothingHeld(stack.picker);

    await first.listen();
    await expect
      .poll(async () => (await send(stack.url, { body: chatBody('x', 1) })).status, { timeout: 5000 })
      .toBe(200);
  });
});
