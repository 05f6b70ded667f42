import { isIP } from 'node:net';
import type { PayloadKind, PollSource } from '../../../framework/data-source.ts';
import type { Endpoint } from '../../../framework/endpoint.ts';
import type { PluginContext } from '../../../framework/plugin.ts';
import { BearerToken } from './bearer-token.ts';
import { ScrapeTarget } from './scrape-target.ts';
import { Connector, type TlsOptions } from './tls-connector.ts';

/** Which page of an endpoint is read, and how often. */
export interface ScrapeOptions extends TlsOptions {
  readonly payload: PayloadKind;
  readonly scheme: 'http' | 'https';
  readonly path: string;
  /** File of a token that is sent with every request; '' for none. */
  readonly bearerTokenPath: string;
  /** Milliseconds between two polls of one endpoint; 0 for every base tick. */
  readonly interval: number;
  /** `host:port` of the page, IPv6 bracketed. */
  hostOf(endpoint: Endpoint): string;
}

/** Value of the `accept` header by what is read. */
const ACCEPT: Readonly<Record<PayloadKind, string>> = {
  prometheus: 'text/plain;version=0.0.4,*/*;q=0.1',
  'json-models': 'application/json,*/*;q=0.1',
};

/**
 * Reads one page of each endpoint over a kept connection of its own
 * (llm-d-router: pkg/epp/framework/plugins/datalayer/source/http).
 */
export class ScrapeSource implements PollSource {
  readonly payload: PayloadKind;
  readonly intervalMs: number;
  readonly #options: ScrapeOptions;
  readonly #connector: Connector;
  readonly #token: BearerToken | undefined;
  readonly #targets = new Map<Endpoint, ScrapeTarget>();

  /** Reads certificates and token at once; throws `ConfigurationError` when one cannot be used. */
  constructor(options: ScrapeOptions, context: PluginContext) {
    this.payload = options.payload;
    this.intervalMs = options.interval;
    this.#options = options;
    const { clock, log } = context;
    this.#connector = new Connector(options, clock, log);
    const { bearerTokenPath } = options;
    this.#token = bearerTokenPath === '' ? undefined : new BearerToken(bearerTokenPath, clock, log);
    if (this.#token !== undefined && options.scheme === 'http') {
      log.warn({ file: bearerTokenPath }, 'the token for scraping is sent without TLS');
    }
  }

  poll(endpoint: Endpoint, signal: AbortSignal): Promise<Uint8Array> {
    let target = this.#targets.get(endpoint);
    if (target === undefined) {
      target = this.#open(endpoint);
      this.#targets.set(endpoint, target);
    }
    return target.read(signal);
  }

  release(endpoint: Endpoint): void {
    this.#targets.get(endpoint)?.close();
    this.#targets.delete(endpoint);
  }

  #open(endpoint: Endpoint): ScrapeTarget {
    const { scheme, path, payload } = this.#options;
    const host = this.#options.hostOf(endpoint);
    return new ScrapeTarget(
      {
        origin: `${scheme}://${host}`,
        path,
        accept: ACCEPT[payload],
        token: this.#token,
        isServingPort: isServingPort(host, endpoint),
      },
      this.#connector,
    );
  }
}

/** Whether `host` is where requests go; a name is taken to mean the endpoint's address. */
function isServingPort(host: string, endpoint: Endpoint): boolean {
  if (host === endpoint.hostPort) return true;
  const colon = host.lastIndexOf(':');
  return (
    Number(host.slice(colon + 1)) === endpoint.port && isIP(host.slice(0, colon).replace(/[[\]]/g, '')) === 0
  );
}
