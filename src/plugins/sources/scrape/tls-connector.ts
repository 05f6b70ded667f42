import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { buildConnector } from 'undici';
import { ConfigurationError } from '../../../framework/errors.ts';
import type { Log } from '../../../framework/log.ts';
import type { Clock } from '../../../util/clock.ts';

/** How connections to model servers are secured; paths are '' when not given. */
export interface TlsOptions {
  readonly insecureSkipVerify: boolean;
  readonly caCertPath: string;
  readonly clientCertPath: string;
  readonly clientKeyPath: string;
}

/** Time to establish a connection, TLS handshake included. */
const CONNECT_TIMEOUT_MS = 1_000;

/** How often a connection attempt looks whether the files have changed; certificates rotate in hours. */
const RELOAD_CHECK_MS = 10_000;

interface Material {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Opens connections; certificates that changed on disk are used for connections opened from then on. */
export class Connector {
  readonly #options: TlsOptions;
  readonly #files: readonly string[];
  readonly #clock: Clock;
  readonly #log: Log;
  #connect: buildConnector.connector;
  #stamp: string;
  #checkedAtMs: number;

  /** Reads the files at once; throws `ConfigurationError` when one is unreadable or invalid. */
  constructor(options: TlsOptions, clock: Clock, log: Log) {
    this.#options = options;
    this.#clock = clock;
    this.#log = log;
    const ca = options.insecureSkipVerify ? '' : options.caCertPath;
    this.#files = [ca, options.clientCertPath, options.clientKeyPath].filter((path) => path !== '');
    this.#connect = this.#build();
    this.#stamp = stampOf(this.#files);
    this.#checkedAtMs = clock.nowMs();
  }

  /** For undici's `connect` option. */
  readonly connect: buildConnector.connector = (options, callback) => {
    this.#reloadIfChanged();
    this.#connect(options, callback);
  };

  #reloadIfChanged(): void {
    const nowMs = this.#clock.nowMs();
    if (this.#files.length === 0 || nowMs - this.#checkedAtMs < RELOAD_CHECK_MS) return;
    this.#checkedAtMs = nowMs;
    const stamp = stampOf(this.#files);
    if (stamp === this.#stamp) return;
    this.#stamp = stamp;
    try {
      this.#connect = this.#build();
      this.#log.info({ files: this.#files }, 'reloaded certificates for scraping');
    } catch (error) {
      this.#log.warn({ files: this.#files, err: error }, 'cannot reload certificates for scraping');
    }
  }

  #build(): buildConnector.connector {
    return buildConnector({
      timeout: CONNECT_TIMEOUT_MS,
      allowH2: false,
      rejectUnauthorized: !this.#options.insecureSkipVerify,
      ...this.#readMaterial(),
    });
  }

  #readMaterial(): Material {
    const { insecureSkipVerify, caCertPath, clientCertPath, clientKeyPath } = this.#options;
    const ca = insecureSkipVerify || caCertPath === '' ? {} : { ca: readAuthorities(caCertPath) };
    if (clientCertPath === '') return ca;
    try {
      const pair = {
        cert: readFileSync(clientCertPath, 'utf8'),
        key: readFileSync(clientKeyPath, 'utf8'),
      };
      createSecureContext(pair);
      return { ...ca, ...pair };
    } catch (error) {
      throw new ConfigurationError(
        `loading client cert ${clientCertPath}, ${clientKeyPath}: ${text(error)}`,
        {
          cause: error,
        },
      );
    }
  }
}

function readAuthorities(path: string): string {
  let pem: string;
  try {
    pem = readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigurationError(`reading CA cert ${path}: ${text(error)}`, { cause: error });
  }
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  try {
    for (const block of blocks) new X509Certificate(block);
  } catch (error) {
    throw new ConfigurationError(`no valid CA certs in ${path}: ${text(error)}`, { cause: error });
  }
  if (blocks.length === 0) throw new ConfigurationError(`no valid CA certs in ${path}: no PEM certificate`);
  return pem;
}

/** Changes when a file does; a missing file has a stamp of its own. */
function stampOf(files: readonly string[]): string {
  return files
    .map((file) => {
      const stat = statSync(file, { throwIfNoEntry: false });
      return stat === undefined ? 'missing' : `${stat.ino}:${stat.size}:${stat.mtimeMs}`;
    })
    .join(' ');
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
