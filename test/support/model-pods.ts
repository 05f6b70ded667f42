import { setTimeout as pause } from 'node:timers/promises';
import { type Simulator, startSimulator } from '../../src/sim/simulator.ts';
import type { KubeNamespace } from './kube-namespace.ts';

/** What says that a pod goes: its `Ready` condition, or its deletion. */
export type Leaving = 'unready' | 'deleted';

/** Time between the word that a pod goes and the end of its server, as kubelet's preStop hook gives; at the least. */
const PRE_STOP_MS = 1000;
const IDLE_POLL_MS = 10;

/**
 * Simulated model servers as pods of a namespace, each on a loopback address of its own and all on one port. They come
 * and go as kubelet has it: a server listens before its pod is ready, and stops after its pod has been taken out and
 * everything it took is answered.
 */
export class ModelPods implements AsyncDisposable {
  readonly port: number;
  readonly #namespace: KubeNamespace;
  readonly #stepMs: number;
  readonly #running = new Map<string, Simulator>();
  #created = 0;
  #finishedByGone = 0;

  /** `port`: free on all of 127.0.0.0/8. `stepMs`: time for a token. */
  constructor(namespace: KubeNamespace, port: number, stepMs = 20) {
    this.#namespace = namespace;
    this.port = port;
    this.#stepMs = stepMs;
  }

  /** Names of the pods that there are. */
  get names(): readonly string[] {
    return [...this.#running.keys()];
  }

  /** Answers that were finished, by servers that are gone too. */
  get finished(): number {
    return this.names.reduce((sum, name) => sum + this.finishedBy(name), this.#finishedByGone);
  }

  /** Answers that a pod has finished. */
  finishedBy(name: string): number {
    return finishedOf(this.#running.get(name));
  }

  /** Starts or retires pods until there are `count`; those that go do so in either way by turns. */
  async scaleTo(count: number): Promise<void> {
    const surplus = this.names.slice(count);
    await Promise.all(surplus.map((name, i) => this.retire(name, i % 2 === 0 ? 'unready' : 'deleted')));
    const missing = Math.max(0, count - this.#running.size);
    await Promise.all(Array.from({ length: missing }, () => this.start()));
  }

  /** Starts a pod; its name. */
  async start(): Promise<string> {
    this.#created += 1;
    const name = `server-${this.#created}`;
    const host = `127.0.1.${this.#created}`;
    this.#running.set(
      name,
      await startSimulator({ host, port: this.port, decodeStepMs: this.#stepMs, seed: this.#created }),
    );
    await this.#namespace.createPod({ name, podIP: host });
    return name;
  }

  /** Takes a pod out, lets its server finish, stops it. */
  async retire(name: string, leaving: Leaving): Promise<void> {
    const simulator = this.#running.get(name);
    if (simulator === undefined) throw new Error(`there is no pod ${name}`);
    const { kube, name: namespace } = this.#namespace;
    const path = this.#namespace.podPath(name);
    const [podIP = ''] = simulator.addresses[0]?.split(':') ?? [];
    if (leaving === 'deleted') await kube.call('DELETE', path);
    else await kube.setPodStatus(namespace, name, { podIP, ready: 'False' });
    await pause(PRE_STOP_MS);
    while (isBusy(simulator)) await pause(IDLE_POLL_MS);
    this.#running.delete(name);
    this.#finishedByGone += finishedOf(simulator);
    await simulator[Symbol.asyncDispose]();
    await kube.delete(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const simulator of this.#running.values()) await simulator[Symbol.asyncDispose]();
  }
}

function isBusy({ servers }: Simulator): boolean {
  return servers.some(({ engine }) => engine.running + engine.waiting > 0);
}

function finishedOf(simulator: Simulator | undefined): number {
  const stats = simulator?.servers[0]?.engine.stats;
  return stats === undefined ? 0 : stats.finishedLength + stats.finishedStop;
}
