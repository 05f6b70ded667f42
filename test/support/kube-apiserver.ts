import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CACHE_FOLDER, isProgram, PATH_FOLDERS } from './programs.ts';
import { RealKube } from './real-kube.ts';

const GO_MODULE = fileURLToPath(new URL('../kube-apiserver/go.mod', import.meta.url));

interface Programs {
  readonly etcd: string;
  readonly kubeApiserver: string;
}

const PROGRAMS = findPrograms();

/** For the names of tests that need a real API server: why they are skipped. */
export const KUBE_NOTE =
  PROGRAMS === undefined ? ' (skipped: no kube-apiserver and etcd; to get them: .ci/kube-apiserver)' : '';

/** Whether tests against a real API server can run; says in one line how to get one when they cannot. */
export function hasKubeApiserver(): boolean {
  if (PROGRAMS !== undefined) return true;
  process.stderr.write(
    'kube-apiserver and etcd not found, tests against them are skipped; to get them run .ci/kube-apiserver, or name their folder in KUBEBUILDER_ASSETS\n',
  );
  return false;
}

/** Starts etcd and kube-apiserver on loopback, in a folder of their own, and waits until they serve: about 10 s. */
export async function startKubeApiserver(): Promise<RealKube> {
  if (PROGRAMS === undefined) throw new Error(`no API server on this machine${KUBE_NOTE}`);
  return await RealKube.start(PROGRAMS);
}

/** In `KUBEBUILDER_ASSETS`, on the PATH, or in the cache, where `.ci/kube-apiserver` puts them, in that order. */
function findPrograms(): Programs | undefined {
  const assets = process.env['KUBEBUILDER_ASSETS'] ?? '';
  const folders = [...(assets === '' ? [] : [assets]), ...PATH_FOLDERS];
  const find = (program: string, cached: string) =>
    [...folders.map((folder) => join(folder, program)), join(CACHE_FOLDER, cached)].find(isProgram);
  const version = /^require k8s\.io\/kubernetes v(\S+)$/m.exec(readFileSync(GO_MODULE, 'utf8'))?.[1] ?? '';
  const etcd = find('etcd', 'etcd');
  const kubeApiserver = find('kube-apiserver', `kube-apiserver-${version}`);
  return etcd === undefined || kubeApiserver === undefined ? undefined : { etcd, kubeApiserver };
}
