import { X509Certificate } from 'node:crypto';
import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { dirname, join } from 'node:path';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { ConfigurationError } from '../framework/errors.ts';
import type { Log } from '../framework/log.ts';
import type { Clock } from '../util/clock.ts';

/** Certificates of the admin server. */
export interface AdminTls {
  /** Holds `tls.crt` and `tls.key`. */
  readonly certDir: string;
  /** Client certificates are required and must be signed by this; '' asks for none. */
  readonly clientCaFile: string;
}

/** Writes of certificate, key and symbolic links come in a burst; one reload follows it. */
const RELOAD_DELAY_MS = 250;

/** Reads the files. Throws `ConfigurationError` naming the one that cannot be read or used. */
export function readTls(tls: AdminTls): SecureContextOptions {
  const cert = readPem(join(tls.certDir, 'tls.crt'), 'metrics TLS cert file unreadable');
  const key = readPem(join(tls.certDir, 'tls.key'), 'metrics TLS key file unreadable');
  use(`metrics TLS cert and key unusable: ${tls.certDir}`, () => createSecureContext({ cert, key }));
  const pair = { minVersion: 'TLSv1.2', cert, key } as const;
  if (tls.clientCaFile === '') return pair;
  const ca = readPem(tls.clientCaFile, 'metrics client CA file unreadable');
  // a file without certificates would be taken, and then lock everybody out
  use(`metrics client CA file holds no certificate: ${tls.clientCaFile}`, () => new X509Certificate(ca));
  return { ...pair, ca };
}

function use(complaint: string, attempt: () => unknown): void {
  try {
    attempt();
  } catch (error) {
    throw new ConfigurationError(complaint, { cause: error });
  }
}

function readPem(path: string, complaint: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new ConfigurationError(`${complaint}: ${path}`, { cause: error });
  }
}

/**
 * Calls `apply` with what is read after the certificate directory or that of the client CA changed; what cannot be used
 * is logged and the old files stay in effect.
 */
export class TlsWatch implements Disposable {
  readonly #watchers: readonly FSWatcher[];
  #cancelReload = () => {};

  constructor(
    tls: AdminTls,
    services: { readonly clock: Clock; readonly log: Log },
    apply: (context: SecureContextOptions) => void,
  ) {
    const reload = () => {
      try {
        apply(readTls(tls));
        services.log.info({}, 'admin certificates reloaded');
      } catch (error) {
        services.log.error({ err: error }, 'admin certificates not reloaded, the old ones stay');
      }
    };
    const directories = new Set([
      tls.certDir,
      ...(tls.clientCaFile === '' ? [] : [dirname(tls.clientCaFile)]),
    ]);
    this.#watchers = Array.from(directories, (directory) => {
      const watcher = watch(directory, { persistent: false }, () => {
        this.#cancelReload();
        this.#cancelReload = services.clock.after(RELOAD_DELAY_MS, reload);
      });
      return watcher.on('error', (error) => services.log.error({ err: error }, 'certificate watch failed'));
    });
  }

  [Symbol.dispose](): void {
    this.#cancelReload();
    for (const watcher of this.#watchers) watcher.close();
  }
}
