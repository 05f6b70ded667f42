import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { EXT_PROC_SERVICE } from '../../src/extproc/codec.ts';
import { leaseName } from '../../src/kube/lease.ts';
import { ENVOY_NOTE, hasEnvoy, startEnvoy } from '../support/envoy.ts';
import { envoyConfig } from '../support/envoy-config.ts';
import { freePorts } from '../support/free-port.ts';
import { HealthClient } from '../support/health-client.ts';
import { chatBody, HttpExchange, send } from '../support/http-client.ts';
import { hasKubeApiserver, KUBE_NOTE, startKubeApiserver } from '../support/kube-apiserver.ts';
import { CRDS, KubeNamespace } from '../support/kube-namespace.ts';
import { writeKubeconfig } from '../support/kubeconfig.ts';
import { ModelPods } from '../support/model-pods.ts';
import { type PickerPorts, type PickerProcess, pickerPorts } from '../support/picker-process.ts';
import type { RealKube } from '../support/real-kube.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { isComplete, Traffic } from '../support/traffic.ts';

const ELECTION = '--ha-enable-leader-election';

/** Health and metric of the one and the other. */
const LEADER = 'SERVING 1';
const FOLLOWER = 'NOT_SERVING 0';

/** After the leader has given the lease up. */
const TAKEOVER_MS = 3000;

/** Lease duration, a retry period with its jitter, and something for a busy machine. */
const EXPIRY_MS = 25_000;

