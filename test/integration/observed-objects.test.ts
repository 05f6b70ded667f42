import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { ObjectKind, ObservedObject } from '../../src/framework/hooks.ts';
import { loadKubeApi } from '../../src/kube/client.ts';
import { ObjectFeed } from '../../src/kube/object-feed.ts';
import { systemClock } from '../../src/util/clock.ts';
import { SeededRng } from '../../src/util/rng.ts';
import { RecordingLog } from '../support/builders.ts';
import { hasKubeApiserver, KUBE_NOTE, startKubeApiserver } from '../support/kube-apiserver.ts';
import { CRDS, shippedRules } from '../support/kube-namespace.ts';
import type { PolicyRule, RealKube } from '../support/real-kube.ts';

const POD: ObjectKind = { group: '', version: 'v1', kind: 'Pod' };
const NODE: ObjectKind = { group: '', version: 'v1', kind: 'Node' };
const OBJECTIVE: ObjectKind = { group: 'llm-d.ai', version: 'v1alpha2', kind: 'InferenceObjective' };

const READ = ['list', 'watch'];

describe.skipIf(!hasKubeApiserver())(`objects of a real API server${KUBE_NOTE}`, () => {
  let kube: RealKube;

  beforeAll(async () => {
    kube = await startKubeApiserver();
    await kube.applyCrds(CRDS);
  }, 180_000);

  afterAll(async () => {
    await kube?.[Symbol.asyncDispose]();
  });

  /** What an observer of `kind` hears, as words, with no more rights than `rules` give. */
  async function observe(
    kind: ObjectKind,
    rules: { rules?: readonly PolicyRule[]; clusterRules?: readonly PolicyRule[] },
  ) {
    const namespace = await kube.createNamespace();
    const access = await kube.serviceAccount(namespace, 'epp', rules);
    const api = await loadKubeApi({ ...access, clock: systemClock });
    const stop = new AbortController();
    onTestFinished(async () => {
      stop.abort();
      await api[Symbol.asyncDispose]();
    });
    const log = new RecordingLog();
    const heard: string[] = [];
    const objects = new Map<string, ObservedObject>();
    const plugin = {
      observedKind: kind,
      objectChanged: (object: ObservedObject) => {
        if (!objects.has(object.name)) heard.push(`+${object.name}`);
        objects.set(object.name, object);
      },
      objectRemoved: (_namespace: string, name: string) => void heard.push(`-${name}`),
      objectsSettled: () => void heard.push('all'),
    };
    const services = { api, namespace, clock: systemClock, rng: new SeededRng(1), log };
    const start = () => new ObjectFeed(services, kind).follow({ name: 'p', type: 't', plugin }, stop.signal);
    return { namespace, heard, objects, log, start };
  }

  const hears = (heard: readonly string[], want: readonly string[]) =>
    expect.poll(() => heard, { timeout: 45_000, interval: 20 }).toEqual(want);

  test('pods, with the role that is shipped: all of the namespace, ready or not, and of no other', async () => {
    const one = await observe(POD, shippedRules('base/role'));
    await kube.createPod({ namespace: one.namespace, name: 'a', podIP: '10.2.0.1', labels: { app: 'x' } });
    await kube.createPod({ namespace: await kube.createNamespace(), name: 'elsewhere', podIP: '10.2.0.9' });
    one.start();
    await hears(one.heard, ['+a', 'all']);
    await kube.createPod({ namespace: one.namespace, name: 'b', podIP: '10.2.0.2', ready: 'False' });
    await hears(one.heard, ['+a', 'all', '+b']);
    expect(one.objects.get('a')?.labels.get('app')).toBe('x');
    expect(one.objects.get('a')?.object['spec']).toHaveProperty('containers');
    await kube.delete(`/api/v1/namespaces/${one.namespace}/pods/a`);
    await hears(one.heard, ['+a', 'all', '+b', '-a']);
    expect(one.log.lines).toEqual([]);
  }, 60_000);

  test('objects of a custom kind, found by discovery', async () => {
    const rule = { apiGroups: ['llm-d.ai'], resources: ['inferenceobjectives'], verbs: READ };
    const one = await observe(OBJECTIVE, { rules: [rule] });
    one.start();
    await hears(one.heard, ['all']);
    await kube.call('POST', `/apis/llm-d.ai/v1alpha2/namespaces/${one.namespace}/inferenceobjectives`, {
      apiVersion: 'llm-d.ai/v1alpha2',
      kind: 'InferenceObjective',
      metadata: { name: 'gold' },
      spec: { poolRef: { name: 'pool' }, priority: 3 },
    });
    await hears(one.heard, ['all', '+gold']);
  }, 60_000);

  test('a kind without namespaces needs a right in the whole cluster, and it is said which one', async () => {
    const rule = { apiGroups: [''], resources: ['nodes'], verbs: READ };
    const refused = await observe(NODE, { rules: [rule] });
    refused.start();
    await expect
      .poll(() => refused.log.lines.map(({ fields }) => JSON.stringify(fields)).join(), { timeout: 20_000 })
      .toContain('list and watch nodes');
    expect(refused.heard).toEqual([]);
    const name = `node-${refused.namespace}`;
    await kube.call('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name } });
    const allowed = await observe(NODE, { clusterRules: [rule] });
    allowed.start();
    await expect.poll(() => allowed.heard, { timeout: 45_000 }).toContain(`+${name}`);
    expect(allowed.heard.at(-1)).toBe('all');
  }, 90_000);
});
