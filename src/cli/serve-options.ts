import type { ExchangeOptions } from '../extproc/exchange-services.ts';
import { defaultMaxReceiveBytes, type ExtProcServerOptions } from '../extproc/server.ts';
import type { AdminServerOptions } from '../telemetry/admin-server.ts';
import type { ServeOptions } from './flags.ts';

/** Time asked of the data plane when a decision must wait while its message timer runs; its own limit applies. */
const MESSAGE_TIMEOUT_MS = 60_000;

/** Starting a model server takes longer than draining a queue. */
const NO_ENDPOINTS_RETRY_FACTOR = 10;

/** Flags that concern single exchanges. `pools`: how many there are. */
export function exchangeOptions(options: ServeOptions, pools: number): ExchangeOptions {
  return {
    requestBodyMode: options.requestBodyMode,
    responseBodyMode: options.responseBodyMode,
    maxRequestBodyBytes: options.maxRequestBodyBytes,
    messageTimeoutMs: MESSAGE_TIMEOUT_MS,
    poolHints: pools > 1 ? { header: options.poolHeader.toLowerCase() } : undefined,
    refusals: {
      format: options.errorFormat,
      retryAfterSeconds: options.retryAfterSeconds,
      noEndpointsRetryAfterSeconds: options.retryAfterSeconds * NO_ENDPOINTS_RETRY_FACTOR,
    },
  };
}

/** Flags that concern the serving and health ports. */
export function serverOptions(options: ServeOptions): ExtProcServerOptions {
  return {
    address: { host: options.bindAddress, port: options.grpcPort },
    healthAddress: { host: options.bindAddress, port: options.grpcHealthPort },
    tls: options.secureServing
      ? {
          certificateDirectory: options.certPath,
          reloads: options.certReload,
          minVersion: options.tlsMinVersion,
          cipherSuites: options.tlsCiphers,
          subjectNames: [],
        }
      : undefined,
    maxReceiveBytes: options.grpcMaxReceiveBytes || defaultMaxReceiveBytes(options.maxRequestBodyBytes),
    countsStreams: options.streamMetrics,
  };
}

/** Flags that concern the metrics port. */
export function adminOptions(
  options: ServeOptions,
): Pick<AdminServerOptions, 'host' | 'port' | 'tls' | 'hasProfiling'> {
  return {
    host: options.bindAddress,
    port: options.metricsPort,
    tls:
      options.metricsCertDir === ''
        ? undefined
        : { certDir: options.metricsCertDir, clientCaFile: options.metricsClientCaFile },
    hasProfiling: options.enablePprof,
  };
}