describe.skipIf(!hasEnvoy() || !hasKubeApiserver())(`two replicas${ENVOY_NOTE}${KUBE_NOTE}`, () => {
  let kube: RealKube;

  beforeAll(async () => {
    kube = await startKubeApiserver();
    await kube.applyCrds(CRDS);
  }, 180_000);

  afterAll(async () => {
    await kube?.[Symbol.asyncDispose]();
  });

  /** A pool of two pods and Envoy before two places for pickers, which it uses as their health ports say. */
  async function startPlaces() {
    await using started = new AsyncDisposableStack();
    const namespace = started.use(await KubeNamespace.create(kube));
    const [port = 0] = await freePorts(1);
    const pods = started.use(new ModelPods(namespace, port));
    await namespace.createPool([port]);
    await pods.scaleTo(2);
    const ports = [await pickerPorts(), await pickerPorts()] as const;
    const picker = ports.map(({ grpcPort, healthPort }) => ({
      address: `127.0.0.1:${grpcPort}`,
      healthPort,
    }));
    const envoy = started.use(await startEnvoy({ config: envoyConfig({ picker, hasHealthChecks: true }) }));
    const kept = started.move();
    return {
      namespace,
      ports,
      url: envoy.url,
      /** Starts a picker in one of the places; it is killed with the rest if it still runs. */
      start: async (at: PickerPorts, args: readonly string[], env?: Readonly<Record<string, string>>) =>
        kept.use(
          await namespace.startPicker({
            ports: at,
            args: ['--pool-name=pool', ...args],
            ...(env && { env }),
          }),
        ),
      /** Waits until Envoy uses so many of the pickers. */
      expectHealthy: (count: number) =>
        soon(async () => expect(await envoy.stat('cluster.epp.membership_healthy')).toBe(count)),
      /** Clients that ask until they are stopped or everything is. */
      startTraffic: () => {
        let asked = 0;
        const traffic = new Traffic(6, () => {
          asked += 1;
          const body = chatBody(`question ${asked}`, 5 + (asked % 10), { stream: asked % 2 === 0 });
          return send(envoy.url, { body });
        });
        kept.defer(() => traffic.stop());
        return traffic;
      },
      [Symbol.asyncDispose]: () => kept.disposeAsync(),
    };
  }

  type Places = Awaited<ReturnType<typeof startPlaces>>;

  /** What a replica says of itself: on its health port, and by its metric. */
  async function standing(picker: PickerProcess, { namespace }: Places): Promise<string> {
    using health = new HealthClient(`127.0.0.1:${picker.ports.healthPort}`);
    const readiness = await health.check(EXT_PROC_SERVICE);
    return `${readiness} ${await picker.metric(`llm_d_epp_leader{name="${leaseName(namespace.name, 'pool')}"}`)}`;
  }

  async function expectStanding(picker: PickerProcess, places: Places, want: string, timeoutMs: number) {
    await soon(async () => expect(await standing(picker, places)).toBe(want), timeoutMs);
  }

  /** A leader, and in the other place a replica that waits. */
  async function startElection(
    places: Places,
  ): Promise<readonly [leader: PickerProcess, other: PickerProcess]> {
    const leader = await places.start(places.ports[0], [ELECTION]);
    await expectStanding(leader, places, LEADER, 10_000);
    const other = await places.start(places.ports[1], [ELECTION]);
    await expectStanding(other, places, FOLLOWER, 5000);
    await places.expectHealthy(1);
    return [leader, other];
  }

  test.concurrent('restarted one after the other, both at work, lose nothing', async () => {
    await using places = await startPlaces();
    const args = ['--ha-enable-leader-election=false'];
    const running = [await places.start(places.ports[0], args), await places.start(places.ports[1], args)];
    await places.expectHealthy(2);
    const traffic = places.startTraffic();
    for (const picker of running) {
      await soon(async () => expect(await picker.total('llm_d_epp_request_total')).toBeGreaterThan(5));
      expect(await picker.stop('SIGTERM')).toBe(0);
      await places.start(picker.ports, args);
      await places.expectHealthy(2);
    }
    await expectNothingLost(traffic);
    console.info(
      `both at work: ${traffic.entries.length} requests, slowest ${Math.round(traffic.slowestMs)} ms`,
    );
  }, 90_000);

  test.concurrent('restarted one after the other, one leading, lose nothing, and the other takes over', async () => {
    await using places = await startPlaces();
    let [leader, other] = await startElection(places);
    const traffic = places.startTraffic();
    const gapsMs: number[] = [];
    for (let round = 0; round < 2; round += 1) {
      const asked = traffic.entries.length;
      await soon(() => expect(traffic.entries.length).toBeGreaterThan(asked + 20));
      const toldMs = performance.now();
      leader.signal('SIGTERM');
      await expectStanding(other, places, LEADER, TAKEOVER_MS);
      gapsMs.push(Math.round(performance.now() - toldMs));
      expect(await leader.exited()).toBe(0);
      const started = await places.start(leader.ports, [ELECTION]);
      await expectStanding(started, places, FOLLOWER, 5000);
      [leader, other] = [other, started];
    }
    await expectNothingLost(traffic);
    console.info(
      `one leading: ${traffic.entries.length} requests, slowest ${Math.round(traffic.slowestMs)} ms, ` +
        `led again after ${gapsMs.join(' and ')} ms`,
    );
  }, 90_000);

  test.concurrent('a leader that is cut off from the API server is followed by the other, ends with 1, and nothing is lost', async () => {
    await using places = await startPlaces();
    const { access } = places.namespace;
    await using wire = await startTcpProxy(Number(new URL(kube.url).port));
    const env = { ...access.env, KUBERNETES_SERVICE_PORT: wire.address.split(':')[1] };
    await using kubeconfig = await writeKubeconfig({ access: { ...access, env } });
    const leader = await places.start(places.ports[0], [ELECTION], { KUBECONFIG: kubeconfig.path });
    await expectStanding(leader, places, LEADER, 10_000);
    const other = await places.start(places.ports[1], [ELECTION]);
    await expectStanding(other, places, FOLLOWER, 5000);
    const traffic = places.startTraffic();
    await places.expectHealthy(1);
    wire.block();
    const cutMs = performance.now();
    await expectStanding(other, places, LEADER, EXPIRY_MS);
    const ledMs = performance.now();
    // It answers what comes, and cannot know that it has lost until it can ask.
    await expectStanding(leader, places, FOLLOWER, 1000);
    wire.unblock();
    expect(await leader.exited()).toBe(1);
    await expectNothingLost(traffic);
    console.info(
      `cut off: the other leads after ${((ledMs - cutMs) / 1000).toFixed(1)} s, ${traffic.entries.length} requests`,
    );
  }, 90_000);

  test.concurrent('a leader whose lease another takes finishes what is open and ends with 1', async () => {
    await using places = await startPlaces();
    const leader = await places.start(places.ports[0], [ELECTION, '--drain-timeout=1s']);
    await expectStanding(leader, places, LEADER, 10_000);
    await places.expectHealthy(1);
    const exchange = new HttpExchange(places.url, { body: chatBody('x', 250, { stream: true }) });
    const ended = exchange.ended.then((answer) => ({ answer, sentMs: 0, endedMs: performance.now() }));
    await soon(() => expect(exchange.chunks.length).toBeGreaterThan(1));
    await kube.call('PATCH', places.namespace.leasePath, { spec: { holderIdentity: 'another' } });
    await expectStanding(leader, places, FOLLOWER, 5000);
    expect(await leader.exited()).toBe(1);
    const exitedMs = performance.now();
    const entry = await ended;
    expect(isComplete(entry)).toBe(true);
    expect(entry.endedMs).toBeLessThan(exitedMs);
    expect(leader.lines.some((line) => line.includes('leadership lost'))).toBe(true);
    const { spec } = await kube.call('GET', places.namespace.leasePath);
    expect(spec).toMatchObject({ holderIdentity: 'another' });
  }, 60_000);
});

/** Runs `check` until it passes; `expect.poll` is not for tests that run beside each other. */
async function soon(check: () => void | Promise<void>, timeoutMs = 10_000): Promise<void> {
  await vi.waitFor(check, { timeout: timeoutMs, interval: 20 });
}

/** Stops the clients; each of their requests was answered to its last word. */
async function expectNothingLost(traffic: Traffic): Promise<void> {
  await traffic.stop();
  const incomplete = traffic.entries.filter((entry) => !isComplete(entry));
  expect(incomplete.map(({ answer }) => `${answer.status} ${answer.body.toString()}`)).toEqual([]);
}
