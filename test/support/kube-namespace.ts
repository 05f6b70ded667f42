import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { leaseName } from '../../src/kube/lease.ts';
import type { KubeObject } from '../../src/kube/objects.ts';
import type { PodAccess } from './kube-processes.ts';
import { until } from './kube-processes.ts';
import { type Kubeconfig, writeKubeconfig } from './kubeconfig.ts';
import { PickerProcess, type PickerProcessOptions } from './picker-process.ts';
import type { PodTemplate, PolicyRule, RealKube } from './real-kube.ts';

/** Folder of the CRDs of the kinds that a picker reads, in both groups; small ones of our own unless others are named. */
export const CRDS =
  process.env['EPP_TEST_CRDS'] || fileURLToPath(new URL('../fixtures/crds', import.meta.url));

/** Of the pods of pool `pool`. */
export const POOL_LABELS = { app: 'model-server' };

const POOLS = 'inference.networking.k8s.io/v1';
const SERVICE_ACCOUNT = 'endpoint-picker';
const PICKER_ROLES = ['base/role', 'base/metrics-auth', 'leader-election/role'];

/** What the roles of files in `config/kubernetes` allow, inside the namespace and everywhere. */
export function shippedRules(...files: readonly string[]): {
  readonly rules: readonly PolicyRule[];
  readonly clusterRules: readonly PolicyRule[];
} {
  const documents = files
    .flatMap((file) => parseAllDocuments(readFileSync(`config/kubernetes/${file}.yaml`, 'utf8')))
    .map((document) => document.toJS() as { kind: string; rules: readonly PolicyRule[] }); // as published
  const of = (kind: string) => documents.filter((one) => one.kind === kind).flatMap((one) => one.rules);
  return { rules: of('Role'), clusterRules: of('ClusterRole') };
}

/** A namespace of a real API server, and pickers in it that may do what the shipped roles let them, nothing else. */
export class KubeNamespace implements AsyncDisposable {
  readonly name: string;
  readonly kube: RealKube;
  /** As the picker's service account. */
  readonly access: PodAccess;
  readonly #kubeconfig: Kubeconfig;

  private constructor(kube: RealKube, name: string, access: PodAccess, kubeconfig: Kubeconfig) {
    this.kube = kube;
    this.name = name;
    this.access = access;
    this.#kubeconfig = kubeconfig;
  }

  /** Resolves when the roles are in force. */
  static async create(kube: RealKube): Promise<KubeNamespace> {
    const name = await kube.createNamespace();
    const access = await kube.serviceAccount(name, SERVICE_ACCOUNT, shippedRules(...PICKER_ROLES));
    const questions = [
      { namespace: name, verb: 'list', resource: 'pods' },
      { verb: 'create', group: 'authentication.k8s.io', resource: 'tokenreviews' },
    ];
    const user = `system:serviceaccount:${name}:${SERVICE_ACCOUNT}`;
    for (const resourceAttributes of questions) await allowed(kube, { user, resourceAttributes });
    return new KubeNamespace(kube, name, access, await writeKubeconfig({ access }));
  }

  /** Where the kubeconfig of the picker's service account is. */
  get kubeconfig(): string {
    return this.#kubeconfig.path;
  }

  /** A picker of pool `pool`, whose metrics everybody may read unless `args` say otherwise. */
  async startPicker(options: PickerProcessOptions = {}): Promise<PickerProcess> {
    return await PickerProcess.start({
      ...options,
      args: [
        `--pool-namespace=${this.name}`,
        '--metrics-endpoint-auth=false',
        ...(options.args ?? ['--pool-name=pool']),
      ],
      env: { KUBECONFIG: this.kubeconfig, POD_NAME: 'epp-5d4f8c-x2x4z', ...options.env },
    });
  }

  /** Path of the objects of a kind. */
  at(groupVersion: string, plural: string): string {
    return `/apis/${groupVersion}/namespaces/${this.name}/${plural}`;
  }

  /** Creates an InferencePool of the pods with `POOL_LABELS`. */
  async createPool(ports: readonly number[], more: object = {}): Promise<void> {
    const targetPorts = ports.map((number) => ({ number }));
    const spec = { selector: { matchLabels: POOL_LABELS }, targetPorts, ...more };
    await this.create(POOLS, 'InferencePool', { name: 'pool', spec });
  }

  /** Merges into the pool's `spec`. */
  async patchPool(spec: object): Promise<void> {
    await this.kube.call('PATCH', `${this.at(POOLS, 'inferencepools')}/pool`, { spec });
  }

  /** Removes the pool. */
  async deletePool(): Promise<void> {
    await this.kube.delete(`${this.at(POOLS, 'inferencepools')}/pool`);
  }

  /** Creates a custom resource. */
  async create(groupVersion: string, kind: string, one: { name: string; spec: object }): Promise<void> {
    const { name, spec } = one;
    const object = { apiVersion: groupVersion, kind, metadata: { name }, spec };
    await this.kube.call('POST', this.at(groupVersion, `${kind.toLowerCase()}s`), object);
  }

  /** Creates a pod of the pool, ready unless said otherwise; deletion leaves it terminating. */
  async createPod(template: Omit<PodTemplate, 'namespace'>): Promise<void> {
    await this.kube.createPod({
      labels: POOL_LABELS,
      spec: { nodeName: 'node' },
      ...template,
      namespace: this.name,
    });
  }

  /** Path of a pod. */
  podPath(name: string): string {
    return `/api/v1/namespaces/${this.name}/pods/${name}`;
  }

  /** Path of the lease that pickers of the pool contend for. */
  get leasePath(): string {
    return `${this.at('coordination.k8s.io/v1', 'leases')}/${leaseName(this.name, 'pool')}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#kubeconfig[Symbol.asyncDispose]();
  }
}

/** Resolves when a SubjectAccessReview is answered with yes: roles take a moment to be in force. */
export async function allowed(kube: RealKube, spec: object): Promise<void> {
  await until(async () => {
    const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
    const { status }: KubeObject = await kube.call('POST', path, { spec });
    if (!(status as { readonly allowed: boolean }).allowed) throw new Error('not allowed yet'); // of a review
  });
}
