import { isIP } from 'node:net';
import { z } from 'zod';
import type { PollSource } from '../../framework/data-source.ts';
import { type Endpoint, hostPort } from '../../framework/endpoint.ts';
import { definePlugin, type PluginContext } from '../../framework/plugin.ts';
import { duration } from '../../framework/schema.ts';
import { ScrapeTarget } from './metrics-data-source/scrape-target.ts';
import { Connector } from './metrics-data-source/tls-connector.ts';

const params = z
  .strictObject({
    scheme: z.enum(['http', 'https']).default('http').describe('Protocol of the metrics page.'),
    path: z
      .string()
      .default('/metrics')
      .transform((path) => (path.startsWith('/') ? path : `/${path}`))
      .describe('Path of the metrics page.'),
    port: z
      .int()
      .min(1)
      .max(65_535)
      .optional()
      .describe("Port of the metrics page on every endpoint; the endpoint's own when not given."),
    insecureSkipVerify: z
      .boolean()
      .default(true)
      .describe('Accept any server certificate; set it to false for caCertPath to take effect.'),
    caCertPath: z
      .string()
      .default('')
      .describe('PEM file of the authorities to trust instead of the built-in ones.'),
    clientCertPath: z
      .string()
      .default('')
      .describe('PEM file of the client certificate, with clientKeyPath.'),
    clientKeyPath: z.string().default('').describe('PEM file of the key of clientCertPath.'),
    interval: z
      .union([z.literal('').transform(() => 0), duration()])
      .default(0)
      .refine((ms) => ms >= 0, 'invalid interval: must not be negative')
      .describe('Time between two scrapes of one endpoint; every base tick when not given.'),
  })
  .refine((config) => (config.clientCertPath === '') === (config.clientKeyPath === ''), {
    path: ['clientCertPath'],
    message: 'clientCertPath and clientKeyPath go together: give both or neither',
  });

type Params = z.infer<typeof params>;

/** Reads `GET /metrics` of each endpoint. */
class MetricsDataSource implements PollSource {
  readonly payload = 'prometheus';
  readonly intervalMs: number;
  readonly #config: Params;
  readonly #connector: Connector;
  readonly #targets = new Map<Endpoint, ScrapeTarget>();

  constructor(config: Params, context: PluginContext) {
    this.#config = config;
    this.intervalMs = config.interval;
    this.#connector = new Connector(config, context.clock, context.log);
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
    const { scheme, path, port } = this.#config;
    const host = port === undefined ? endpoint.metricsHost : hostPort(endpoint.address, port);
    const address = { origin: `${scheme}://${host}`, path, isServingPort: isServingPort(host, endpoint) };
    return new ScrapeTarget(address, this.#connector);
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

/** `metrics-data-source` (llm-d-router: pkg/epp/framework/plugins/datalayer/source/metrics). */
export const metricsDataSource = definePlugin<Params, PollSource>({
  type: 'metrics-data-source',
  kinds: ['source'],
  stability: 'beta',
  summary: "Scrapes each endpoint's Prometheus page.",
  params,
  create: (config, context) => new MetricsDataSource(config, context),
});
