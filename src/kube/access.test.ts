import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { KubeApiServer } from '../../test/support/kube-api-server.ts';
import { systemClock } from '../util/clock.ts';
import { type Access, type AccessOptions, findAccess } from './access.ts';
import { loadKubeApi } from './client.ts';

const IN_CLUSTER = { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '443' };

/** A folder with files of these texts. */
function folder(files: Readonly<Record<string, string>>): string {
  const path = mkdtempSync(join(tmpdir(), 'epp-test-access-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(path, name, '..'), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return path;
}

/** A kubeconfig with one context. */
function kubeconfig(cluster: object, user: object | undefined = {}): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  });
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function serviceAccount(): string {
  return folder({ token: 'from-the-pod\n', 'ca.crt': 'authority' });
}

async function serverOf(options: AccessOptions): Promise<string> {
  return (await findAccess(options)).server.href;
}

async function accessOf(text: string): Promise<Access> {
  return await findAccess({ kubeconfig: join(folder({ config: text }), 'config'), env: {} });
}

test('access: the file named, then KUBECONFIG, then the pod, then the file at home', async () => {
  const config = (server: string) => kubeconfig({ server });
  const place = folder({
    named: config('https://named'),
    env: config('https://env'),
    '.kube/config': config('https://home'),
  });
  const env = { KUBECONFIG: join(place, 'env'), HOME: place, ...IN_CLUSTER };
  const serviceAccountFolder = serviceAccount();
  const named = { kubeconfig: join(place, 'named'), env, serviceAccountFolder };
  expect(await serverOf(named)).toBe('https://named/');
  expect(await serverOf({ ...named, kubeconfig: '' })).toBe('https://env/');
  const withoutEnv = { ...env, KUBECONFIG: '' };
  expect(await serverOf({ env: withoutEnv, serviceAccountFolder })).toBe('https://10.0.0.1/');
  expect(await serverOf({ env: withoutEnv, serviceAccountFolder: place })).toBe('https://home/');
});

test('access: in a pod, token and authority are read each time, and the address may be one of IPv6', async () => {
  const serviceAccountFolder = serviceAccount();
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' };
  const access = await findAccess({ env, serviceAccountFolder });
  expect(access.server.href).toBe('https://[fd00::1]:6443/');
  const tls = { ca: 'authority' };
  expect(await access.credentials()).toEqual({ headers: { authorization: 'Bearer from-the-pod' }, tls });
  writeFileSync(join(serviceAccountFolder, 'token'), 'another');
  expect(await access.credentials()).toEqual({ headers: { authorization: 'Bearer another' }, tls });
  writeFileSync(join(serviceAccountFolder, 'token'), '\n');
  await expect(access.credentials()).rejects.toThrow('is empty');
});

test.each([
  {
    name: 'a token and data',
    cluster: { server: 'https://s', 'certificate-authority-data': base64('CA') },
    user: { token: 't' },
    want: { headers: { authorization: 'Bearer t' }, tls: { ca: 'CA' } },
  },
  {
    name: 'a client certificate, a name, no verification',
    cluster: { server: 'https://s', 'insecure-skip-tls-verify': true, 'tls-server-name': 'n' },
    user: { 'client-certificate-data': base64('CERT'), 'client-key-data': base64('KEY') },
    want: { headers: {}, tls: { cert: 'CERT', key: 'KEY', servername: 'n', rejectUnauthorized: false } },
  },
  {
    name: 'a password and another user to act as',
    cluster: { server: 'https://s' },
    user: { username: 'u', password: 'p', as: 'other' },
    want: { headers: { authorization: 'Basic dTpw', 'impersonate-user': 'other' }, tls: {} },
  },
  {
    name: 'plain HTTP',
    cluster: { server: 'http://127.0.0.1:8001' },
    user: {},
    want: { headers: {}, tls: { rejectUnauthorized: false } },
  },
])('access: a kubeconfig with $name', async ({ cluster, user, want }) => {
  expect(await (await accessOf(kubeconfig(cluster, user))).credentials()).toEqual(want);
});

