import { describe, expect, test } from 'vitest';
import { EXT_PROC_SERVICE } from '../../src/extproc/codec.ts';
import { startSimulator } from '../../src/sim/simulator.ts';
import { hasEnvoy } from '../support/envoy.ts';
import { eventually } from '../support/eventually.ts';
import { HealthClient } from '../support/health-client.ts';
import { chatBody, HttpExchange, send } from '../support/http-client.ts';
import { startStack } from '../support/stack.ts';

describe.skipIf(!hasEnvoy())('a picker that is told to stop', () => {
  test('finishes what is open, is not ready from then on, and exits with 0', async () => {
    await using simulator = await startSimulator({ port: 0, count: 2, decodeStepMs: 20, jitter: 0 });
    await using stack = await startStack({
      endpoints: simulator.addresses,
      picker: { args: ['--drain-timeout=3s'] },
      envoy: { file: 'override-host' },
    });
    const { picker, url } = stack;
    using health = new HealthClient(`127.0.0.1:${picker.ports.healthPort}`);
    expect(await health.check(EXT_PROC_SERVICE)).toBe('SERVING');
    const watch = health.watch(EXT_PROC_SERVICE);
    watch.on('error', () => {});
    const statuses = watch[Symbol.asyncIterator]() as AsyncIterator<{ status: string }>;
    expect((await statuses.next()).value).toEqual({ status: 'SERVING' });

    // 5 s each: longer than the drain window.
    const exchanges = Array.from(
      { length: 10 },
      (_, i) => new HttpExchange(url, { body: chatBody(`question ${i}`, 250, { stream: true }) }),
    );
    await eventually(() => {
      for (const { chunks } of exchanges) expect(chunks.length).toBeGreaterThan(1);
    }, 10_000);
    const stoppedMs = performance.now();
    picker.signal('SIGTERM');
    expect((await statuses.next()).value).toEqual({ status: 'NOT_SERVING' });
    const notReadyMs = performance.now() - stoppedMs;
    expect(notReadyMs).toBeLessThan(500);
    expect(await health.check('liveness')).toBe('SERVING');
    watch.cancel();
    // Gateways learn of it a moment later; until then they send here.
    const late = await send(url, { body: chatBody('late', 2) });
    expect(late.status).toBe(200);

    const answers = await Promise.all(exchanges.map(({ ended }) => ended));
    const finishedMs = performance.now() - stoppedMs;
    for (const { status, isCut, body } of answers) {
      expect({ status, isCut }).toEqual({ status: 200, isCut: false });
      expect(body.toString()).toMatch(/data: \[DONE\]\n\n$/);
    }
    expect(await picker.exited()).toBe(0);
    const exitedMs = performance.now() - stoppedMs;
    console.info(
      `drain: not ready after ${Math.round(notReadyMs)} ms, streams finished after ${Math.round(finishedMs)} ms, ` +
        `exit after ${Math.round(exitedMs)} ms`,
    );
    expect(exitedMs - finishedMs).toBeLessThan(2000);
  });

  test('exits soon when nothing is open', async () => {
    await using simulator = await startSimulator({ port: 0, count: 1 });
    await using stack = await startStack({
      endpoints: simulator.addresses,
      picker: { args: ['--drain-timeout=30s'] },
    });
    expect((await send(stack.url, { body: chatBody('x', 1) })).status).toBe(200);
    const stoppedMs = performance.now();
    expect(await stack.picker.stop('SIGTERM')).toBe(0);
    expect(performance.now() - stoppedMs).toBeLessThan(6000);
  });
});
