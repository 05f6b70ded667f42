import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KubeApiServer } from './kube-api-server.ts';

/** A kubeconfig file that leads to an in-repository API server; removed when disposed. */
export interface Kubeconfig extends AsyncDisposable {
  readonly path: string;
}

/** Writes a kubeconfig for `server`, with the authority and the token that its service account has. */
export async function writeKubeconfig(server: KubeApiServer): Promise<Kubeconfig> {
  const { env, serviceAccountFolder } = server.access;
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