test('access: a cluster without a user keeps its authority', async () => {
  const text = JSON.stringify({
    clusters: [{ name: 'c', cluster: { server: 'https://s', 'certificate-authority-data': base64('CA') } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'nobody' } }],
    users: [],
    'current-context': 'x',
  });
  expect(await (await accessOf(text)).credentials()).toEqual({ headers: {}, tls: { ca: 'CA' } });
});

test('access: files are found from where the kubeconfig is, and a token file is read each time', async () => {
  const place = folder({
    config: kubeconfig(
      { server: 'https://s', 'certificate-authority': 'ca.crt', 'proxy-url': 'http://proxy:3128' },
      { token: 'unused', tokenFile: 'token' },
    ),
    'ca.crt': 'CA',
    token: 'one',
  });
  const access = await findAccess({ kubeconfig: join(place, 'config'), env: {} });
  expect(access.proxy).toBe('http://proxy:3128');
  expect(await access.credentials()).toEqual({ headers: { authorization: 'Bearer one' }, tls: { ca: 'CA' } });
  writeFileSync(join(place, 'token'), 'two');
  expect((await access.credentials()).headers).toEqual({ authorization: 'Bearer two' });
});

test('access: KUBECONFIG may name several files; the first current context counts', async () => {
  const second = kubeconfig({ server: 'https://second' }).replaceAll('"c"', '"c2"').replaceAll('"x"', '"x2"');
  const place = folder({
    first: JSON.stringify({ clusters: [], users: [], contexts: [] }),
    second: second.replaceAll('"u"', '"u2"'),
    third: kubeconfig({ server: 'https://third' }),
  });
  const files = ['first', 'second', '', 'third'].map((name) => (name === '' ? '' : join(place, name)));
  expect(await serverOf({ env: { KUBECONFIG: files.join(':') } })).toBe('https://second/');
});

test.each([
  { name: 'no JSON or YAML', text: '{', message: 'config: ' },
  { name: 'an empty file', text: '', message: 'config: ' },
  { name: 'no context', text: '{"clusters":[],"users":[],"contexts":[]}', message: 'no cluster for' },
  { name: 'no URL', text: kubeconfig({ server: '10.0.0.1:443' }), message: 'got server "10.0.0.1:443"' },
  { name: 'another scheme', text: kubeconfig({ server: 'ftp://s' }), message: 'wanted an HTTP or HTTPS URL' },
])('access: a kubeconfig with $name is refused', async ({ text, message }) => {
  await expect(accessOf(text)).rejects.toThrow(message);
  await expect(accessOf(text)).rejects.toHaveProperty('name', 'ConfigurationError');
});

test('access: none at all is refused with what was looked for', async () => {
  const missing = join(folder({}), 'missing');
  await expect(findAccess({ kubeconfig: missing, env: {} })).rejects.toThrow(`kubeconfig ${missing}: `);
  await expect(findAccess({ env: {}, serviceAccountFolder: missing })).rejects.toThrow(
    'no Kubernetes API server known: wanted --kubeconfig, KUBECONFIG, a service account in',
  );
});

test('access: a kubeconfig leads to a server behind a path', async () => {
  await using server = await KubeApiServer.start([{ group: '', version: 'v1', plural: 'pods' }]);
  const port = server.access.env['KUBERNETES_SERVICE_PORT'] ?? '';
  const text = kubeconfig(
    {
      server: `https://127.0.0.1:${port}/clusters/a/`,
      'certificate-authority': join(server.access.serviceAccountFolder, 'ca.crt'),
    },
    { token: 'token-1' },
  );
  const config = join(folder({ config: text }), 'config');
  await using api = await loadKubeApi({ kubeconfig: config, env: {}, clock: systemClock });
  expect(api.server).toBe(`https://127.0.0.1:${port}`);
  const resource = { group: '', version: 'v1', plural: 'pods' };
  await api.serves(resource, AbortSignal.timeout(5000));
  expect(server.calls[0]?.path).toBe('/clusters/a/api/v1');
});
