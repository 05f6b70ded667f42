import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { collectionOf, installCustomKinds } from '../support/deployment/crds.ts';
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
import type { RealKube } from '../support/real-kube.ts';

const START_LIMIT_MS = 120_000;

describe.skipIf(!hasKubeApiserver() || KUBECTL === undefined)(`a real API server${KUBE_NOTE}`, () => {
  let kube: RealKube;

  beforeAll(async () => {
    kube = await startKubeApiserver();
    await installCustomKinds(kube);
    for (const namespace of ['inference', 'llm']) await kube.createNamespace(namespace);
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
        await kube.call('POST', `${collectionOf(manifest)}?dryRun=All&fieldValidation=Strict`, manifest);
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
});
