import { readFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';

/** How Envoy sends a body to the picker, in Envoy's words. */
export type EnvoyBodyMode = 'NONE' | 'BUFFERED' | 'BUFFERED_PARTIAL' | 'STREAMED' | 'FULL_DUPLEX_STREAMED';

/** A replica of the picker. */
export interface PickerReplica {
  /** `host:port` of its ext-proc service. */
  readonly address: string;
  /** Where health checks go; to the ext-proc port when absent. */
  readonly healthPort?: number;
}

/** What a test changes of a configuration in `config/envoy`; everything else stays as published. */
export interface EnvoyConfigOptions {
  readonly file?: 'standalone-header' | 'standalone-metadata' | 'override-host';
  /** `host:port` of the picker's ext-proc service, or all its replicas. */
  readonly picker: string | readonly PickerReplica[];
  /** `host:port` of the model servers, for `override-host`. */
  readonly endpoints?: readonly string[];
  /** Port that clients use; any free one when absent. */
  readonly port?: number;
  readonly requestBodyMode?: EnvoyBodyMode;
  readonly responseBodyMode?: EnvoyBodyMode;
  readonly failureModeAllow?: boolean;
  /** Bytes that Envoy keeps of a body it buffers. */
  readonly bufferLimitBytes?: number;
  /** Uncomments the lines for TLS to the picker. */
  readonly hasTls?: boolean;
  /** Uncomments the lines for health checks of the picker, and makes them frequent. */
  readonly hasHealthChecks?: boolean;
  /** Uncomments the line that makes Envoy stop asking a picker whose health checks fail; in `override-host`. */
  readonly heedsHealthChecks?: boolean;
  /** Speaks HTTP/2 to the model servers. */
  readonly hasHttp2Upstream?: boolean;
  /** Ends every stream to the picker with a reset, as older Envoys do. */
  readonly resetsStreams?: boolean;
  /** HTTP filters that run before ext_proc. */
  readonly filters?: readonly object[];
  /** Namespaces in which the picker may set metadata. */
  readonly receivingNamespaces?: readonly string[];
  /** One line for each exchange that is over. */
  readonly accessLog?: { readonly path: string; readonly format: string };
  /** With mode STREAMED: body chunks come before the headers are answered. */
  readonly sendsBodyAhead?: boolean;
}

/** Only the parts that are read or written here. */
interface Document {
  layered_runtime?: object;
  admin: { address: Address };
  static_resources: {
    listeners: {
      address: Address;
      per_connection_buffer_limit_bytes: number;
      filter_chains: { filters: { typed_config: Connections }[] }[];
    }[];
    clusters: Cluster[];
  };
}

interface Address {
  socket_address: { address: string; port_value: number };
}

interface Member {
  address: Address;
  health_check_config?: { port_value: number };
}

interface Connections {
  http_filters: { name: string; typed_config: ExtProc }[];
  http2_protocol_options?: object;
  access_log?: object[];
}

interface ExtProc {
  failure_mode_allow: boolean;
  processing_mode: Record<string, string>;
  send_body_without_waiting_for_header_response?: boolean;
  metadata_options?: { receiving_namespaces?: object };
}

interface Cluster {
  name: string;
  health_checks?: Record<string, unknown>[];
  typed_extension_protocol_options?: object;
  load_assignment?: { endpoints: { lb_endpoints: { endpoint: Member }[] }[] };
}

/** A published configuration with a test's ports and changes, as YAML. */
export function envoyConfig(options: EnvoyConfigOptions): string {
  const text = readFileSync(`config/envoy/${options.file ?? 'standalone-header'}.yaml`, 'utf8');
  const document = parse(uncommented(text, options)) as Document;
  document.admin.address = socketAddress('127.0.0.1:0');
  if (options.resetsStreams === true) {
    const static_layer = { 'envoy.reloadable_features.ext_proc_graceful_grpc_close': false };
    document.layered_runtime = { layers: [{ name: 'older', static_layer }] };
  }
  const [listener] = document.static_resources.listeners;
  const connections = listener?.filter_chains[0]?.filters[0]?.typed_config;
  const extProc = connections?.http_filters.find(({ name }) => name === 'envoy.filters.http.ext_proc');
  if (listener === undefined || connections === undefined || extProc === undefined) {
    throw new Error('the published configuration has another form than expected');
  }
  listener.address = socketAddress(`127.0.0.1:${options.port ?? 0}`);
  listener.per_connection_buffer_limit_bytes =
    options.bufferLimitBytes ?? listener.per_connection_buffer_limit_bytes;
  connections.http_filters.unshift(...((options.filters ?? []) as Connections['http_filters']));
  const settings = extProc.typed_config;
  settings.failure_mode_allow = options.failureModeAllow ?? settings.failure_mode_allow;
  const mode = settings.processing_mode;
  mode['request_body_mode'] = options.requestBodyMode ?? mode['request_body_mode'] ?? '';
  mode['response_body_mode'] = options.responseBodyMode ?? mode['response_body_mode'] ?? '';
  if (options.sendsBodyAhead === true) settings.send_body_without_waiting_for_header_response = true;
  if (options.receivingNamespaces !== undefined) {
    const receiving_namespaces = { untyped: options.receivingNamespaces };
    settings.metadata_options = { ...settings.metadata_options, receiving_namespaces };
  }
  if (options.accessLog !== undefined) connections.access_log = [accessLog(options.accessLog)];
  for (const cluster of document.static_resources.clusters) edit(cluster, options);
  return stringify(document);
}

function accessLog({ path, format }: { readonly path: string; readonly format: string }): object {
  return {
    name: 'file',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
      path,
      log_format: { text_format_source: { inline_string: `${format}\n` } },
    },
  };
}

