import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { SecureContextOptions } from 'node:tls';
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

/** Reads the files. Throws `ConfigurationError` naming the one that cannot be read. */
export function readTls(tls: AdminTls): SecureContextOptions {
  return {
    minVersion: 'TLSv1.2',
    cert: readPem(join(tls.certDir, 'tls.crt'), 'metrics TLS cert file unreadable'),
    key: readPem(join(tls.certDir, 'tls.key'), 'metrics TLS key file unreadable'),
    ...(tls.clientCaFile === ''
      ? {}
      : { ca: readPem(tls.clientCaFile, 'metrics client CA file unreadable') }),
  };
}

function readPem(path: string, complaint: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new ConfigurationError(`${complaint}: ${path}`, { cause: error });
  }
}

/** Calls `apply` with what is read after the certificate directory changed; what cannot be read is logged and kept. */
export class TlsWatch implements Disposable {
  readonly #watcher: FSWatcher;
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
    this.#watcher = watch(tls.certDir, { persistent: false }, () => {
      this.#cancelReload();
      this.#cancelReload = services.clock.after(RELOAD_DELAY_MS, reload);
    });
    this.#watcher.on('error', (error) => services.log.error({ err: error }, 'certificate watch failed'));
  }

  [Symbol.dispose](): void {
    this.#cancelReload();
    this.#watcher.close();
  }
}
