import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { collectionOf, installCustomKinds } from '../support/deployment/crds.ts';
import { KUBECTL, kustomize, type Manifest, objectsOf } from '../support/deployment/render.ts';
import { HealthClient } from '../support/health-client.ts';
import { hasKubeApiserver, KUBE_NOTE, startKubeApiserver } from '../support/kube-apiserver.ts';
import { until } from '../support/kube-processes.ts';
import { writeKubeconfig } from '../support/kubeconfig.ts';
import { PickerProcess } from '../support/picker-process.ts';
import type { RealKube } from '../support/real-kube.ts';

const START_LIMIT_MS = 120_000;

/** A picker's service account and what its Roles are expected to let it do. */
const MAY: readonly (readonly [group: string, resource: string, verbs: readonly string[]])[] = [
  ['', 'pods', ['list', 'watch']],
  ['inference.networking.k8s.io', 'inferencepools', ['list', 'watch']],
  ['inference.networking.x-k8s.io', 'inferencepools', ['list', 'watch']],
  ['inference.networking.x-k8s.io', 'inferenceobjectives', ['list', 'watch']],
  ['inference.networking.x-k8s.io', 'inferencemodelrewrites', ['list', 'watch']],
  ['llm-d.ai', 'inferenceobjectives', ['list', 'watch']],
  ['llm-d.ai', 'inferencemodelrewrites', ['list', 'watch']],
  ['coordination.k8s.io', 'leases', ['get', 'create', 'update']],
  ['', 'events', ['create']],
  ['', 'secrets', []],
  ['', 'configmaps', []],
  ['', 'services', []],
  ['discovery.k8s.io', 'endpointslices', []],
  ['apps', 'deployments', []],
];
const VERBS = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'] as const;

/** What is read of a container. */
interface Container {
  readonly args: readonly string[];
}

