import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CUSTOM_RESOURCES, customResourceDefinitions } from '../support/deployment/crds.ts';
import { GOLDEN_SETS, goldenText } from '../support/deployment/golden.ts';
import {
  HELM,
  helmTemplate,
  KUBECTL,
  kustomize,
  type Manifest,
  objectsOf,
} from '../support/deployment/render.ts';
import { hasKubeApiserver, KUBE_NOTE, startKubeApiserver } from '../support/kube-apiserver.ts';
import { until } from '../support/kube-processes.ts';
import type { RealKube } from '../support/real-kube.ts';

const START_LIMIT_MS = 120_000;

/** Plurals of the kinds of Kubernetes itself that the manifests use. */
const BUILT_IN: Readonly<Record<string, string>> = {
  Namespace: 'namespaces',
  ServiceAccount: 'serviceaccounts',
  ConfigMap: 'configmaps',
  Secret: 'secrets',
  Service: 'services',
  Deployment: 'deployments',
  HorizontalPodAutoscaler: 'horizontalpodautoscalers',
  Role: 'roles',
  RoleBinding: 'rolebindings',
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
};

/** Where an object is created. */
function collection({ apiVersion, kind, metadata }: Manifest): string {
  const plural =
    BUILT_IN[kind] ?? CUSTOM_RESOURCES.find((resource) => resource.kind === kind)?.plural ?? kind;
  const place = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
  return `${apiVersion.includes('/') ? '/apis' : '/api'}/${apiVersion}${place}/${plural}`;
}

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

describe.skipIf(!hasKubeApiserver() || KUBECTL === undefined)(`a real API server${KUBE_NOTE}`, () => {
  let kube: RealKube;

  beforeAll(async () => {
    kube = await startKubeApiserver();
    for (const definition of customResourceDefinitions()) {
      await kube.call('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition);
    }
    await until(async () => {
      for (const { group, version, plural } of CUSTOM_RESOURCES) {
        await kube.call('GET', `/apis/${group}/${version}/${plural}`);
      }
    });
    for (const namespace of ['inference', 'llm', 'elsewhere']) await kube.createNamespace(namespace);
  }, START_LIMIT_MS);

  afterAll(async () => {
    await kube[Symbol.asyncDispose]();
  });

  /** What the server says to objects it is asked to create without keeping them; every unknown field counts. */
  async function refusals(manifests: readonly Manifest[]): Promise<readonly string[]> {
    const said: string[] = [];
    for (const manifest of manifests) {
      if (manifest.kind === 'Namespace') continue; // is there
      try {
        await kube.call('POST', `${collection(manifest)}?dryRun=All&fieldValidation=Strict`, manifest);
      } catch (error) {
        said.push(String(error));
      }
    }
    return said;
  }

  test.each(['istio', 'envoy-gateway', 'gke', 'standalone'])('takes config/kubernetes/%s', async (way) => {
    const manifests = objectsOf(kustomize(`config/kubernetes/${way}`));
    expect(manifests.length).toBeGreaterThan(8);
    expect(await refusals(manifests)).toEqual([]);
  });

  test.each(GOLDEN_SETS)('takes what the chart makes of %s', async (name) => {
    expect(await refusals(objectsOf(goldenText(name)))).toEqual([]);
  });

  test.skipIf(HELM === undefined)('takes what the chart makes with everything on', async () => {
    const monitoring = {
      prometheus: { enabled: true, podMonitor: true },
      rules: { enabled: true },
      dashboard: { enabled: true },
    };
    const epp = { autoscaling: { enabled: true }, flags: { 'ha-enable-leader-election': false } };
    const proxy = { enabled: true, failOpen: true };
    const router = { modelServers: { matchLabels: { app: 'vllm' } }, monitoring, proxy, epp };
    expect(await refusals(objectsOf(helmTemplate({ router })))).toEqual([]);
  });

  test.each(['kserve/llm-inference-service', 'kserve/configured', 'openshift/route'])(
    'takes example %s',
    async (name) => {
      const manifests = objectsOf(readFileSync(`config/kubernetes/examples/${name}.yaml`, 'utf8'));
      const placed = manifests.map(({ metadata, ...rest }) => ({
        ...rest,
        metadata: { namespace: 'inference', ...metadata },
      }));
      expect(await refusals(placed)).toEqual([]);
    },
  );

  test('refuses a field that does not exist', async () => {
    const manifests = objectsOf(kustomize('config/kubernetes/istio')).filter(({ kind }) =>
      ['Deployment', 'InferencePool'].includes(kind),
    );
    const wrong = manifests.map((manifest) => {
      const { spec } = manifest as Manifest & { readonly spec: object };
      return { ...manifest, spec: { ...spec, typo: 1 } };
    });
    expect(await refusals(wrong)).toEqual([
      expect.stringMatching(/unknown field.*spec\.typo/),
      expect.stringMatching(/unknown field.*spec\.typo/),
    ]);
  });

  describe('with the roles of the manifests in place', () => {
    beforeAll(async () => {
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
        await kube.call('POST', collection(manifest), manifest);
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

    test("Prometheus' account may read the metrics, and nothing else", async () => {
      const user = 'system:serviceaccount:inference:endpoint-picker-metrics-reader';
      await until(async () => {
        if (!(await allowedUrl(user, '/metrics'))) throw new Error('the roles are not in force yet');
      });
      expect(await allowedUrl(user, '/debug/pprof/heap')).toBe(false);
      expect(await allowed(user, { verb: 'list', resource: 'pods' })).toBe(false);
      expect(await allowed(user, { verb: 'get', resource: 'secrets' })).toBe(false);
    });
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
});
