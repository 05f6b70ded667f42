import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:https';
import { isIPv6 } from 'node:net';
import { delimiter, dirname, join, resolve } from 'node:path';
import type { User } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { ConfigurationError } from '../framework/errors.ts';
import { isRecord } from './objects.ts';

/** What is shown to the API server, and what it must show. */
export interface Credentials {
  /** Headers of each request; they hold secrets. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsMaterial;
}

/** PEM texts, and how the server's certificate is checked. */
export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

/** Where the API server is and as whom it is asked. */
export interface Access {
  /** With a path where the server is behind one. */
  readonly server: URL;
  /** Proxy on the way to it; '' for none. */
  readonly proxy: string;
  /** Credentials as they are on disk, or as the user's plugin gives them; read anew by each call. */
  credentials(): Promise<Credentials>;
}

/** What decides on `Access`. */
export interface AccessOptions {
  /** Path of a kubeconfig file; undefined or '' when none was named. */
  readonly kubeconfig?: string | undefined;
  /** The process's environment: `KUBECONFIG`, `KUBERNETES_SERVICE_HOST`, `KUBERNETES_SERVICE_PORT`, `HOME`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder of the pod's token and authority; where Kubernetes mounts them when absent. */
  readonly serviceAccountFolder?: string;
}

const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * In order: the file named, the files of `KUBECONFIG`, the pod's service account, `.kube/config` at home. Throws
 * `ConfigurationError` when there is none or it cannot be read.
 */
export async function findAccess(options: AccessOptions): Promise<Access> {
  const { kubeconfig = '', env, serviceAccountFolder = SERVICE_ACCOUNT_FOLDER } = options;
  const named = kubeconfig || (env['KUBECONFIG'] ?? '');
  if (named !== '') return accessFromFiles(kubeconfig === '' ? named.split(delimiter) : [named]);
  const host = env['KUBERNETES_SERVICE_HOST'] ?? '';
  const port = env['KUBERNETES_SERVICE_PORT'] ?? '';
  if (host !== '' && port !== '' && existsSync(join(serviceAccountFolder, 'token'))) {
    return accessInCluster({ host, port }, serviceAccountFolder);
  }
  const atHome = join(env['HOME'] ?? '', '.kube', 'config');
  if ((env['HOME'] ?? '') !== '' && existsSync(atHome)) return accessFromFiles([atHome]);
  throw new ConfigurationError(
    `no Kubernetes API server known: wanted --kubeconfig, KUBECONFIG, a service account in ${serviceAccountFolder}, or ${atHome}`,
  );
}

/** Needs no more than two files, so that a pod does not load the client library, which takes 80 MB and 0.7 s. */
function accessInCluster({ host, port }: { host: string; port: string }, folder: string): Access {
  return {
    server: serverUrl(`https://${isIPv6(host) ? `[${host}]` : host}:${port}`, 'KUBERNETES_SERVICE_HOST'),
    proxy: '',
    credentials: async () => ({
      headers: await bearer(join(folder, 'token')),
      tls: { ca: await readFile(join(folder, 'ca.crt'), 'utf8') },
    }),
  };
}

async function accessFromFiles(paths: readonly string[]): Promise<Access> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const files = paths.filter((path) => path !== '');
  const merged = new KubeConfig();
  const tokenFiles = new Map<string, string>();
  for (const [i, file] of files.entries()) {
    try {
      const config = i === 0 ? merged : new KubeConfig();
      config.loadFromFile(file);
      if (i > 0) merged.mergeConfig(config, Boolean(merged.getCurrentContext()));
      await collectTokenFiles(file, tokenFiles);
    } catch (error) {
      throw new ConfigurationError(`kubeconfig ${file}: ${text(error)}`, { cause: error });
    }
  }
  const cluster = merged.getCurrentCluster();
  if (cluster === null) {
    throw new ConfigurationError(`kubeconfig ${files.join(', ')}: no cluster for the current context`);
  }
  const user: User = merged.getCurrentUser() ?? { name: '' };
  const server = serverUrl(cluster.server, `kubeconfig ${files.join(', ')}`);
  const tokenFile = tokenFiles.get(user.name);
  const config = new KubeConfig();
  // The library refuses plain HTTP, as of a proxy on loopback, unless told that there is nothing to verify.
  const skipTLSVerify = cluster.skipTLSVerify || server.protocol === 'http:';
  config.loadFromClusterAndUser({ ...cluster, skipTLSVerify }, user);
  return {
    server,
    proxy: cluster.proxyUrl ?? '',
    credentials: async () => {
      const options: RequestOptions = {};
      await config.applyToHTTPSOptions(options);
      const credentials = fromRequestOptions(options);
      if (tokenFile === undefined) return credentials;
      return { ...credentials, headers: { ...credentials.headers, ...(await bearer(tokenFile)) } };
    },
  };
}

/** `tokenFile` of users, which the library does not know; a token file counts more than a token. */
async function collectTokenFiles(file: string, found: Map<string, string>): Promise<void> {
  const document: unknown = parse(await readFile(file, 'utf8'));
  if (!isRecord(document) || !Array.isArray(document['users'])) return;
  for (const entry of document['users'] as readonly unknown[]) {
    if (!isRecord(entry) || !isRecord(entry['user']) || typeof entry['name'] !== 'string') continue;
    const { tokenFile } = entry['user'];
    if (typeof tokenFile !== 'string' || tokenFile === '' || found.has(entry['name'])) continue;
    found.set(entry['name'], resolve(dirname(file), tokenFile));
  }
}

function fromRequestOptions(options: RequestOptions): Credentials {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {}))
    headers[name.toLowerCase()] = String(value);
  if (typeof options.auth === 'string') {
    headers['authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`;
  }
  const { ca, cert, key, servername, rejectUnauthorized } = options;
  return {
    headers,
    tls: {
      ...(ca === undefined ? {} : { ca: String(ca) }),
      ...(cert === undefined ? {} : { cert: String(cert) }),
      ...(key === undefined ? {} : { key: String(key) }),
      ...(servername === undefined ? {} : { servername }),
      ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
    },
  };
}

async function bearer(file: string): Promise<Readonly<Record<string, string>>> {
  const token = (await readFile(file, 'utf8')).trim();
  if (token === '') throw new Error(`token file ${file} is empty`);
  return { authorization: `Bearer ${token}` };
}

function serverUrl(server: string, where: string): URL {
  const url = URL.parse(server);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new ConfigurationError(
      `${where}: got server ${JSON.stringify(server)}, wanted an HTTP or HTTPS URL`,
    );
  }
  return url;
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
