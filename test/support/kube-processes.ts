import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { selfSignedCertificate } from '../../src/extproc/certificate.ts';
import type { AccessOptions } from '../../src/kube/access.ts';
import type { KubeObject } from '../../src/kube/objects.ts';
import { systemClock } from '../../src/util/clock.ts';
import { freePorts } from './free-port.ts';

/** Longest wait for the server to be ready, also on a busy machine, and for what it takes a moment to do. */
const READY_LIMIT_MS = 120_000;
const POLL_MS = 50;

/** Paths of the programs. */
export interface KubePrograms {
  readonly etcd: string;
  readonly kubeApiserver: string;
}

/** Method of a call; PATCH merges. */
export type CallMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** What `loadKubeApi` is given; token and authority lie in a folder, as in a pod. */
export type PodAccess = AccessOptions & { readonly serviceAccountFolder: string };

/** Etcd and kube-apiserver on loopback: token authentication, RBAC, no controllers. Disposing ends both. */
export class KubeProcesses implements AsyncDisposable {
  /** Where the API server is. */
  readonly url: string;
  /** As a member of `system:masters`. */
  readonly access: PodAccess;
  readonly #folder: string;
  readonly #programs: KubePrograms;
  readonly #ports: { readonly api: number; readonly etcd: number; readonly etcdPeers: number };
  readonly #token = randomUUID();
  #agent: Agent | undefined;
  #etcd: ChildProcess | undefined;
  #server: ChildProcess | undefined;
  #output = '';

  private constructor(
    programs: KubePrograms,
    folder: string,
    [api = 0, etcd = 0, etcdPeers = 0]: readonly number[],
  ) {
    this.#programs = programs;
    this.#folder = folder;
    this.#ports = { api, etcd, etcdPeers };
    this.url = `https://127.0.0.1:${api}`;
    this.access = this.#accessIn(join(folder, 'admin'));
  }

  /** Starts both programs and waits until the server is ready. */
  static async start(programs: KubePrograms): Promise<KubeProcesses> {
    const folder = await mkdtemp(join(tmpdir(), 'epp-test-apiserver-'));
    const processes = new KubeProcesses(programs, folder, await freePorts(3));
    try {
      await processes.#prepare();
      processes.#startEtcd();
      await processes.startServer();
      return processes;
    } catch (error) {
      await processes[Symbol.asyncDispose]();
      throw new Error(`the API server did not start:\n${processes.#output.slice(-4000)}`, { cause: error });
    }
  }