function edit(cluster: Cluster, { picker, endpoints, hasHttp2Upstream }: EnvoyConfigOptions): void {
  if (cluster.name === 'pool' && hasHttp2Upstream === true) {
    cluster.typed_extension_protocol_options = {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: { http2_protocol_options: {} },
      },
    };
  }
  const pickers = typeof picker === 'string' ? [{ address: picker }] : picker;
  const members = cluster.name === 'epp' ? pickers : (endpoints ?? []).map((address) => ({ address }));
  if (cluster.load_assignment !== undefined) {
    const lb_endpoints = members.map((member) => ({ endpoint: memberOf(member) }));
    cluster.load_assignment.endpoints = [{ lb_endpoints }];
  }
  for (const check of cluster.health_checks ?? []) {
    Object.assign(check, { interval: '0.1s', no_traffic_interval: '0.1s', healthy_threshold: 1 });
  }
}

function memberOf({ address, healthPort }: PickerReplica): Member {
  const checks = healthPort === undefined ? {} : { health_check_config: { port_value: healthPort } };
  return { address: socketAddress(address), ...checks };
}

/** Takes the comment signs off the optional lines that are asked for. */
function uncommented(text: string, options: EnvoyConfigOptions): string {
  const blocks = [
    ...(options.hasTls === true ? ['transport_socket'] : []),
    ...(options.hasHealthChecks === true ? ['health_checks'] : []),
    ...(options.heedsHealthChecks === true ? ['common_lb_config'] : []),
  ];
  let result = text;
  for (const block of blocks) {
    const pattern = new RegExp(`^ *# ${block}:.*\n(?: *#  .*\n)*`, 'm');
    if (!pattern.test(result)) throw new Error(`the published configuration has no commented ${block}`);
    result = result.replace(pattern, (lines) => lines.replace(/^( *)# /gm, '$1'));
  }
  return result;
}

/** A filter that makes Envoy hint the picker at these endpoints. */
export function subsetHint(endpoints: readonly string[]): object {
  return {
    name: 'subset-hint',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config',
      metadata: [
        {
          metadata_namespace: 'envoy.lb.subset_hint',
          value: { 'x-gateway-destination-endpoint-subset': endpoints },
        },
      ],
    },
  };
}

function socketAddress(address: string): Address {
  const colon = address.lastIndexOf(':');
  return {
    socket_address: { address: address.slice(0, colon), port_value: Number(address.slice(colon + 1)) },
  };
}
