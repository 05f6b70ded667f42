/** Where the demo's Envoy sends requests. */
export interface DemoRoutes {
  /** `host:port` of each model server. */
  readonly endpoints: readonly string[];
  /** `host:port` of the picker's ext-proc service. */
  readonly picker: string;
}

const TYPES = 'type.googleapis.com/envoy.extensions';
const BREAKERS = {
  thresholds: [{ max_connections: 40_000, max_pending_requests: 40_000, max_requests: 40_000 }],
};
const CONNECT_TIMEOUT = '5s';
const DESTINATION = 'x-gateway-destination-endpoint';

/**
 * An Envoy with two listeners on free ports: `round-robin` goes round the endpoints, `picker` asks the picker and goes
 * where it says, as config/envoy/standalone-header.yaml does.
 */
export function demoEnvoyConfig({ endpoints, picker }: DemoRoutes): string {
  return JSON.stringify({
    admin: { address: socketAddress('127.0.0.1:0') },
    static_resources: {
      listeners: [listener('round-robin', 'servers', []), listener('picker', 'chosen', [extProc()])],
      clusters: [
        {
          name: 'servers',
          type: 'STATIC',
          lb_policy: 'ROUND_ROBIN',
          connect_timeout: CONNECT_TIMEOUT,
          circuit_breakers: BREAKERS,
          load_assignment: assignment('servers', endpoints),
        },
        {
          name: 'chosen',
          type: 'ORIGINAL_DST',
          lb_policy: 'CLUSTER_PROVIDED',
          connect_timeout: CONNECT_TIMEOUT,
          circuit_breakers: BREAKERS,
          original_dst_lb_config: { use_http_header: true, http_header_name: DESTINATION },
        },
        {
          name: 'epp',
          type: 'STATIC',
          connect_timeout: CONNECT_TIMEOUT,
          circuit_breakers: BREAKERS,
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': `${TYPES}.upstreams.http.v3.HttpProtocolOptions`,
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: assignment('epp', [picker]),
        },
      ],
    },
  });
}

function listener(name: string, cluster: string, filters: readonly object[]): object {
  const router = {
    name: 'envoy.filters.http.router',
    typed_config: { '@type': `${TYPES}.filters.http.router.v3.Router` },
  };
  const route = { match: { prefix: '/' }, route: { cluster, timeout: '600s' } };
  const mutation = {
    '@type': `${TYPES}.http.early_header_mutation.header_mutation.v3.HeaderMutation`,
    mutations: [{ remove: DESTINATION }],
  };
  return {
    name,
    address: socketAddress('127.0.0.1:0'),
    per_connection_buffer_limit_bytes: 1_048_576,
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: {
              '@type': `${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
              stat_prefix: name,
              stream_idle_timeout: '0s',
              early_header_mutation_extensions: [{ name: 'strip-destination', typed_config: mutation }],
              route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }] },
              http_filters: [...filters, router],
            },
          },
        ],
      },
    ],
  };
}

function extProc(): object {
  return {
    name: 'envoy.filters.http.ext_proc',
    typed_config: {
      '@type': `${TYPES}.filters.http.ext_proc.v3.ExternalProcessor`,
      grpc_service: { envoy_grpc: { cluster_name: 'epp' } },
      processing_mode: {
        request_header_mode: 'SEND',
        request_body_mode: 'FULL_DUPLEX_STREAMED',
        request_trailer_mode: 'SEND',
        response_header_mode: 'SEND',
        response_body_mode: 'FULL_DUPLEX_STREAMED',
        response_trailer_mode: 'SEND',
      },
      message_timeout: '600s',
    },
  };
}

function assignment(name: string, addresses: readonly string[]): object {
  const lb_endpoints = addresses.map((address) => ({ endpoint: { address: socketAddress(address) } }));
  return { cluster_name: name, endpoints: [{ lb_endpoints }] };
}

function socketAddress(address: string): object {
  const colon = address.lastIndexOf(':');
  return {
    socket_address: { address: address.slice(0, colon), port_value: Number(address.slice(colon + 1)) },
  };
}
