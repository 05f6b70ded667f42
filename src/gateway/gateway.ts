import { randomUUID } from 'node:crypto';
import { Agent, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Clock, systemClock } from '../util/clock.ts';
import { Exchange, type ExchangeContext } from './exchange.ts';
import { type GatewayOptions, gatewayOptions, splitAddress } from './options.ts';
import { Processor } from './processor.ts';

/** A gateway that listens. Disposing closes it and cuts what is running. */
export interface Gateway extends AsyncDisposable {
  /** `host:port`. */
  readonly address: string;
}

/** Idle connections to model servers are closed before the servers do it (uvicorn: after 5 s). */
const UPSTREAM_IDLE_MS = 4000;

/**
 * Starts the dev gateway; every setting has its default. Rejects when the address is taken or malformed. The picker
 * need not run yet: until it does, requests get 500, or go round the endpoints with `failureModeAllow`.
 */
export async function startGateway(
  options: Partial<GatewayOptions> = {},
  clock: Clock = systemClock,
): Promise<Gateway> {
  const settings = gatewayOptions(options);
  const { host, port } = splitAddress(settings.listen);
  await using started = new AsyncDisposableStack();
  const processor = settings.epp === '' ? undefined : started.use(await Processor.create(settings));
  const agent = started.adopt(new Agent({ keepAlive: true, timeout: UPSTREAM_IDLE_MS }), (one) =>
    one.destroy(),
  );
  let turn = 0;
  const context: ExchangeContext = {
    processor,
    upstream: { agent, clock, connectTimeoutMs: settings.connectTimeoutMs },
    failureModeAllow: settings.failureModeAllow,
    subset: settings.subset,
    fallback: () => {
      const address = settings.endpoints[turn % Math.max(1, settings.endpoints.length)];
      turn += 1;
      return address;
    },
    newRequestId: randomUUID,
  };
  const server = createServer({ requestTimeout: 0, keepAliveTimeout: 60_000 }, (request, response) => {
    new Exchange(request, response, context).start();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  started.defer(async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  });
  const bound = server.address() as AddressInfo; // an IP socket that listens
  const kept = started.move();
  return {
    address: bound.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
