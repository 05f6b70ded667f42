import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import process from 'node:process';
import { connect } from 'node:tls';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BOUNDED } from '../support/bounded.ts';
import { compileInto } from '../support/compiled-program.ts';
import { freePorts } from '../support/free-port.ts';
import { HealthClient } from '../support/health-client.ts';

/** Any but root's and the image's own; OpenShift gives such ones, always with group 0. */
const USER_ID = 1_000_650_000;

/** As the kubelet has it. */
const PROBE_TIMEOUT_MS = 1000;

/** The image's file system as far as it concerns the program. */
const ROOT = mkdtempSync(join(tmpdir(), 'epp-image-'));
const APP = join(ROOT, 'app');
const TLS = join(ROOT, 'tls');

/** Runs a command as another user without any capability, where this process may do that; else as this user. */
const asOther: readonly string[] = otherUser();

beforeAll(async () => {
  compileInto(APP);
  for (const path of ['package.json', 'proto', 'config/envoy']) {
    cpSync(path, join(APP, path), { recursive: true });
  }
  cpSync('docker/epp', join(APP, 'epp'));
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as { dependencies: object };
  for (const name of Object.keys(dependencies)) {
    const link = join(APP, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(resolve('node_modules', name), link); // only what the image has after `npm prune`
  }
  mkdirSync(TLS);
  const pair = await generate([{ name: 'commonName', value: 'localhost' }], { keyType: 'ec' });
  writeFileSync(join(TLS, 'tls.crt'), pair.cert);
  writeFileSync(join(TLS, 'tls.key'), pair.private);
  writeFileSync(join(ROOT, 'endpoints.yaml'), 'endpoints: []\n');
  execFileSync('chmod', ['-R', 'a+rX,a-w', ROOT], BOUNDED);
}, 120_000);

afterAll(() => {
  execFileSync('chmod', ['-R', 'u+w', ROOT], BOUNDED);
  rmSync(ROOT, { recursive: true });
});

function otherUser(): readonly string[] {
  const [program, ...flags] = [
    'setpriv',
    `--reuid=${USER_ID}`,
    ...['--regid=0', '--clear-groups', '--no-new-privs', '--bounding-set=-all', '--inh-caps=-all'],
  ] as const;
  const isRoot = process.getuid?.() === 0;
  const isPossible =
    isRoot && spawnSync(program, [...flags, process.execPath, '--version'], BOUNDED).status === 0;
  if (isPossible) return [program, ...flags];
  console.log('container: no other user can be taken on here, the image runs as this one');
  return [];
}

/** What KServe sets; `NODE_OPTIONS` is the test's: it makes any write of a file an error, as a read-only root does. */
function environment(): NodeJS.ProcessEnv {
  return {
    PATH: `${dirname(process.execPath)}:/usr/bin:/bin`,
    SSL_CERT_DIR: `${TLS}:/var/run/secrets/kubernetes.io/serviceaccount:/etc/pki/tls/certs`,
    OTEL_TRACES_SAMPLER_ARG: '',
    NODE_OPTIONS: '--permission --allow-fs-read=*',
  };
}

/** Starts `/app/epp` as a container runtime does: the program by its path, the root as working directory. */
function startContainer(args: readonly string[]) {
  const [program = '', ...rest] = [...asOther, join(APP, 'epp'), ...args];
  const child = spawn(program, rest, { cwd: '/', env: environment(), stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(child, 'exit');
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
  return {
    pid: child.pid ?? 0,
    log: () => log,
    stop: () => child.kill('SIGTERM'),
    /** Exit status; null when a signal ended it. */
    ended: async (): Promise<unknown> => (await ended)[0] as unknown,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Status of one probe and how long it took, connection included. */
async function probe(port: number, service: string): Promise<{ status: string; isInTime: boolean }> {
  using client = new HealthClient(`127.0.0.1:${port}`);
  const startMs = performance.now();
  const status = await client.check(service);
  return { status, isInTime: performance.now() - startMs < PROBE_TIMEOUT_MS };
}

/** Fingerprint of the certificate that the ext-proc port shows, and the protocol agreed on. */
function greet(port: number): Promise<{ certificate: string; protocol: string | false | null }> {
  return new Promise((done, reject) => {
    const socket = connect(
      { host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['h2'] },
      () => {
        const certificate = socket.getPeerX509Certificate()?.fingerprint256 ?? '';
        done({ certificate, protocol: socket.alpnProtocol });
        socket.destroy();
      },
    );
    socket.on('error', reject);
  });
}

const CONFIG = JSON.stringify({
  apiVersion: 'llm-d.ai/v1alpha1',
  kind: 'EndpointPickerConfig',
  plugins: [
    {
      name: 'endpoints',
      type: 'file-discovery',
      parameters: { path: join(ROOT, 'endpoints.yaml'), watchFile: true },
    },
    { type: 'queue-scorer' },
    { type: 'max-score-picker' },
  ],
  dataLayer: { discovery: { pluginRef: 'endpoints' } },
  schedulingProfiles: [
    {
      name: 'default',
      plugins: [{ pluginRef: 'queue-scorer', weight: 2 }, { pluginRef: 'max-score-picker' }],
    },
  ],
});

/** KServe's arguments, in file mode; the last two are the test's. */
function kserveArgs(
  ports: { grpc: number; health: number; metrics: number },
  tls: readonly string[],
): string[] {
  return [
    ...['--pool-name', 'llama-inference-pool', '--pool-namespace', 'llm', '--zap-encoder', 'json'],
    ...['--grpc-port', String(ports.grpc), '--grpc-health-port', String(ports.health)],
    ...tls,
    ...['--config-text', CONFIG, '--tracing=true'],
    ...[`--metrics-port=${ports.metrics}`, '--bind-address=127.0.0.1'],
  ];
}

describe('as KServe starts it: any user, nothing writable', () => {
  test.each([
    {
      name: 'with TLS',
      tls: [
        '--enable-cert-reload=true',
        '--secure-serving=true',
        '--model-server-metrics-scheme=https',
        `--cert-path=${TLS}`,
      ],
    },
    { name: 'without TLS: four empty arguments', tls: ['', '', '', ''] },
  ])('$name', async ({ tls }) => {
    const [grpc = 0, health = 0, metrics = 0] = await freePorts(3);
    await using container = startContainer(kserveArgs({ grpc, health, metrics }, tls));
    await expect
      .poll(() => probe(health, 'readiness').catch(container.log), { timeout: 15_000 })
      .toEqual({ status: 'SERVING', isInTime: true });
    for (const service of ['liveness', 'readiness', 'inference-extension', '']) {
      expect(await probe(health, service)).toEqual({ status: 'SERVING', isInTime: true });
    }
    const { certificate, protocol } = await greet(grpc);
    expect(protocol).toBe('h2');
    const given = new X509Certificate(readFileSync(join(TLS, 'tls.crt'))).fingerprint256;
    expect(certificate === given).toBe(tls.some((argument) => argument.startsWith('--cert-path')));
    const page = await fetch(`http://127.0.0.1:${metrics}/metrics`);
    expect(await page.text()).toContain('llm_d_epp_ready_endpoints{name="llama-inference-pool"} 0');

    container.stop();
    await expect.poll(() => probe(health, 'readiness')).toEqual({ status: 'NOT_SERVING', isInTime: true });
    expect(await probe(health, 'liveness')).toEqual({ status: 'SERVING', isInTime: true });
    expect(await container.ended()).toBe(0);
    expect(container.log()).toContain('trusting authorities of SSL_CERT_DIR');
    expect(container.log()).not.toMatch(/"level":"error"|ERR_ACCESS_DENIED/);
  });

  test('the shell is gone: signals of the runtime reach the program itself', async () => {
    const [grpc = 0, health = 0, metrics = 0] = await freePorts(3);
    await using container = startContainer(kserveArgs({ grpc, health, metrics }, ['', '', '', '']));
    await expect
      .poll(() => probe(health, '').catch(container.log), { timeout: 15_000 })
      .toHaveProperty('status');
    if (existsSync('/proc/self/cmdline')) {
      const [program = ''] = readFileSync(`/proc/${container.pid}/cmdline`, 'utf8').split('\0');
      expect(program).toBe('node');
      if (asOther.length > 0) {
        expect(readFileSync(`/proc/${container.pid}/status`, 'utf8')).toMatch(/^CapBnd:\s*0+$/m);
        expect(statSync(`/proc/${container.pid}`).uid).toBe(USER_ID);
      }
    }
  });

  test('a wrong argument ends it with 2 and a line that says why', async () => {
    await using container = startContainer(['--pool-nam', 'x']);
    expect(await container.ended()).toBe(2);
    expect(container.log()).toContain('unknown flag --pool-nam; did you mean --pool-name?');
  });
});

describe('the Dockerfile', () => {
  const text = readFileSync('Dockerfile', 'utf8');
  const last = text.slice(text.lastIndexOf('\nFROM'));

  test('has the entry point, user, ports and working directory of the reference', () => {
    for (const line of [
      'ENTRYPOINT ["/app/epp"]',
      'USER 65532:65532',
      'EXPOSE 9002 9003 9090 5557',
      'WORKDIR /',
    ]) {
      expect(last.split('\n')).toContain(line);
    }
    expect(last).toContain('test -x /bin/sleep');
  });

  test('copies what exists and what the build context lets in', () => {
    const admitted = readFileSync('.dockerignore', 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const sources = [...text.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap((match) =>
      (match[1] ?? '').split(' '),
    );
    expect(sources).toContain('docker/epp');
    for (const source of sources) {
      expect(existsSync(source), source).toBe(true);
      expect(admitted).toContain(source);
    }
  });

  test('the entry point is an executable script with an interpreter that every image has', () => {
    expect(statSync('docker/epp').mode & 0o111).toBe(0o111);
    expect(readFileSync('docker/epp', 'utf8')).toMatch(/^#!\/bin\/sh\n/);
  });
});
