import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EndpointStore } from '../../src/data/store.ts';
import {
  formatLabelSelector,
  matchesLabels,
  parseLabelSelector,
} from '../../src/framework/label-selector.ts';
import { ModelRewrites } from '../../src/framework/model-rewrites.ts';
import { loadKubeApi } from '../../src/kube/client.ts';
import type { KubeObject } from '../../src/kube/objects.ts';
import { POD_RESOURCE } from '../../src/kube/pods.ts';
import { PoolWatcher } from '../../src/kube/pool-watcher.ts';
import { systemClock } from '../../src/util/clock.ts';
import { SeededRng } from '../../src/util/rng.ts';
import { RecordingLog } from '../support/builders.ts';
import { hasKubeApiserver, KUBE_NOTE, startKubeApiserver } from '../support/kube-apiserver.ts';
import { CRDS } from '../support/kube-namespace.ts';
import type { RealKube } from '../support/real-kube.ts';

const READ = ['get', 'list', 'watch'];

/** All that a pool needs of the API server. */
const RULES = [
  { apiGroups: [''], resources: ['pods'], verbs: READ },
  { apiGroups: ['inference.networking.k8s.io'], resources: ['inferencepools'], verbs: READ },
  { apiGroups: ['llm-d.ai'], resources: ['inferenceobjectives', 'inferencemodelrewrites'], verbs: READ },
];

const LABELS = { app: 'vllm' };

