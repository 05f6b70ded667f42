import { type FSWatcher, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { generate } from 'selfsigned';
import type { Log } from '../framework/log.ts';
import type { CancelTimer, Clock } from '../util/clock.ts';

/** PEM texts. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A certificate is written as two files, and a mounted secret by swapping links: wait until it is quiet. */
const RELOAD_DEBOUNCE_MS = 250;

const VALIDITY_YEARS = 10;

/** Reads `tls.crt` and `tls.key` of `directory`; rejects when they are missing or do not belong together. */
export async function readCertificate(directory: string): Promise<Certificate> {
  const [cert, key] = await Promise.all([
    readFile(join(directory, 'tls.crt'), 'utf8'),
    readFile(join(directory, 'tls.key'), 'utf8'),
  ]);
  createSecureContext({ cert, key });
  return { cert, key };
}

/**
 * A certificate of its own for this start: ECDSA P-256, ten years, for `localhost`, the addresses of this machine and
 * `names` (host names or addresses; empty ones are left out). Clients must skip verification.
 */
export async function selfSignedCertificate(names: readonly string[], clock: Clock): Promise<Certificate> {
  const subjects = new Set(['localhost', ...localAddresses(), ...names.filter((name) => name !== '')]);
  const notBeforeDate = new Date(clock.wallMs());
  const notAfterDate = new Date(clock.wallMs());
  notAfterDate.setFullYear(notAfterDate.getFullYear() + VALIDITY_YEARS);
  const pems = await generate([{ name: 'organizationName', value: 'Inference Ext' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate,
    notAfterDate,
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: Array.from(subjects, (subject) =>
          isIP(subject) === 0 ? { type: 2 as const, value: subject } : { type: 7 as const, ip: subject },
        ),
      },
    ],
  });
  return { cert: pems.cert, key: pems.private };
}

/** Addresses without zone; a zone has no place in a certificate. */
function localAddresses(): string[] {
  const addresses: string[] = [];
  for (const entries of Object.values(networkInterfaces())) {
    for (const { address, scopeid } of entries ?? []) if (!scopeid) addresses.push(address);
  }
  return addresses;
}

/** Follows the certificate files of one directory. A pair that cannot be used is logged and the old one stays. */
export class CertificateWatcher {
  readonly #directory: string;
  readonly #apply: (certificate: Certificate) => void;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #watcher: FSWatcher;
  #cancelReload: CancelTimer | undefined = undefined;

  /** Throws when the directory cannot be watched. */
  constructor(options: {
    readonly directory: string;
    readonly apply: (certificate: Certificate) => void;
    readonly clock: Clock;
    readonly log: Log;
  }) {
    this.#directory = options.directory;
    this.#apply = options.apply;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#watcher = watch(options.directory, { persistent: false }, () => this.#schedule());
    this.#watcher.on('error', (err) => this.#log.error({ err }, 'watching the certificate failed'));
  }

  close(): void {
    this.#watcher.close();
    this.#cancelReload?.();
  }

  #schedule(): void {
    this.#cancelReload?.();
    this.#cancelReload = this.#clock.after(RELOAD_DEBOUNCE_MS, () => void this.#reload());
  }

  async #reload(): Promise<void> {
    try {
      this.#apply(await readCertificate(this.#directory));
      this.#log.info({ directory: this.#directory }, 'certificate reloaded');
    } catch (err) {
      this.#log.error({ directory: this.#directory, err }, 'certificate not usable, keeping the old one');
    }
  }
}
