import { describe, expect, test } from 'vitest';
import { EXT_PROC_SERVICE } from '../../src/extproc/codec.ts';
import { startSimulator } from '../../src/sim/simulator.ts';
import { hasEnvoy } from '../support/envoy.ts';
import { eventually } from '../support/eventually.ts';
import { HealthClient } from '../support/health-client.ts';
import { chatBody, type HttpAnswer, HttpExchange, send } from '../support/http-client.ts';
import { PickerProcess } from '../support/picker-process.ts';
import { expectNothingHeld, startStack } from '../support/stack.ts';

/** Clients that send one request after the other until told to stop. */
class Traffic {
  readonly answers: { readonly answer: HttpAnswer; readonly sentMs: number; readonly tookMs: number }[] = [];
  readonly #stop = new AbortController();
  readonly #done: Promise<unknown>;

  /** `next`: sends one request. */
  constructor(clients: number, next: () => Promise<HttpAnswer>) {
    this.#done = Promise.all(Array.from({ length: clients }, () => this.#run(next)));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #run(next: () => Promise<HttpAnswer>): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const sentMs = performance.now();
      const answer = await next();
      this.answers.push({ answer, sentMs, tookMs: performance.now() - sentMs });
    }
  }
}

/** Longest an exchange of these tests may take: what hangs is found by it. */
const HANG_MS = 4000;

describe.skipIf(!hasEnvoy())('a picker that is killed and started again', () => {
  test.each([
    { file: 'standalone-header', failureModeAllow: false },
    { file: 'override-host', failureModeAllow: true },
  ] as const)('$file, failure_mode_allow $failureModeAllow', async ({ file, failureModeAllow }) => {
    await using simulator = await startSimulator({ port: 0, count: 2, decodeStepMs: 5 });
    const { addresses: endpoints } = simulator;
    await using stack = await startStack({ endpoints, envoy: { file, failureModeAllow } });
    const { url } = stack;
    const traffic = new Traffic(6, () => send(url, { body: chatBody('x', 10, { stream: true }) }));
    const reads = new Traffic(2, () => send(url, { path: '/v1/models' }));
    const good = () => traffic.answers.filter(({ answer }) => answer.status === 200 && !answer.isCut).length;
    await eventually(() => expect(good()).toBeGreaterThan(20), 10_000);

    const killedMs = performance.now();
    await stack.picker.stop('SIGKILL');
    const downMs = performance.now();
    await eventually(
      () => expect(traffic.answers.filter(({ sentMs }) => sentMs > downMs).length).toBeGreaterThan(30),
      10_000,
    );
    await eventually(() =>
      expect(reads.answers.filter(({ sentMs }) => sentMs > downMs).length).toBeGreaterThan(10),
    );
    const upMs = performance.now();
    await using restarted = await PickerProcess.start({ ports: stack.picker.ports, endpoints });
    const readyMs = performance.now();
    const before = good();
    await eventually(() => expect(good()).toBeGreaterThan(before + 20), 10_000);
    const recovered = traffic.answers.find(({ answer, sentMs }) => sentMs > readyMs && answer.status === 200);
    await traffic.stop();
    await reads.stop();
    await expectNothingHeld(restarted);

    const slowestMs = Math.max(...[...traffic.answers, ...reads.answers].map(({ tookMs }) => tookMs));
    expect(slowestMs).toBeLessThan(HANG_MS);
    const whileDown = (list: Traffic) =>
      list.answers.filter(({ sentMs, tookMs }) => sentMs > downMs && sentMs + tookMs < upMs);
    // No body had gone to the picker, so fail-open lets them through; else Envoy says that its filter failed.
    for (const { answer } of whileDown(reads)) expect(answer.status).toBe(failureModeAllow ? 200 : 500);
    for (const { answer } of whileDown(traffic))
      expect(failureModeAllow ? [200, 500] : [500]).toContain(answer.status);
    // Before and after it: what was under way is answered with an error or cut, the rest is not touched.
    for (const { answer, sentMs, tookMs } of traffic.answers) {
      expect([200, 500, 503]).toContain(answer.status);
      if (sentMs + tookMs < killedMs || sentMs > readyMs + 2000) {
        expect({ status: answer.status, isCut: answer.isCut }).toEqual({ status: 200, isCut: false });
      }
    }
    const open = whileDown(traffic).filter(({ answer }) => answer.status === 200).length;
    console.info(
      `${file}: ${traffic.answers.length} requests, while down ${open} of ${whileDown(traffic).length} POST and ` +
        `${whileDown(reads).filter(({ answer }) => answer.status === 200).length} of ${whileDown(reads).length} GET ` +
        `answered, slowest ${Math.round(slowestMs)} ms, ` +
        `first success ${Math.round((recovered?.sentMs ?? Number.NaN) + (recovered?.tookMs ?? 0) - readyMs)} ms after ready`,
    );
  });
});

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
