import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ENVOY_NOTE, hasEnvoy, startEnvoy } from '../support/envoy.ts';
import { envoyConfig } from '../support/envoy-config.ts';
import { eventually } from '../support/eventually.ts';
import { freePorts } from '../support/free-port.ts';
import { chatBody, send } from '../support/http-client.ts';
import { hasKubeApiserver, KUBE_NOTE, startKubeApiserver } from '../support/kube-apiserver.ts';
import { CRDS, KubeNamespace } from '../support/kube-namespace.ts';
import { ModelPods } from '../support/model-pods.ts';
import type { PickerProcess } from '../support/picker-process.ts';
import type { RealKube } from '../support/real-kube.ts';
import { expectNothingHeld } from '../support/stack.ts';
import { isComplete, Traffic } from '../support/traffic.ts';

/** How long the API server stays away. A minute makes no difference: 60,000 passes too. */
const OUTAGE_MS = 20_000;

/** The longest pause between two attempts to reach the API server, and something for the attempt. */
const RETURN_MS = 45_000;

describe.skipIf(!hasEnvoy() || !hasKubeApiserver())(`nothing is lost${ENVOY_NOTE}${KUBE_NOTE}`, () => {
  let kube: RealKube;

  beforeAll(async () => {
    kube = await startKubeApiserver();
    await kube.applyCrds(CRDS);
  }, 180_000);

  afterAll(async () => {
    await kube?.[Symbol.asyncDispose]();
  });

  /** A pool with two pods, pickers of it, Envoy in front, and clients that are being served. */
  async function startPool(clients: number, args: readonly string[], replicas = 1) {
    await using started = new AsyncDisposableStack();
    const namespace = started.use(await KubeNamespace.create(kube));
    const [port = 0] = await freePorts(1);
    const pods = started.use(new ModelPods(namespace, port));
    await namespace.createPool([port]);
    await pods.scaleTo(2);
    const pickers: PickerProcess[] = [];
    while (pickers.length < replicas)
      pickers.push(started.use(await namespace.startPicker({ args: ['--pool-name=pool', ...args] })));
    const picker = pickers.map(({ address, ports }) => ({ address, healthPort: ports.healthPort }));
    const envoy = started.use(await startEnvoy({ config: envoyConfig({ picker, hasHealthChecks: true }) }));
    let asked = 0;
    const traffic = new Traffic(clients, () => {
      asked += 1;
      const body = chatBody(`question ${asked}`, 5 + (asked % 20), { stream: asked % 2 === 0 });
      return send(envoy.url, { body });
    });
    started.defer(() => traffic.stop());
    await eventually(() => {
      for (const name of pods.names) expect(pods.finishedBy(name)).toBeGreaterThan(0);
    }, 15_000);
    const kept = started.move();
    return {
      pods,
      pickers,
      traffic,
      /** Waits until so many of the pickers say that they are ready. */
      expectReady: (count: number) =>
        expect
          .poll(() => envoy.stat('cluster.epp.membership_healthy'), { timeout: 10_000, interval: 20 })
          .toBe(count),
      /** Stops the clients. Every request was served once and answered to its last word. */
      expectNothingLost: async () => {
        await traffic.stop();
        const incomplete = traffic.entries.filter((entry) => !isComplete(entry));
        expect(incomplete.map(({ answer }) => `${answer.status} ${answer.body.toString()}`)).toEqual([]);
        expect(pods.finished).toBe(traffic.entries.length);
      },
      [Symbol.asyncDispose]: () => kept.disposeAsync(),
    };
  }

  test('of what servers took while their pods are scaled from 2 to 20 and to 1', async () => {
    await using pool = await startPool(16, []);
    const { pods, traffic, pickers } = pool;
    await pods.scaleTo(20);
    expect(pods.names).toHaveLength(20);
    await eventually(() => {
      for (const name of pods.names) expect(pods.finishedBy(name)).toBeGreaterThan(0);
    }, 30_000);
    await pods.scaleTo(1);
    const aloneMs = performance.now();
    await eventually(() => expect(traffic.since(aloneMs).length).toBeGreaterThan(32), 15_000);
    await pool.expectNothingLost();
    for (const picker of pickers) {
      expect((await picker.endpoints()).map(({ address }) => address)).toEqual([`127.0.1.1:${pods.port}`]);
      await expectNothingHeld(picker);
    }
    console.info(
      `2 to 20 to 1: ${traffic.entries.length} requests, slowest ${Math.round(traffic.slowestMs)} ms`,
    );
  }, 90_000);

  test('while the API server is away, and what it says then is heard', async () => {
    await using alone = await startPool(4, []);
    await using elected = await startPool(4, ['--ha-enable-leader-election'], 2);
    const pools = [alone, elected];
    await alone.expectReady(1);
    await elected.expectReady(1);
    await kube.stopServer();
    const goneMs = performance.now();
    await pause(OUTAGE_MS);
    // Nobody leads, nobody has ended, everybody answers.
    await elected.expectReady(0);
    await alone.expectReady(1);
    const backMs = await startServer();
    const heard: Promise<number>[] = pools.map(async ({ pods }) => {
      const added = await pods.start();
      await eventually(() => expect(pods.finishedBy(added)).toBeGreaterThan(0), RETURN_MS);
      const heardMs = performance.now() - backMs;
      await pods.retire('server-1', 'deleted');
      return heardMs;
    });
    const heardMs = await Promise.all(heard);
    await elected.expectReady(1);
    for (const pool of pools) await pool.expectNothingLost();
    const during = pools.map(({ traffic }) => traffic.between(goneMs, backMs).length);
    expect(Math.min(...during)).toBeGreaterThan(OUTAGE_MS / 200);
    const warnings = alone.pickers[0]?.lines.filter((line) => line.includes('"level":"warn"')) ?? [];
    expect(warnings.length).toBeLessThan(10);
    console.info(
      `API server away for ${Math.round((backMs - goneMs) / 1000)} s: ${during.join(' and ')} requests meanwhile, ` +
        `new pods served ${heardMs.map(Math.round).join(' and ')} ms after its return, ${warnings.length} warnings`,
    );
  }, 150_000);

  /** Resolves with when it was there. */
  async function startServer(): Promise<number> {
    await kube.startServer();
    return performance.now();
  }
});
