import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { BOUNDED } from '../bounded.ts';
import { CACHE_FOLDER, isProgram, PATH_FOLDERS } from '../programs.ts';

/** An object of Kubernetes as it was rendered; what is in it nobody has checked yet. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
}

const CHART = 'charts/endpoint-picker';

/** Without a cluster helm knows no version, and takes one that is long out of date. */
const KUBE_VERSION = '1.34.0';

/** Undefined, and a line on stderr, where there is none. */
export const KUBECTL = find('kubectl', 'to run tests of manifests put kubectl on the PATH');
/** Undefined, and a line on stderr, where there is none. */
export const HELM = find(
  'helm',
  'to run tests of the chart run .ci/kube-tools, which needs Go, or install helm 3',
);
/** Undefined, and a line on stderr, where there is none. */
export const PROMQL = find('promql', 'to check queries of Prometheus run .ci/kube-tools, which needs Go');

function find(program: string, how: string): string | undefined {
  const built = readable(CACHE_FOLDER).filter((name) => new RegExp(`^${program}-[\\d.]+$`).test(name));
  const paths = [
    ...built
      .toSorted()
      .reverse()
      .map((name) => join(CACHE_FOLDER, name)),
    ...PATH_FOLDERS.map((folder) => join(folder, program)),
  ];
  const found = paths.find(isProgram);
  if (found === undefined) process.stderr.write(`no ${program} found, its tests are skipped; ${how}\n`);
  return found;
}

function readable(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** What `kubectl apply -k` would send, YAML. Throws with what kubectl says. */
export function kustomize(folder: string): string {
  return execFileSync(KUBECTL ?? 'kubectl', ['kustomize', folder], BOUNDED);
}

/** What `helm install` would send for a release of this name, YAML. Throws with what helm says. */
export function helmTemplate(values: object, release = 'demo', namespace = 'llm'): string {
  const args = [
    'template',
    release,
    CHART,
    '--namespace',
    namespace,
    '--kube-version',
    KUBE_VERSION,
    '--values',
    '-',
  ];
  return execFileSync(HELM ?? 'helm', args, {
    ...BOUNDED,
    input: JSON.stringify(values),
    // helm says what is deprecated on stderr, and what is wrong too
    env: { ...process.env, HELM_CACHE_HOME: '/nonexistent', HELM_CONFIG_HOME: '/nonexistent' },
  });
}

/** The objects of a rendered text, without empty documents. */
export function objectsOf(text: string): readonly Manifest[] {
  return parseAllDocuments(text)
    .map((document) => {
      if (document.errors[0] !== undefined) throw document.errors[0];
      return document.toJS() as Manifest | null; // checked against the schema of its kind by the caller
    })
    .filter((manifest) => manifest !== null);
}