describe.skipIf(!hasKubeApiserver() || KUBECTL === undefined)(
  `the roles of the manifests${KUBE_NOTE}`,
  () => {
    let kube: RealKube;

    beforeAll(async () => {
      kube = await startKubeApiserver();
      await installCustomKinds(kube);
      for (const namespace of ['inference', 'elsewhere']) await kube.createNamespace(namespace);
      const rbac = objectsOf(kustomize('config/kubernetes/istio')).filter(
        ({ kind }) => kind.includes('Role') || kind === 'ServiceAccount',
      );
      const election = objectsOf(readFileSync('config/kubernetes/leader-election/role.yaml', 'utf8')).map(
        placed,
      );
      const reader = objectsOf(readFileSync('config/kubernetes/monitoring/reader/reader.yaml', 'utf8')).map(
        placed,
      );
      for (const manifest of [...rbac, ...election, ...reader])
        await kube.call('POST', collectionOf(manifest), manifest);
    }, START_LIMIT_MS);

    afterAll(async () => {
      await kube[Symbol.asyncDispose]();
    });

    test('the picker may do what it does in its namespace, and nothing else', async () => {
      const user = 'system:serviceaccount:inference:endpoint-picker';
      await until(async () => {
        if (!(await allowed(user, { verb: 'list', resource: 'pods' })))
          throw new Error('the roles are not in force yet');
      });
      for (const [group, resource, verbs] of MAY) {
        const found: string[] = [];
        for (const verb of VERBS) {
          if (await allowed(user, { verb, group, resource })) found.push(verb);
          expect(await allowed(user, { verb, group, resource, namespace: 'elsewhere' })).toBe(false);
        }
        expect(found, `${group}/${resource}`).toEqual(VERBS.filter((verb) => verbs.includes(verb)));
      }
      for (const [group, resource] of [
        ['authentication.k8s.io', 'tokenreviews'],
        ['authorization.k8s.io', 'subjectaccessreviews'],
      ] as const) {
        expect(await allowed(user, { verb: 'create', group, resource, namespace: '' })).toBe(true);
      }
      expect(await allowedUrl(user, '/metrics')).toBe(false);
    });

    test('a picker with the arguments and the account of the manifests does its work, and is refused nothing', async () => {
      const manifests = objectsOf(kustomize('config/kubernetes/istio'));
      const pool = manifests.find(({ kind }) => kind === 'InferencePool');
      expect(pool).toBeDefined();
      if (pool !== undefined) await kube.call('POST', collectionOf(pool), pool);
      const labels = { app: 'model-server' };
      await kube.createPod({ namespace: 'inference', name: 'server', labels, podIP: '127.0.0.9' });
      await using picker = await startPicker(manifests);
      using health = new HealthClient(`127.0.0.1:${picker.ports.healthPort}`);
      await until(async () => {
        if ((await health.check('readiness')) !== 'SERVING') throw new Error('not ready yet');
      });
      const lease =
        '/apis/coordination.k8s.io/v1/namespaces/inference/leases/epp-inference-model-servers.llm-d.ai';
      expect(JSON.stringify((await kube.call('GET', lease)).spec)).toMatch(/"holderIdentity":"[^"]+_/);
      await until(async () => {
        const events = await kube.call('GET', '/api/v1/namespaces/inference/events');
        if (!JSON.stringify(events).includes('became leader')) throw new Error('no event yet');
      });
      const page = async (account?: string) => {
        const authorization = account === undefined ? '' : `Bearer ${await token(account)}`;
        return await fetch(`http://127.0.0.1:${picker.ports.metricsPort}/metrics`, {
          headers: { authorization },
        });
      };
      expect((await page()).status).toBe(401);
      expect((await page('endpoint-picker')).status).toBe(403);
      const metrics = await page('endpoint-picker-metrics-reader');
      expect(metrics.status).toBe(200);
      expect(await metrics.text()).toMatch(/llm_d_epp_endpoints\{name="model-servers",state="\w+"\} 1/);
      expect(await picker.stop()).toBe(0);
      expect(picker.lines.filter((line) => /forbidden|permission/i.test(line))).toEqual([]);
    });

    /** As the Deployment starts it with the leader-election component, but for ports and the place of its configuration. */
    async function startPicker(manifests: readonly Manifest[]): Promise<PickerProcess> {
      const deployment = manifests.find(({ kind }) => kind === 'Deployment') as
        | {
            readonly spec: {
              readonly template: { readonly spec: { readonly containers: readonly Container[] } };
            };
          }
        | undefined;
      const given = deployment?.spec.template.spec.containers[0]?.args ?? [];
      expect(given).toContain('/config/default-plugins.yaml');
      const args = given.map((one) => one.replace(/^\/config\//, 'config/kubernetes/base/'));
      const access = await kube.accessWith(await token('endpoint-picker'));
      await using kubeconfig = await writeKubeconfig({ access });
      return await PickerProcess.start({
        args: [...args, '--ha-enable-leader-election', '--drain-timeout=0s'],
        env: { KUBECONFIG: kubeconfig.path, NAMESPACE: 'inference', POD_NAME: 'endpoint-picker-5d8f-x2x4z' },
      });
    }

    async function token(account: string): Promise<string> {
      const path = `/api/v1/namespaces/inference/serviceaccounts/${account}/token`;
      const { status } = await kube.call('POST', path, { spec: {} });
      return (status as { readonly token: string }).token; // of a TokenRequest
    }

    test("Prometheus' account may read the metrics, and nothing else", async () => {
      const user = 'system:serviceaccount:inference:endpoint-picker-metrics-reader';
      await until(async () => {
        if (!(await allowedUrl(user, '/metrics'))) throw new Error('the roles are not in force yet');
      });
      expect(await allowedUrl(user, '/debug/pprof/heap')).toBe(false);
      expect(await allowed(user, { verb: 'list', resource: 'pods' })).toBe(false);
      expect(await allowed(user, { verb: 'get', resource: 'secrets' })).toBe(false);
    });

    /** Puts what kustomize would put into the namespace there. */
    function placed(manifest: Manifest): Manifest {
      const { subjects } = manifest as Manifest & { readonly subjects?: readonly object[] };
      const isOfCluster = manifest.kind.startsWith('Cluster');
      return {
        ...manifest,
        metadata: { ...manifest.metadata, ...(isOfCluster ? {} : { namespace: 'inference' }) },
        ...(subjects === undefined
          ? {}
          : { subjects: subjects.map((one) => ({ ...one, namespace: 'inference' })) }),
      };
    }

    async function allowed(
      user: string,
      attributes: { verb: string; group?: string; resource: string; namespace?: string },
    ): Promise<boolean> {
      return await review({ user, resourceAttributes: { namespace: 'inference', ...attributes } });
    }

    async function allowedUrl(user: string, path: string): Promise<boolean> {
      return await review({ user, nonResourceAttributes: { path, verb: 'get' } });
    }

    async function review(spec: object): Promise<boolean> {
      const answer = await kube.call('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', { spec });
      return (answer.status as { readonly allowed: boolean }).allowed; // of a SubjectAccessReview
    }
  },
);
