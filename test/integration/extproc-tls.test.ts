import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { ChannelCredentials } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { type Certificate, selfSignedCertificate } from '../../src/extproc/certificate.ts';
import type { TlsSettings } from '../../src/extproc/server.ts';
import { systemClock } from '../../src/util/clock.ts';
import { ExtProcClient } from '../support/extproc-client.ts';
import { startExtProcServer } from '../support/extproc-server.ts';

const OWN: TlsSettings = {
  certificateDirectory: '',
  reloads: false,
  minVersion: '',
  cipherSuites: [],
  subjectNames: ['epp.inference.svc'],
};

async function handshake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
    ...options,
  });
  await once(socket, 'secureConnect');
  return socket;
}

async function subjectOf(port: number): Promise<string> {
  const socket = await handshake(port);
  const names = socket.getPeerX509Certificate()?.subjectAltName ?? '';
  socket.destroy();
  return names;
}

async function certificateDirectory(certificate: Certificate): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'epp-tls-'));
  await writeCertificate(path, certificate);
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

async function writeCertificate(path: string, { cert, key }: Certificate): Promise<void> {
  await writeFile(join(path, 'tls.key'), key);
  await writeFile(join(path, 'new.crt'), cert);
  await rename(join(path, 'new.crt'), join(path, 'tls.crt'));
}

test('a whole exchange over TLS', async () => {
  await using server = await startExtProcServer({ tls: OWN });
  const credentials = ChannelCredentials.createSsl(null, null, null, { rejectUnauthorized: false });
  using client = new ExtProcClient(server.address, credentials);
  const exchange = client.open();
  expect((await exchange.route({ body: '{"model":"m"}' })).body.toString()).toBe('{"model":"m"}');
  expect((await exchange.respond({ chunks: ['{}'] })).body.toString()).toBe('{}');
});

test('a certificate of its own: ECDSA P-256, ten years, names and addresses', async () => {
  await using server = await startExtProcServer({ tls: OWN });
  const socket = await handshake(server.server.port);
  expect(socket.alpnProtocol).toBe('h2');
  const certificate = socket.getPeerX509Certificate();
  socket.destroy();
  expect(certificate?.publicKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
  expect(certificate?.subject).toBe('O=Inference Ext');
  for (const name of ['DNS:localhost', 'DNS:epp.inference.svc', 'IP Address:127.0.0.1']) {
    expect(certificate?.subjectAltName).toContain(name);
  }
  const years =
    (certificate?.validToDate.getFullYear() ?? 0) - (certificate?.validFromDate.getFullYear() ?? 0);
  expect(years).toBe(10);
});

test('two starts have two certificates', async () => {
  const [a, b] = await Promise.all([
    selfSignedCertificate([], systemClock),
    selfSignedCertificate([], systemClock),
  ]);
  expect(new X509Certificate(a.cert).serialNumber).not.toBe(new X509Certificate(b.cert).serialNumber);
});

test('a certificate from a directory', async () => {
  await using directory = await certificateDirectory(await selfSignedCertificate(['one.test'], systemClock));
  await using server = await startExtProcServer({ tls: { ...OWN, certificateDirectory: directory.path } });
  expect(await subjectOf(server.server.port)).toContain('DNS:one.test');
});

describe('reload', () => {
  test('new connections get the new certificate, old ones go on', async () => {
    await using directory = await certificateDirectory(
      await selfSignedCertificate(['one.test'], systemClock),
    );
    const tls = { ...OWN, certificateDirectory: directory.path, reloads: true };
    await using server = await startExtProcServer({ tls });
    const credentials = ChannelCredentials.createSsl(null, null, null, { rejectUnauthorized: false });
    using client = new ExtProcClient(server.address, credentials);
    const exchange = client.open();
    await exchange.route({ body: '{}' });
    await writeCertificate(directory.path, await selfSignedCertificate(['two.test'], systemClock));
    await logged(() => server.log.lines.some(({ message }) => message === 'certificate reloaded'));
    expect(await subjectOf(server.server.port)).toContain('DNS:two.test');
    expect((await exchange.respond({ chunks: ['{}'] })).body.toString()).toBe('{}');
  });

  test('files that do not belong together are logged, the old certificate stays', async () => {
    await using directory = await certificateDirectory(
      await selfSignedCertificate(['one.test'], systemClock),
    );
    const tls = { ...OWN, certificateDirectory: directory.path, reloads: true };
    await using server = await startExtProcServer({ tls });
    await writeFile(
      join(directory.path, 'tls.crt'),
      (await selfSignedCertificate(['two.test'], systemClock)).cert,
    );
    await logged(() => server.log.lines.some(({ level }) => level === 'error'));
    expect(await subjectOf(server.server.port)).toContain('DNS:one.test');
  });
});

describe('settings', () => {
  test('the oldest version', async () => {
    await using server = await startExtProcServer({ tls: { ...OWN, minVersion: 'VersionTLS13' } });
    await expect(handshake(server.server.port, { maxVersion: 'TLSv1.2' })).rejects.toThrow();
    const socket = await handshake(server.server.port);
    expect(socket.getProtocol()).toBe('TLSv1.3');
    socket.destroy();
  });

  test('cipher suites', async () => {
    const cipherSuites = ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384'];
    await using server = await startExtProcServer({ tls: { ...OWN, cipherSuites } });
    const socket = await handshake(server.server.port, { maxVersion: 'TLSv1.2' });
    expect(socket.getCipher().name).toBe('ECDHE-ECDSA-AES256-GCM-SHA384');
    socket.destroy();
    const other = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' } as const;
    await expect(handshake(server.server.port, other)).rejects.toThrow();
  });

  test.each([
    { name: 'version', tls: { minVersion: 'VersionSSL30' }, error: 'unknown TLS version' },
    { name: 'suite', tls: { cipherSuites: ['NULL'] }, error: 'unknown cipher suite "NULL"' },
    { name: 'directory', tls: { certificateDirectory: '/does/not/exist' }, error: 'ENOENT' },
  ])('an unknown $name fails the start', async ({ tls, error }) => {
    await expect(startExtProcServer({ tls: { ...OWN, ...tls } })).rejects.toThrow(error);
  });

  test('a client without h2 is turned away', async () => {
    await using server = await startExtProcServer({ tls: OWN });
    const socket = connect({ port: server.server.port, host: '127.0.0.1', rejectUnauthorized: false });
    socket.on('error', () => {});
    await once(socket, 'close');
    expect(socket.destroyed).toBe(true);
  });
});

/** Resolves when `is` holds; file system events come in their own time. */
async function logged(is: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !is(); i += 1) {
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
  expect(is()).toBe(true);
}