  /** Any call as administrator; what the server answers. Rejects when that is not 2xx. */
  async call(method: CallMethod, path: string, body?: object): Promise<KubeObject> {
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const response = await request(`${this.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': type },
      body: body === undefined ? null : JSON.stringify(body),
      dispatcher: this.#dispatcher(),
    });
    const text = await response.body.text();
    if (response.statusCode >= 300) throw new Error(`${method} ${path}: HTTP ${response.statusCode} ${text}`);
    return JSON.parse(text) as KubeObject; // nothing else comes with 2xx
  }

  /** Ends the server; etcd stays. SIGKILL is a crash. */
  async stopServer(signal: 'SIGTERM' | 'SIGKILL' = 'SIGKILL'): Promise<void> {
    await end(this.#server, signal);
    this.#server = undefined;
    await this.#agent?.destroy();
    this.#agent = undefined;
  }

  /** Starts the server on the port it had, and waits until it is ready. */
  async startServer(): Promise<void> {
    const files = join(this.#folder, 'server');
    this.#server = this.#spawn(this.#programs.kubeApiserver, [
      `--etcd-servers=http://127.0.0.1:${this.#ports.etcd}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${this.#ports.api}`,
      `--tls-cert-file=${join(files, 'tls.crt')}`,
      `--tls-private-key-file=${join(files, 'tls.key')}`,
      `--cert-dir=${files}`,
      `--token-auth-file=${join(files, 'tokens.csv')}`,
      '--authorization-mode=RBAC',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${join(files, 'accounts.key')}`,
      `--service-account-signing-key-file=${join(files, 'accounts.key')}`,
      '--service-cluster-ip-range=10.0.0.0/24',
      // Nobody makes the default accounts of namespaces here.
      '--disable-admission-plugins=ServiceAccount',
      '--endpoint-reconciler-type=none',
      '--profiling=false',
    ]);
    await until(async () => {
      if (this.#server?.exitCode !== null) throw new Gone('kube-apiserver has ended');
      const { statusCode, body } = await request(`${this.url}/readyz`, {
        headers: { authorization: `Bearer ${this.#token}` },
        dispatcher: this.#dispatcher(),
      });
      const text = await body.text();
      if (statusCode !== 200) throw new Error(`/readyz: HTTP ${statusCode} ${text}`);
    });
  }

  /** Makes etcd forget all versions but the present one. */
  async compact(): Promise<void> {
    const { header } = (await this.#etcdCall('kv/range', { key: 'AA==' })) as {
      header: { revision: string };
    };
    await this.#etcdCall('kv/compaction', { revision: header.revision, physical: true });
  }

  /** Access with any token. */
  async accessWith(token: string): Promise<PodAccess> {
    const folder = join(this.#folder, `access-${randomUUID()}`);
    await this.#writeAccess(folder, token);
    return this.#accessIn(folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopServer();
    await end(this.#etcd, 'SIGKILL');
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #prepare(): Promise<void> {
    const files = join(this.#folder, 'server');
    await mkdir(files);
    const { cert, key } = await selfSignedCertificate(['127.0.0.1'], systemClock);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    await writeFile(join(files, 'tls.crt'), cert);
    await writeFile(join(files, 'tls.key'), key);
    await writeFile(join(files, 'accounts.key'), privateKey.export({ type: 'sec1', format: 'pem' }));
    await writeFile(join(files, 'tokens.csv'), `${this.#token},admin,admin,"system:masters"\n`);
    await this.#writeAccess(join(this.#folder, 'admin'), this.#token);
  }

  async #writeAccess(folder: string, token: string): Promise<void> {
    await mkdir(folder);
    await writeFile(join(folder, 'token'), token);
    await writeFile(join(folder, 'ca.crt'), await readFile(join(this.#folder, 'server', 'tls.crt')));
  }

  #accessIn(serviceAccountFolder: string): PodAccess {
    const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(this.#ports.api) };
    return { env, serviceAccountFolder };
  }

  #startEtcd(): void {
    const clients = `http://127.0.0.1:${this.#ports.etcd}`;
    const peers = `http://127.0.0.1:${this.#ports.etcdPeers}`;
    this.#etcd = this.#spawn(this.#programs.etcd, [
      `--data-dir=${join(this.#folder, 'etcd')}`,
      `--listen-client-urls=${clients}`,
      `--advertise-client-urls=${clients}`,
      `--listen-peer-urls=${peers}`,
      `--initial-advertise-peer-urls=${peers}`,
      `--initial-cluster=default=${peers}`,
    ]);
  }

  #spawn(program: string, args: readonly string[]): ChildProcess {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#output = (this.#output + text).slice(-20_000);
    });
    const kill = () => child.kill('SIGKILL'); // it must not outlive a test that was ended
    process.once('exit', kill);
    child.once('close', () => process.removeListener('exit', kill));
    return child;
  }

  #dispatcher(): Agent {
    // Its certificate is known to be its own: it was made here.
    this.#agent ??= new Agent({ connect: { rejectUnauthorized: false }, allowH2: false });
    return this.#agent;
  }

  async #etcdCall(path: string, body: object): Promise<unknown> {
    const url = `http://127.0.0.1:${this.#ports.etcd}/v3/${path}`;
    const { statusCode, body: answer } = await request(url, { method: 'POST', body: JSON.stringify(body) });
    const text = await answer.text();
    if (statusCode !== 200) throw new Error(`etcd ${path}: HTTP ${statusCode} ${text}`);
    return JSON.parse(text);
  }
}

/** Runs `check` until it does not reject; at most for two minutes. */
export async function until(check: () => Promise<void>): Promise<void> {
  const endMs = performance.now() + READY_LIMIT_MS;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (error instanceof Gone || performance.now() > endMs) throw error;
    }
    await pause(POLL_MS);
  }
}

/** Waiting has no sense any more. */
class Gone extends Error {
  override readonly name = 'Gone';
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill(signal);
  await closed;
}
