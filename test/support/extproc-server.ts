import type { ExchangeOptions } from '../../src/extproc/exchange-services.ts';
import type { HealthInputs } from '../../src/extproc/health.ts';
import { defaultMaxReceiveBytes, ExtProcServer, type TlsSettings } from '../../src/extproc/server.ts';
import { GrpcJsTransport } from '../../src/extproc/transport/grpc-js.ts';
import { WireTransport } from '../../src/extproc/transport/wire/transport.ts';
import { type Clock, systemClock } from '../../src/util/clock.ts';
import { RecordingInstruments, RecordingLog } from './builders.ts';
import { FakeStages } from './exchange-stages.ts';
import { TRANSPORT_UNDER_TEST } from './transport-under-test.ts';

/** Exchange settings as the flags' defaults give them. */
export function exchangeOptions(options: Partial<ExchangeOptions> = {}): ExchangeOptions {
  return {
    requestBodyMode: 'auto',
    responseBodyMode: 'auto',
    maxRequestBodyBytes: 64 << 20,
    messageTimeoutMs: 60_000,
    refusals: { format: 'auto', retryAfterSeconds: 1, noEndpointsRetryAfterSeconds: 5 },
    poolHints: undefined,
    ...options,
  };
}

/** What a test says about a server; the rest is as the flags' defaults, on free ports of loopback. */
export interface TestServerOptions {
  readonly exchange?: Partial<ExchangeOptions>;
  readonly tls?: TlsSettings;
  readonly maxReceiveBytes?: number;
  readonly countsStreams?: boolean;
  readonly health?: () => HealthInputs;
  readonly clock?: Clock;
  /** Default: `TRANSPORT_UNDER_TEST`. */
  readonly transport?: 'wire' | 'grpc-js';
}

/** A real server over fake stages. */
export interface TestServer extends AsyncDisposable {
  readonly server: ExtProcServer;
  readonly stages: FakeStages;
  readonly log: RecordingLog;
  readonly instruments: RecordingInstruments;
  /** `host:port` of the service. */
  readonly address: string;
  readonly healthAddress: string;
}

export const HEALTHY: HealthInputs = {
  isLive: true,
  isProtocolSupported: true,
  arePluginsReady: true,
  leadership: 'off',
};

/** Starts one. */
export async function startExtProcServer(options: TestServerOptions = {}): Promise<TestServer> {
  const stages = new FakeStages();
  const log = new RecordingLog();
  const instruments = new RecordingInstruments();
  const exchange = exchangeOptions(options.exchange);
  const server = new ExtProcServer(
    {
      address: { host: '127.0.0.1', port: 0 },
      healthAddress: { host: '127.0.0.1', port: 0 },
      tls: options.tls,
      maxReceiveBytes: options.maxReceiveBytes ?? defaultMaxReceiveBytes(exchange.maxRequestBodyBytes),
      countsStreams: options.countsStreams ?? false,
    },
    {
      requestStage: stages,
      responseStage: stages,
      clock: options.clock ?? systemClock,
      log,
      options: exchange,
      instruments,
      createTransport: (transport) =>
        (options.transport ?? TRANSPORT_UNDER_TEST) === 'wire'
          ? new WireTransport(transport, options.clock ?? systemClock, log)
          : new GrpcJsTransport(transport),
      health: options.health ?? (() => HEALTHY),
    },
  );
  await server.start();
  return {
    server,
    stages,
    log,
    instruments,
    address: `127.0.0.1:${server.port}`,
    healthAddress: `127.0.0.1:${server.healthPort}`,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
