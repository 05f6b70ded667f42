import { X509Certificate } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { Log } from '../framework/log.ts';
import type { CancelTimer, Clock } from '../util/clock.ts';

/** What it takes to know whom to trust. */
export interface TrustInputs {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Authorities are replaced in days; a minute is soon enough. */
const CHECK_INTERVAL_MS = 60_000;

/** A bundle of every public authority is a quarter of this; what is larger is something else. */
const MAX_FILE_BYTES = 1 << 20;

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * Trusts, for every TLS client of this process that names no authority of its own, the PEM files that `SSL_CERT_FILE`
 * and `SSL_CERT_DIR` (directories, separated by colons) name besides the built-in authorities, and follows their
 * changes. Programs in Go honour these variables; the runtime of this one does not (it wants names that are hashes).
 */
export class TrustedAuthorities implements Disposable {
  readonly #inputs: TrustInputs;
  readonly #builtIn = getCACertificates('default');
  #stamp = '';
  #stopChecking: CancelTimer = () => {};
  #isChecking = false;

  private constructor(inputs: TrustInputs) {
    this.#inputs = inputs;
  }

  /** Resolves when the files are read; never rejects: what cannot be read or understood is left out. */
  static async start(inputs: TrustInputs): Promise<TrustedAuthorities> {
    const authorities = new TrustedAuthorities(inputs);
    const { SSL_CERT_DIR: directories = '', SSL_CERT_FILE: file = '' } = inputs.env;
    if (directories === '' && file === '') return authorities;
    await authorities.#check();
    authorities.#stopChecking = inputs.clock.every(CHECK_INTERVAL_MS, () => void authorities.#check());
    return authorities;
  }

  /** Back to the built-in authorities. */
  [Symbol.dispose](): void {
    this.#stopChecking();
    if (this.#stamp !== '') setDefaultCACertificates(this.#builtIn);
  }

  async #check(): Promise<void> {
    if (this.#isChecking) return;
    this.#isChecking = true;
    const { env, log } = this.#inputs;
    try {
      const files = await filesOf(env);
      const stamp = files.map(({ path, version }) => `${path} ${version}`).join('\n');
      if (stamp === this.#stamp) return;
      const found = await certificatesOf(files.map(({ path }) => path));
      setDefaultCACertificates([...this.#builtIn, ...found]);
      this.#stamp = stamp;
      log.info({ certificates: found.length, files: files.length }, 'trusting authorities of SSL_CERT_DIR');
    } catch (error) {
      log.warn({ err: error }, 'authorities of SSL_CERT_DIR not read, those known before stay');
    } finally {
      this.#isChecking = false;
    }
  }
}

interface FoundFile {
  readonly path: string;
  /** Changes when the content may have. */
  readonly version: string;
}

async function filesOf(env: TrustInputs['env']): Promise<readonly FoundFile[]> {
  const { SSL_CERT_DIR: directories = '', SSL_CERT_FILE: file = '' } = env;
  const paths = file === '' ? [] : [file];
  for (const directory of directories.split(':')) {
    if (directory === '') continue;
    const names = await readdir(directory).catch(() => []); // orchestrators list places that not every image has
    paths.push(...names.toSorted().map((name) => join(directory, name)));
  }
  const found: FoundFile[] = [];
  for (const path of paths) {
    const stats = await stat(path).catch(() => undefined);
    if (stats === undefined || !stats.isFile() || stats.size > MAX_FILE_BYTES) continue;
    found.push({ path, version: `${stats.ino} ${stats.size} ${stats.mtimeMs}` });
  }
  return found;
}

/** Every certificate of the files once; other content, such as keys and tokens, does not count. */
async function certificatesOf(paths: readonly string[]): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const path of paths) {
    const text = await readFile(path, 'latin1').catch(() => '');
    for (const block of text.match(CERTIFICATE) ?? []) if (isCertificate(block)) found.add(block);
  }
  return [...found];
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}