describe.skipIf(!hasKubeApiserver())(`pools of a real API server${KUBE_NOTE}`, () => {
  let kube: RealKube;

  beforeAll(async () => {
    kube = await startKubeApiserver();
    await kube.applyCrds(CRDS);
  }, 180_000);

  afterAll(async () => {
    await kube?.[Symbol.asyncDispose]();
  });

  /** A watcher of pool `pool` in a namespace of its own, with no more rights than it needs. */
  async function watchPool() {
    await using started = new AsyncDisposableStack();
    const namespace = await kube.createNamespace();
    const access = await kube.serviceAccount(namespace, 'epp', { rules: RULES });
    const api = started.use(await loadKubeApi({ ...access, clock: systemClock }));
    const log = new RecordingLog();
    const store = new EndpointStore(log);
    const rewrites = new ModelRewrites();
    const watcher = new PoolWatcher({
      api,
      namespace,
      source: { kind: 'pool', name: 'pool', group: 'inference.networking.k8s.io' },
      writer: store,
      rewrites,
      clock: systemClock,
      rng: new SeededRng(1),
      log,
    });
    const stop = new AbortController();
    started.defer(() => stop.abort());
    const kept = started.move();
    const at = (group: string, plural: string) => `/apis/${group}/namespaces/${namespace}/${plural}`;
    const pools = at('inference.networking.k8s.io/v1', 'inferencepools');
    const pool = (matchLabels: object, ...ports: readonly number[]) => ({
      apiVersion: 'inference.networking.k8s.io/v1',
      kind: 'InferencePool',
      metadata: { name: 'pool' },
      spec: { selector: { matchLabels }, targetPorts: ports.map((number) => ({ number })) },
    });
    return {
      namespace,
      watcher,
      store,
      log,
      start: () => watcher.start(stop.signal),
      endpoints: () =>
        store.endpoints.map((one) => `${one.id.slice(namespace.length + 1)}=${one.hostPort}`).sort(),
      model: () => rewrites.decide('m', new SeededRng(1))?.model,
      createPod: (name: string, podIP: string, options: { labels?: Record<string, string> } = {}) =>
        kube.createPod({ namespace, name, podIP, labels: LABELS, ...options }),
      createPool: (...ports: readonly number[]) => kube.call('POST', pools, pool(LABELS, ...ports)),
      patchPool: (spec: object) => kube.call('PATCH', `${pools}/pool`, { spec }),
      deletePool: () => kube.delete(`${pools}/pool`),
      create: (plural: string, kind: string, name: string, spec: object) =>
        kube.call('POST', at('llm-d.ai/v1alpha2', plural), {
          apiVersion: 'llm-d.ai/v1alpha2',
          kind,
          metadata: { name },
          spec: { poolRef: { name: 'pool' }, ...spec },
        }),
      [Symbol.asyncDispose]: () => kept.disposeAsync(),
    };
  }

  /** Waits until `read` says `want`; the server may be starting. */
  async function eventually(read: () => unknown, want: unknown): Promise<void> {
    await expect.poll(read, { timeout: 45_000, interval: 20 }).toEqual(want);
  }

  test('pods come and go, ports and selector change, the pool is deleted and created again', async () => {
    await using one = await watchPool();
    await one.createPool(8000, 8001);
    await one.createPod('a', '10.1.0.1');
    await one.createPod('other', '10.1.0.9', { labels: { app: 'other' } });
    await one.start();
    expect(one.endpoints()).toEqual(['a-rank-0=10.1.0.1:8000', 'a-rank-1=10.1.0.1:8001']);
    expect(one.watcher).toMatchObject({ isPoolKnown: true, hasSyncedPods: true, appProtocol: 'http' });

    await kube.setPodStatus(one.namespace, 'a', { podIP: '10.1.0.1', ready: 'False' });
    await eventually(one.endpoints, []);
    await kube.setPodStatus(one.namespace, 'a', { podIP: '10.1.0.1', ready: 'True' });
    await one.patchPool({ targetPorts: [{ number: 8001 }] });
    await eventually(one.endpoints, ['a-rank-0=10.1.0.1:8001']);
    await one.patchPool({ selector: { matchLabels: { app: 'other' } } });
    await eventually(one.endpoints, ['other-rank-0=10.1.0.9:8001']);

    await one.deletePool();
    await eventually(one.endpoints, []);
    expect(one.watcher.isPoolKnown).toBe(false);
    await one.createPool(9000);
    await eventually(one.endpoints, ['a-rank-0=10.1.0.1:9000']);
    await kube.delete(`/api/v1/namespaces/${one.namespace}/pods/a`);
    await eventually(one.endpoints, []);
    expect(one.log.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  test('a pod that terminates is no endpoint', async () => {
    await using one = await watchPool();
    await one.createPool(8000);
    const { namespace } = one;
    await kube.createPod({
      namespace,
      name: 'a',
      labels: LABELS,
      podIP: '10.1.0.1',
      spec: { nodeName: 'node' },
    });
    await one.start();
    expect(one.endpoints()).toEqual(['a-rank-0=10.1.0.1:8000']);
    await kube.call('DELETE', `/api/v1/namespaces/${namespace}/pods/a`);
    const pod = await kube.call('GET', `/api/v1/namespaces/${namespace}/pods/a`);
    expect(pod.metadata.deletionTimestamp).toBeDefined();
    await eventually(one.endpoints, []);
  });

  test('objectives and rewrites of the pool take effect', async () => {
    await using one = await watchPool();
    await one.start();
    await one.create('inferenceobjectives', 'InferenceObjective', 'gold', { priority: 5 });
    await one.create('inferenceobjectives', 'InferenceObjective', 'plain', {});
    const rule = { matches: [{ model: { value: 'm' } }], targets: [{ modelRewrite: 'm2', weight: 1 }] };
    await one.create('inferencemodelrewrites', 'InferenceModelRewrite', 'canary', { rules: [rule] });
    await eventually(() => Object.fromEntries(one.store.objectives), { gold: 5, plain: 0 });
    await eventually(one.model, 'm2');
  });

  test('the server may stop, forget the past and come back', async () => {
    await using one = await watchPool();
    await one.createPool(8000);
    await one.createPod('a', '10.1.0.1');
    await one.start();
    await kube.stopServer();
    await expect
      .poll(() => one.log.lines.some(({ level }) => level === 'warn'), { timeout: 10_000 })
      .toBe(true);
    expect(one.endpoints()).toEqual(['a-rank-0=10.1.0.1:8000']);
    await kube.startServer();
    await one.createPod('b', '10.1.0.2');
    await kube.compact();
    await eventually(one.endpoints, ['a-rank-0=10.1.0.1:8000', 'b-rank-0=10.1.0.2:8000']);
  }, 120_000);

  test('selectors mean here what they mean there', async () => {
    const namespace = await kube.createNamespace();
    const values = ['', 'b', 'c', '7', '12'];
    for (const [i, a] of values.entries()) {
      await kube.createPod({ namespace, name: `p${i}`, labels: { a, 'x.y/z': 'q' } });
    }
    await kube.createPod({ namespace, name: 'without', labels: { notin: 'in' } });
    const list = async (labels: string): Promise<readonly KubeObject[]> => {
      const page = { limit: 0, continueToken: '' };
      return (await kube.admin.list(POD_RESOURCE, { namespace, labels }, page, AbortSignal.timeout(20_000)))
        .items;
    };
    const names = (pods: readonly KubeObject[]) => pods.map((pod) => pod.metadata.name).sort();
    const all = await list('');
    expect(all).toHaveLength(values.length + 1);
    const selectors = [
      'a',
      '!a',
      'a=b',
      'a==b',
      'a!=b',
      'a=',
      'a in (b,c)',
      'a in (,b)',
      'a notin (b, c)',
      'a in ()',
    ];
    selectors.push(
      'a>7',
      'a<12',
      'a>007',
      'x.y/z=q,a!=7',
      'x.y/z in (q),a,!none',
      'notin=in',
      'notin in (in)',
    );
    for (const text of selectors) {
      const selector = parseLabelSelector(text);
      const matching = all.filter((pod) =>
        matchesLabels(selector, new Map(Object.entries(pod.metadata.labels ?? {}))),
      );
      expect(names(await list(text)), text).toEqual(names(matching));
      expect(names(await list(formatLabelSelector(selector))), text).toEqual(names(matching));
    }
  });
});
