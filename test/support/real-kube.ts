import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { type KubeClient, loadKubeApi } from '../../src/kube/client.ts';
import type { KubeObject } from '../../src/kube/objects.ts';
import { systemClock } from '../../src/util/clock.ts';
import {
  type CallMethod,
  KubeProcesses,
  type KubePrograms,
  type PodAccess,
  until,
} from './kube-processes.ts';

/** A rule of a Role or ClusterRole. */
export interface PolicyRule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly verbs: readonly string[];
}

/** What a pod needs so that the picker uses it; see `createPod`. */
export interface PodTemplate {
  readonly namespace: string;
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly podIP?: string;
  /** Status of its `Ready` condition; `True` unless given. */
  readonly ready?: 'True' | 'False';
  /** More of its spec; with `nodeName`, deletion leaves it terminating until it is forced. */
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** A real API server, and what tests put into it. Disposing ends it. */
export class RealKube implements AsyncDisposable {
  /** Where it serves. */
  readonly url: string;
  /** For `loadKubeApi`: as a member of `system:masters`. */
  readonly access: PodAccess;
  /** As a member of `system:masters`. */
  readonly admin: KubeClient;
  readonly #processes: KubeProcesses;

  private constructor(processes: KubeProcesses, admin: KubeClient) {
    this.#processes = processes;
    this.url = processes.url;
    this.access = processes.access;
    this.admin = admin;
  }

  /** Starts etcd and kube-apiserver and waits until they serve. */
  static async start(programs: KubePrograms): Promise<RealKube> {
    const processes = await KubeProcesses.start(programs);
    return new RealKube(processes, await loadKubeApi({ ...processes.access, clock: systemClock }));
  }

  /** Any call as administrator; what the server answers. Rejects when that is not 2xx. */
  async call(method: CallMethod, path: string, body?: object): Promise<KubeObject> {
    return await this.#processes.call(method, path, body);
  }

  /** Access with any token, as `loadKubeApi` takes it. */
  async accessWith(token: string): Promise<PodAccess> {
    return await this.#processes.accessWith(token);
  }

  /** Ends the server; etcd stays. SIGKILL is a crash. */
  async stopServer(signal: 'SIGTERM' | 'SIGKILL' = 'SIGKILL'): Promise<void> {
    await this.#processes.stopServer(signal);
  }

  /** Starts the server on the port it had, and waits until it is ready. */
  async startServer(): Promise<void> {
    await this.#processes.startServer();
  }

  /** Makes etcd forget all versions but the present one. */
  async compact(): Promise<void> {
    await this.#processes.compact();
  }

  /** Creates a namespace; without controllers nothing else is in it. Its name. */
  async createNamespace(name = `test-${randomUUID().slice(0, 8)}`): Promise<string> {
    await this.call('POST', '/api/v1/namespaces', { metadata: { name } });
    return name;
  }

  /** Installs the CRDs of all YAML files of a folder and waits until they are served. */
  async applyCrds(folder: string): Promise<void> {
    const collection = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    for (const file of await readdir(folder)) {
      if (!file.endsWith('.yaml')) continue;
      for (const document of parseAllDocuments(await readFile(join(folder, file), 'utf8'))) {
        const crd = document.toJS() as KubeObject | null; // as published
        if (crd?.kind !== 'CustomResourceDefinition') continue;
        await this.call('POST', collection, crd);
        await until(async () => {
          const { status } = await this.call('GET', `${collection}/${crd.metadata.name}`);
          const { conditions = [] } = (status ?? {}) as { conditions?: { type: string; status: string }[] };
          if (!conditions.some(({ type, status: is }) => type === 'Established' && is === 'True'))
            throw new Error('not established');
          const { spec } = crd as { spec: { group: string; versions: { name: string; served: boolean }[] } };
          for (const version of spec.versions)
            if (version.served) await this.call('GET', `/apis/${spec.group}/${version.name}`);
        });
      }
    }
  }

  /** Creates a pod and patches its status, as kubelet would. */
  async createPod(template: PodTemplate): Promise<KubeObject> {
    const { namespace, name, labels = {}, annotations = {}, podIP = '10.0.0.1', ready = 'True' } = template;
    const collection = `/api/v1/namespaces/${namespace}/pods`;
    const containers = [{ name: 'server', image: 'example.invalid/server' }];
    await this.call('POST', collection, {
      metadata: { name, labels, annotations },
      spec: { containers, ...template.spec },
    });
    return await this.setPodStatus(namespace, name, { podIP, ready });
  }

  /** Address and readiness of a pod, as kubelet would report them. */
  async setPodStatus(
    namespace: string,
    name: string,
    { podIP, ready }: { readonly podIP: string; readonly ready: 'True' | 'False' },
  ): Promise<KubeObject> {
    const podIPs = podIP === '' ? [] : [{ ip: podIP }];
    const conditions = [{ type: 'Ready', status: ready }];
    const status = { phase: 'Running', podIP, podIPs, conditions };
    return await this.call('PATCH', `/api/v1/namespaces/${namespace}/pods/${name}/status`, { status });
  }

  /** Deletes at once, also what has a grace period. */
  async delete(path: string): Promise<void> {
    await this.call('DELETE', path, { kind: 'DeleteOptions', apiVersion: 'v1', gracePeriodSeconds: 0 });
  }

  /**
   * A service account that may do what `rules` say in its namespace, and `clusterRules` everywhere. For `loadKubeApi`:
   * token and authority lie in a folder, as in a pod.
   */
  async serviceAccount(
    namespace: string,
    name: string,
    {
      rules = [],
      clusterRules = [],
    }: { rules?: readonly PolicyRule[]; clusterRules?: readonly PolicyRule[] },
  ): Promise<PodAccess> {
    const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`;
    await this.call('POST', accounts, { metadata: { name } });
    const rbac = '/apis/rbac.authorization.k8s.io/v1';
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', name: `${namespace}-${name}` };
    const metadata = { name: roleRef.name };
    const subjects = [{ kind: 'ServiceAccount', namespace, name }];
    if (rules.length > 0) {
      const inside = `${rbac}/namespaces/${namespace}`;
      await this.call('POST', `${inside}/roles`, { metadata, rules });
      await this.call('POST', `${inside}/rolebindings`, {
        metadata,
        subjects,
        roleRef: { ...roleRef, kind: 'Role' },
      });
    }
    if (clusterRules.length > 0) {
      await this.call('POST', `${rbac}/clusterroles`, { metadata, rules: clusterRules });
      const binding = { metadata, subjects, roleRef: { ...roleRef, kind: 'ClusterRole' } };
      await this.call('POST', `${rbac}/clusterrolebindings`, binding);
    }
    const { status } = await this.call('POST', `${accounts}/${name}/token`, { spec: {} });
    const { token } = status as { token: string }; // of a TokenRequest
    return await this.#processes.accessWith(token);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.admin[Symbol.asyncDispose]();
    await this.#processes[Symbol.asyncDispose]();
  }
}
