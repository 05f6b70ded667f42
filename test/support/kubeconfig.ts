import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PodAccess } from './kube-processes.ts';

/** A kubeconfig file; removed when disposed. */
export interface Kubeconfig extends AsyncDisposable {
  readonly path: string;
}

/** Writes a kubeconfig that leads where `access` does, with its authority and its token. */
export async function writeKubeconfig({ access }: { readonly access: PodAccess }): Promise<Kubeconfig> {
  const { env, serviceAccountFolder } = access;
  const folder = await mkdtemp(join(tmpdir(), 'epp-test-kubeconfig-'));
  const path = join(folder, 'config');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    clusters: [
      {
        name: 'test',
        cluster: {
          server: `https://127.0.0.1:${env['KUBERNETES_SERVICE_PORT']}`,
          'certificate-authority': join(serviceAccountFolder, 'ca.crt'),
        },
      },
    ],
    users: [{ name: 'test', user: { tokenFile: join(serviceAccountFolder, 'token') } }],
  };
  await writeFile(path, JSON.stringify(config));
  return { path, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}
