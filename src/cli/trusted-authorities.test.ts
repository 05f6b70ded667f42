import { X509Certificate } from 'node:crypto';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, get } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates } from 'node:tls';
import { generate } from 'selfsigned';
import { beforeAll, expect, test } from 'vitest';
import { RecordingLog } from '../../test/support/builders.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { TrustedAuthorities } from './trusted-authorities.ts';

type Pair = Awaited<ReturnType<typeof generate>>;

let first: Pair;
let second: Pair;
beforeAll(async () => {
  const make = (name: string) =>
    generate([{ name: 'commonName', value: name }], {
      keyType: 'ec',
      extensions: [
        { name: 'basicConstraints', cA: true },
        { name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] },
      ],
    });
  [first, second] = await Promise.all([make('first'), make('second')]);
});

async function folder() {
  const path = await mkdtemp(join(tmpdir(), 'epp-trust-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

/** A model server with a certificate of its own. */
async function serve(pair: Pair) {
  const server = createServer({ cert: pair.cert, key: pair.private }, (_request, response) =>
    response.end('ok'),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // it listens on TCP
  return {
    /** Whether a client that names no authority takes it; no session is resumed. */
    isTrusted: () =>
      new Promise<boolean>((resolve) => {
        const request = get(`https://localhost:${port}/`, { agent: false }, (response) => {
          response.resume();
          resolve(response.statusCode === 200);
        });
        request.on('error', () => resolve(false));
      }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The runtime may list one twice, with other line ends. */
function authorityCount(): number {
  return new Set(getCACertificates('default').map((pem) => new X509Certificate(pem).fingerprint256)).size;
}

function start(env: Record<string, string>) {
  const clock = new FakeClock();
  const log = new RecordingLog();
  return TrustedAuthorities.start({ env, clock, log }).then((authorities) => ({ authorities, clock, log }));
}

test.each(['SSL_CERT_DIR', 'SSL_CERT_FILE'])('%s adds to the built-in authorities', async (variable) => {
  await using server = await serve(first);
  await using dir = await folder();
  await writeFile(join(dir.path, 'tls.crt'), first.cert);
  expect(await server.isTrusted()).toBe(false);
  const builtIn = authorityCount();
  const place = variable === 'SSL_CERT_DIR' ? `/nonexistent::${dir.path}` : join(dir.path, 'tls.crt');
  const { authorities, log } = await start({ [variable]: place });
  expect(await server.isTrusted()).toBe(true);
  expect(authorityCount()).toBe(builtIn + 1);
  expect(log.lines).toMatchObject([{ level: 'info', fields: { certificates: 1, files: 1 } }]);
  authorities[Symbol.dispose]();
  expect(await server.isTrusted()).toBe(false);
});

test('keys, tokens, garbage, folders and files that are too large beside it do no harm', async () => {
  await using server = await serve(first);
  await using dir = await folder();
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  await writeFile(join(dir.path, 'a'), broken);
  await writeFile(
    join(dir.path, 'bundle.crt'),
    `# two\n${second.cert}\n${broken}${first.cert}\n${first.cert}`,
  );
  await writeFile(join(dir.path, 'tls.key'), first.private);
  await writeFile(join(dir.path, 'token'), Buffer.from([0xff, 0xfe, 0, 1]));
  await writeFile(join(dir.path, 'huge'), 'x'.repeat(2 << 20));
  await mkdir(join(dir.path, 'folder'));
  await symlink('/nonexistent', join(dir.path, 'dangling'));
  const { authorities, log } = await start({ SSL_CERT_DIR: dir.path });
  expect(await server.isTrusted()).toBe(true);
  expect(log.lines).toMatchObject([{ level: 'info', fields: { certificates: 2 } }]);
  authorities[Symbol.dispose]();
});

test('a mounted secret that is swapped is followed', async () => {
  await using before = await serve(first);
  await using after = await serve(second);
  await using dir = await folder();
  const write = async (version: string, pair: Pair) => {
    await mkdir(join(dir.path, version));
    await writeFile(join(dir.path, version, 'tls.crt'), pair.cert);
    await symlink(version, join(dir.path, '..next'));
    await rename(join(dir.path, '..next'), join(dir.path, '..data'));
  };
  await write('..one', first);
  await symlink('..data/tls.crt', join(dir.path, 'tls.crt'));
  const { authorities, clock, log } = await start({ SSL_CERT_DIR: dir.path });
  expect([await before.isTrusted(), await after.isTrusted()]).toEqual([true, false]);
  await write('..two', second);
  clock.advance(60_000);
  await expect.poll(() => after.isTrusted()).toBe(true);
  expect(await before.isTrusted()).toBe(false);
  clock.advance(300_000);
  expect(log.lines).toHaveLength(2);
  authorities[Symbol.dispose]();
  expect(clock.pendingTimers).toBe(0);
});

test('without the variables nothing is read and nothing runs', async () => {
  const builtIn = getCACertificates('default');
  const { authorities, clock, log } = await start({ SSL_CERT_DIR: '', PATH: '/bin' });
  expect([clock.pendingTimers, log.lines.length]).toEqual([0, 0]);
  authorities[Symbol.dispose]();
  expect(getCACertificates('default')).toEqual(builtIn);
});
